// Package pcap reads the UDP datagrams out of a capture: pcap or pcapng, plain,
// gzip or zstd, told apart by their first bytes, from a file or a pipe.
//
// It reads what exporters sent: it looks for UDP behind whatever flow/packet knows of
// link layers and tunnels, puts IP fragments together, and knows nothing of NetFlow.
// Of a datagram whose fragments are not all there it returns what is, later.
// What it leaves out it counts, each packet under a Reason. It does not check
// checksums, which a capture on the sending host lacks.
//
// A capture is outside input. A Reader's memory is bounded whatever the file
// says of itself: about 1.2 MiB, 5 MiB of fragments, and for zstd the window that the
// file asks for, up to 128 MiB.
package pcap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/flowhound/flowhound/cmd/internal/flow/packet"
)

const (
	// maxRecord bounds one packet with what a file says about it, in bytes. Four
	// times what libpcap ever captures of a packet leaves room for comments.
	maxRecord = 1 << 20
	// maxWindow is what the zstd program itself decompresses without being asked.
	maxWindow = 128 << 20
	// bufferSize is how much is read from the file at once.
	bufferSize = 64 << 10
)

// Packet is one UDP datagram.
type Packet struct {
	// Time is when the packet was captured, in UTC, between 1970 and 2262. A
	// pcapng Simple Packet Block carries none and takes that of the packet before.
	Time time.Time
	// Src and Dst are the sender and the receiver, IPv4 as IPv4.
	Src, Dst netip.AddrPort
	// Payload is valid until the next call of Next. Where the capture cut the
	// packet short it is what is there: a cut NetFlow datagram still holds whole
	// records.
	Payload []byte
}

// frame is one packet as the file holds it.
type frame struct {
	time time.Time
	link uint32 // a LINKTYPE_ value
	cut  bool   // the packet was longer on the wire
	data []byte // valid until the next one
}

// format reads one file format. The error at the end of the file, between two
// packets, is io.EOF.
type format interface {
	next() (frame, error)
}

// Reader reads one capture. It is not safe for concurrent use, starts no
// goroutine and needs no Close.
type Reader struct {
	format    format
	stats     Stats
	packet    packet.Packet // in work; here so that it is not allocated
	fragments fragments
	err       error // that Next keeps returning
}

// NewReader reads the header of a capture. It fails when r holds no capture, or
// one whose only link layer is not known.
func NewReader(r io.Reader) (*Reader, error) {
	br := bufio.NewReaderSize(r, bufferSize)
	plain, err := decompress(br)
	if err != nil {
		return nil, fmt.Errorf("read capture: %w", err)
	}
	f, err := newFormat(bufio.NewReaderSize(plain, bufferSize)) // br itself, if it is that
	if err != nil {
		return nil, fmt.Errorf("read capture: %w", err)
	}
	return &Reader{format: f}, nil
}

// decompress recognises a compressed file by its first bytes (RFC 1952, RFC 8878).
func decompress(r *bufio.Reader) (io.Reader, error) {
	magic, err := peek(r)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian.Uint32(magic)
	switch {
	case magic[0] == 0x1f && magic[1] == 0x8b:
		return gzip.NewReader(r)
	case le == 0xfd2fb528, le&^0xf == 0x184d2a50: // a frame, or one to be skipped in front of it
		// Concurrency 1 decompresses in Read and starts no goroutine.
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	}
	return r, nil
}

func newFormat(r *bufio.Reader) (format, error) {
	magic, err := peek(r)
	if err != nil {
		return nil, err
	}
	switch binary.BigEndian.Uint32(magic) {
	case 0xa1b2c3d4:
		return newClassic(r, binary.BigEndian, time.Microsecond)
	case 0xd4c3b2a1:
		return newClassic(r, binary.LittleEndian, time.Microsecond)
	case 0xa1b23c4d:
		return newClassic(r, binary.BigEndian, time.Nanosecond)
	case 0x4d3cb2a1:
		return newClassic(r, binary.LittleEndian, time.Nanosecond)
	case blockSection:
		return &ng{r: r}, nil
	}
	return nil, fmt.Errorf("neither pcap nor pcapng, plain, gzip or zstd: it begins with % x", magic)
}

// peek returns the four bytes that tell formats apart.
func peek(r *bufio.Reader) ([]byte, error) {
	magic, err := r.Peek(4)
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("a file of %d bytes is not a capture", len(magic))
	}
	return magic, err
}

// Next returns the next UDP datagram. At the end of the file the error is io.EOF;
// where the file is damaged, or ends in the middle of a packet (then it is
// io.ErrUnexpectedEOF as well), it says after which packet. An error is final,
// and what came before it stands.
func (r *Reader) Next() (Packet, error) {
	for {
		if p, ok := r.salvage(); ok {
			return p, nil
		}
		if r.err != nil {
			return Packet{}, r.err
		}
		f, err := r.format.next()
		if err != nil {
			r.err = io.EOF
			if !errors.Is(err, io.EOF) {
				r.err = fmt.Errorf("capture damaged after packet %d: %w", r.stats.Packets, err)
			}
			r.fragments.giveUpAll()
			continue
		}
		r.stats.Packets++
		if p, ok := r.datagram(f); ok {
			return p, nil
		}
	}
}

// salvage returns what is there of a datagram whose fragments did not all come.
func (r *Reader) salvage() (Packet, bool) {
	for {
		since, taken, ok := r.fragments.salvage(&r.packet)
		if !ok {
			return Packet{}, false
		}
		if payload, _, _, ok := udp(&r.packet, true); ok && len(payload) > 0 {
			r.stats.Datagrams++
			r.stats.Truncated++
			r.stats.Joined += taken - 1
			return r.result(since, payload), true
		}
		r.stats.Left[FragmentLost] += taken
	}
}

func (r *Reader) result(at time.Time, payload []byte) Packet {
	p := &r.packet
	return Packet{
		Time: at, Payload: payload,
		Src: netip.AddrPortFrom(p.Src.IP(), p.SrcPort), Dst: netip.AddrPortFrom(p.Dst.IP(), p.DstPort),
	}
}

// Stats counts what has been read so far. Fragments that wait for others count as lost.
func (r *Reader) Stats() Stats {
	s := r.stats
	s.Left[FragmentLost] += r.fragments.waiting()
	return s
}

// datagram takes a packet apart, and counts it.
func (r *Reader) datagram(f frame) (Packet, bool) {
	p := &r.packet
	reason, ok := r.unwrap(f)
	if ok {
		var payload []byte
		var cut bool
		if payload, cut, reason, ok = udp(p, f.cut); ok {
			r.stats.Datagrams++
			if cut {
				r.stats.Truncated++
			}
			return r.result(f.time, payload), true
		}
	}
	if reason == UnknownLink {
		r.stats.LinkType = f.link
	}
	if reason != held {
		r.stats.Left[reason]++
	}
	return Packet{}, false
}

// readFull is io.ReadFull where the end of the file is no place to end.
func readFull(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	return inside(err)
}

// inside turns io.EOF, the end between two packets, into the one within a packet.
func inside(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// resize returns b with length n, whose old content is lost.
func resize(b []byte, n int) []byte { return slices.Grow(b[:0], n)[:n] }

// maxSeconds is the last whole second that Unix nanoseconds in 64 bits can tell.
const maxSeconds = 1<<63/1_000_000_000 - 1

// unix makes a time of seconds, forced into what time.Time.UnixNano can tell.
func unix(seconds, nanoseconds int64) time.Time {
	return time.Unix(min(max(seconds, 0), maxSeconds), nanoseconds).UTC()
}
