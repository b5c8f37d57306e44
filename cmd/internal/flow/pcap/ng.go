package pcap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"
)

// The blocks of draft-ietf-opsawg-pcapng that matter; others are skipped.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6
)

// maxInterfaces bounds the interfaces of a section, which a file names in 20
// bytes each. Real captures have a handful.
const maxInterfaces = 4096

// ng reads pcapng files. A section has its own byte order and interfaces, and a
// file may hold several.
type ng struct {
	r          *bufio.Reader
	order      binary.ByteOrder
	interfaces []iface
	last       time.Time // of the last packet that had a time
	header     [12]byte
	buf        []byte
}

// iface is what a packet needs to know of the interface it was captured on.
type iface struct {
	link    uint32
	snaplen uint32 // 0: no limit
	ticks   uint64 // of its clock in a second
	offset  int64  // seconds to add to its timestamps
}

func (n *ng) next() (frame, error) {
	for {
		kind, body, err := n.block()
		if err != nil {
			return frame{}, err
		}
		switch kind {
		case blockSection:
			err = n.section(body)
		case blockInterface:
			err = n.addInterface(body)
		case blockEnhanced, blockPacket:
			return n.packet(kind, body)
		case blockSimple:
			return n.simple(body)
		}
		if err != nil {
			return frame{}, err
		}
	}
}

// block reads one block whole, or skips it if its kind does not matter. The body
// is valid until the next one.
func (n *ng) block() (kind uint32, body []byte, err error) {
	if _, err := io.ReadFull(n.r, n.header[:8]); err != nil {
		return 0, nil, err
	}
	// The first block is a section: newFormat saw it. Its type reads alike both
	// ways, and its own byte order stands behind its length.
	if binary.BigEndian.Uint32(n.header[:]) == blockSection {
		if err := n.setOrder(); err != nil {
			return 0, nil, err
		}
	}
	kind, length := n.order.Uint32(n.header[:]), n.order.Uint32(n.header[4:])
	if length < 12 || length%4 != 0 {
		return 0, nil, fmt.Errorf("a block cannot have %d bytes", length)
	}
	switch kind {
	case blockSection, blockInterface, blockPacket, blockSimple, blockEnhanced:
		if length > maxRecord {
			return 0, nil, fmt.Errorf("a block of %d bytes is over the limit of %d", length, maxRecord)
		}
		n.buf = resize(n.buf, int(length)-12)
		body = n.buf
		err = readFull(n.r, body)
	default:
		_, err = io.CopyN(io.Discard, n.r, int64(length)-12)
	}
	if err != nil {
		return 0, nil, inside(err)
	}
	if err := readFull(n.r, n.header[8:]); err != nil {
		return 0, nil, err
	}
	if again := n.order.Uint32(n.header[8:]); again != length {
		return 0, nil, fmt.Errorf("a block says %d bytes at its start and %d at its end", length, again)
	}
	return kind, body, nil
}

func (n *ng) setOrder() error {
	magic, err := n.r.Peek(4)
	if err != nil {
		return inside(err)
	}
	switch binary.BigEndian.Uint32(magic) {
	case 0x1a2b3c4d:
		n.order = binary.BigEndian
	case 0x4d3c2b1a:
		n.order = binary.LittleEndian
	default:
		return fmt.Errorf("a section's byte order is % x", magic)
	}
	return nil
}

func (n *ng) section(body []byte) error {
	if len(body) < 16 {
		return errShort
	}
	if major := n.order.Uint16(body[4:]); major != 1 {
		return fmt.Errorf("pcapng version %d: only version 1 is known", major)
	}
	n.interfaces = n.interfaces[:0]
	return nil
}

var errShort = errors.New("a block is too short for its type")

// The options of an interface that timestamps need.
const (
	optionEnd        = 0
	optionResolution = 9
	optionOffset     = 14
)

