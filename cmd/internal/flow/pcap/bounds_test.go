package pcap_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"
	"github.com/klauspost/compress/zstd"

	"github.com/flowhound/flowhound/cmd/internal/flow/pcap"
)

// allocated is how many bytes f allocates, freed or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestLyingLengthsTakeNoMemory reads files of a few bytes, or of compressed
// zeros, that speak of gigabytes.
func TestLyingLengthsTakeNoMemory(t *testing.T) {
	huge := binary.LittleEndian.AppendUint32(classic(t, 101), 0)
	huge = append(huge, "\x00\x00\x00\x00\xff\xff\xff\x7f\xff\xff\xff\x7f"...)
	var bomb bytes.Buffer
	z, err := zstd.NewWriter(&bomb)
	if err != nil {
		t.Fatal(err)
	}
	z.Write(huge)
	z.ReadFrom(io.LimitReader(zeros{}, 64<<20))
	z.Close()
	for name, file := range map[string][]byte{
		"pcap packet":   huge,
		"zstd of it":    bomb.Bytes(),
		"pcapng packet": append(section(), "\x06\x00\x00\x00\xf0\xff\xff\x7f"...),
		"pcapng secret": append(section(), "\x0a\x00\x00\x00\xf0\xff\xff\x7f"...),
	} {
		var err error
		n := allocated(func() { _, _, err = readAll(t, file) })
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if n > 32<<20 {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
	}
}

func TestHugeZstdWindowIsRefused(t *testing.T) {
	// Magic, no content size, window descriptor: 2^(10+18) bytes; an empty last block.
	file := []byte("\x28\xb5\x2f\xfd\x00\x90\x01\x00\x00")
	var err error
	n := allocated(func() { _, _, err = readAll(t, file) })
	if err == nil || !strings.Contains(err.Error(), "window size") {
		t.Errorf("error %v", err)
	}
	if n > 4<<20 {
		t.Errorf("%d bytes allocated", n)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// BenchmarkNext reads Ethernet frames of 1,442 bytes out of memory; what it
// allocates belongs to NewReader, once in a thousand packets.
func BenchmarkNext(b *testing.B) {
	packet := ethernet(ip4(b, strings.Repeat("x", 1400)), 0x0800)
	packets := make([][]byte, 1000)
	for i := range packets {
		packets[i] = packet
	}
	file := classic(b, 1, packets...)
	b.ReportAllocs()
	b.SetBytes(int64(len(packet)))
	for left := b.N; left > 0; {
		r, err := pcap.NewReader(bytes.NewReader(file))
		if err != nil {
			b.Fatal(err)
		}
		for ; left > 0; left-- {
			if _, err := r.Next(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func sum(left [pcap.NumReasons]uint64) (n uint64) {
	for _, x := range left {
		n += x
	}
	return n
}

func FuzzReader(f *testing.F) {
	f.Add(classic(f, 1, ethernet(ip4(f, "flow"), 0x8100, 0x0800)))
	f.Add(classic(f, 101, ip6(f, "flow", 0, 44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 1)))
	f.Add(classic(f, 113, append(make([]byte, 14), append([]byte{8, 0}, ip4(f, "flow")...)...)))
	f.Add(append(section(), interfaceBlock(101)...))
	f.Add(nanoseconds(f))
	f.Add(classic(f, 101, fragments4(ip4(f, long(200)), 7, 80)...))
	f.Add(classic(f, 101, fragments6(ip6(f, long(200), layers.IPProtocolUDP), 7, 80)...))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := pcap.NewReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		for range 10_000 { // a compressed file may be long
			p, err := r.Next()
			s := r.Stats()
			if left := sum(s.Left); s.Packets != s.Datagrams+s.Joined+left || s.Truncated > s.Datagrams {
				t.Fatalf("stats do not add up: %+v", s)
			}
			if err != nil {
				return
			}
			if !p.Src.IsValid() || !p.Dst.IsValid() || p.Src.Addr().Is4In6() {
				t.Fatalf("addresses %v > %v", p.Src, p.Dst)
			}
			if p.Time.UnixNano() < 0 || len(p.Payload) > 65535-8 {
				t.Fatalf("%d bytes at %v", len(p.Payload), p.Time)
			}
		}
	})
}
