package netflow

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// spoofed is the i-th of many forged exporters.
func spoofed(i uint32) netip.AddrPort {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 0xc6336400+i)
	return netip.AddrPortFrom(netip.AddrFrom4(a), 2055)
}

// TestSpoofedExportersCostBoundedMemory floods a Decoder with exporters that
// each bring as much as they can, while a real one goes on sending.
func TestSpoofedExportersCostBoundedMemory(t *testing.T) {
	peer.Long(t)
	const exporters = 6000
	d := NewDecoder(Options{})
	wide := make([]spec, 3000)
	for i := range wide {
		wide[i] = spec{uint16(1000 + i), 1, 0}
	}
	flood := ipfixMessage(0, set(2, templateRecord(300, wide...)), set(999, make([]byte, 20_000)))
	feed(t, d, v9Datagram(0, set(0, templateRecord(256, srcDst...))))
	var out flow.Batch
	for i := range uint32(exporters) {
		_ = d.Decode(flood, spoofed(i), testReceived, &out)
		if i%500 == 0 {
			wantPairs(t, feed(t, d, v9Datagram(1, set(256, pair))), there)
		}
	}
	if d.memory > maxMemory || d.exporters.len() > DefaultMaxExporters+maxNewcomers {
		t.Errorf("%d bytes for %d exporters", d.memory, d.exporters.len())
	}
	s := d.Stats()
	if s.Total.Datagrams[ipfix] != exporters || s.Forgotten+uint64(len(s.Exporters)) != exporters+1 {
		t.Errorf("%d datagrams, %d exporters forgotten, %d known", s.Total.Datagrams[ipfix], s.Forgotten, len(s.Exporters))
	}
}

func TestRubbishMakesNoExporter(t *testing.T) {
	d := NewDecoder(Options{})
	r := rand.New(rand.NewPCG(3, 4))
	var out flow.Batch
	for i := range uint32(1000) {
		b := make([]byte, r.IntN(200))
		for j := range b {
			b[j] = byte(r.Uint32()) | 0x10 // never a known version
		}
		if err := d.Decode(b, spoofed(i), testReceived, &out); err == nil {
			t.Fatal("no error")
		}
	}
	s := d.Stats()
	if len(s.Exporters) != 0 || len(out.Records) != 0 || s.Total.Malformed[BadVersion]+s.Total.Malformed[ShortHeader] != 1000 {
		t.Errorf("%d exporters, %d records, counted %v", len(s.Exporters), len(out.Records), s.Total.Malformed)
	}
}

func TestExporterOverIPv6AndMappedIPv4(t *testing.T) {
	d := NewDecoder(Options{})
	var out flow.Batch
	for _, from := range []string{"[2001:db8::1]:9", "[::ffff:192.0.2.1]:9", "192.0.2.1:9"} {
		_ = d.Decode(v5Datagram(1, 0, v5Record()), netip.MustParseAddrPort(from), testReceived, &out)
	}
	if n := len(d.Stats().Exporters); n != 2 {
		t.Errorf("%d exporters, want 2: a mapped address is the IPv4 one", n)
	}
	if got := out.Records[0].Exporter.String(); got != "2001:db8::1" {
		t.Errorf("exporter %s", got)
	}
}

func TestStatsMayBeReadWhileDecoding(t *testing.T) {
	d := NewDecoder(Options{MaxExporters: 8})
	var reader sync.WaitGroup
	done := make(chan struct{})
	reader.Go(func() {
		var last uint64
		for {
			if n := d.Stats().Total.Records[v5]; n < last {
				t.Errorf("total fell from %d to %d", last, n)
			} else {
				last = n
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	var out flow.Batch
	for i := range uint32(5000) {
		out.Reset()
		_ = d.Decode(v5Datagram(1, 0, v5Record()), spoofed(i%20), testReceived, &out)
	}
	close(done)
	reader.Wait()
	s := d.Stats()
	if s.Total.Records[v5] != 5000 || s.Exporters[0].LastSeen.UnixNano() != testReceived {
		t.Errorf("counted %+v", s)
	}
}

func TestDecodingAllocatesNothing(t *testing.T) {
	for name, c := range map[string]struct{ template, data []byte }{
		"v5":       {nil, v5Datagram(1, 0, v5Record())},
		"v9":       {v9Datagram(0, set(0, templateRecord(256, layoutV9...))), v9Datagram(1, set(256, randomRecords(layoutV9, 9)))},
		"ipfix":    {ipfixMessage(0, set(2, templateRecord(256, layoutIPFIX6...))), ipfixMessage(0, set(256, randomRecords(layoutIPFIX6, 9)))},
		"variable": {ipfixMessage(0, set(2, templateRecord(256, layoutVariable...))), ipfixMessage(0, set(256, randomRecords(layoutVariable, 9)))},
		"malformed": {ipfixMessage(0, set(2, templateRecord(256, srcDst...))),
			cat(ipfixMessage(0, set(256, pair), set(9, pair), u16(256), u16(900)), []byte("xyz"))},
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDecoder(Options{})
			out := flow.Batch{Records: make([]flow.Record, 0, 100)}
			_ = d.Decode(c.template, testExporter, testReceived, &out)
			_ = d.Decode(c.data, testExporter, testReceived, &out)
			n := testing.AllocsPerRun(100, func() {
				out.Reset()
				_ = d.Decode(c.data, testExporter, testReceived, &out)
			})
			if n != 0 || len(out.Records) == 0 {
				t.Errorf("%v allocations for %d records", n, len(out.Records))
			}
		})
	}
}