func (n *ng) addInterface(body []byte) error {
	if len(body) < 8 {
		return errShort
	}
	if len(n.interfaces) == maxInterfaces {
		return fmt.Errorf("a section has over %d interfaces", maxInterfaces)
	}
	i := iface{
		link:    uint32(n.order.Uint16(body)),
		snaplen: n.order.Uint32(body[4:]),
		ticks:   1_000_000,
	}
	for options := body[8:]; len(options) >= 4; {
		code, length := n.order.Uint16(options), int(n.order.Uint16(options[2:]))
		if code == optionEnd {
			break
		}
		padded := 4 + (length+3)&^3
		if padded > len(options) {
			return errors.New("an option is longer than its block")
		}
		value := options[4 : 4+length]
		options = options[padded:]
		switch {
		case code == optionResolution && length == 1:
			if i.ticks = ticks(value[0]); i.ticks == 0 {
				return fmt.Errorf("timestamp resolution %#x is finer than 64 bits can tell", value[0])
			}
		case code == optionOffset && length == 8:
			i.offset = min(max(int64(n.order.Uint64(value)), -maxSeconds), maxSeconds)
		}
	}
	n.interfaces = append(n.interfaces, i)
	return nil
}

// ticks reads a resolution: the exponent of 10, or with the top bit of 2. It is 0
// for what does not fit.
func ticks(resolution byte) uint64 {
	if exponent := resolution & 0x7f; resolution != exponent {
		return 1 << exponent // 0 beyond 63
	}
	if resolution > 19 {
		return 0
	}
	t := uint64(1)
	for range resolution {
		t *= 10
	}
	return t
}

// time reads a timestamp, its upper half first.
func (i *iface) time(upper, lower uint32) time.Time {
	stamp := uint64(upper)<<32 | uint64(lower)
	seconds, rest := stamp/i.ticks, stamp%i.ticks
	high, low := bits.Mul64(rest, uint64(time.Second))
	nanoseconds, _ := bits.Div64(high, low, i.ticks)
	return unix(int64(min(seconds, maxSeconds))+i.offset, int64(nanoseconds))
}

// packet reads an Enhanced Packet Block, or an obsolete Packet Block, which
// differs in the width of the interface's number.
func (n *ng) packet(kind uint32, body []byte) (frame, error) {
	if len(body) < 20 {
		return frame{}, errShort
	}
	number := n.order.Uint32(body)
	if kind == blockPacket {
		number = uint32(n.order.Uint16(body))
	}
	i, err := n.iface(number)
	if err != nil {
		return frame{}, err
	}
	captured, length := n.order.Uint32(body[12:]), n.order.Uint32(body[16:])
	if int64(captured) > int64(len(body)-20) {
		return frame{}, fmt.Errorf("a packet of %d bytes in a block of %d", captured, len(body))
	}
	n.last = i.time(n.order.Uint32(body[4:]), n.order.Uint32(body[8:]))
	return frame{time: n.last, link: i.link, cut: captured < length, data: body[20 : 20+captured]}, nil
}

// simple reads a Simple Packet Block: no time, and the first interface's.
func (n *ng) simple(body []byte) (frame, error) {
	if len(body) < 4 {
		return frame{}, errShort
	}
	i, err := n.iface(0)
	if err != nil {
		return frame{}, err
	}
	length := n.order.Uint32(body)
	captured := length
	if i.snaplen > 0 {
		captured = min(length, i.snaplen)
	}
	if int64(captured) > int64(len(body)-4) {
		return frame{}, fmt.Errorf("a packet of %d bytes in a block of %d", captured, len(body))
	}
	if n.last.IsZero() {
		n.last = unix(0, 0)
	}
	return frame{time: n.last, link: i.link, cut: captured < length, data: body[4 : 4+captured]}, nil
}

func (n *ng) iface(number uint32) (*iface, error) {
	if int64(number) >= int64(len(n.interfaces)) {
		return nil, fmt.Errorf("a packet of interface %d, where the section has %d", number, len(n.interfaces))
	}
	return &n.interfaces[number], nil
}
