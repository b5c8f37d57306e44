package pcap

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow/packet"
)

// classic reads pcap files, draft-ietf-opsawg-pcap.
type classic struct {
	r      *bufio.Reader
	order  binary.ByteOrder
	unit   time.Duration // of a timestamp's lower half
	link   uint32
	header [16]byte
	buf    []byte
}

func newClassic(r *bufio.Reader, order binary.ByteOrder, unit time.Duration) (*classic, error) {
	var header [24]byte
	if err := readFull(r, header[:]); err != nil {
		return nil, err
	}
	if major := order.Uint16(header[4:]); major != 2 {
		return nil, fmt.Errorf("pcap version %d: only version 2 is known", major)
	}
	// The upper half of the link type tells of frame check sequences.
	link := order.Uint32(header[20:]) & 0xffff
	if !packet.Known(link) {
		return nil, fmt.Errorf("captured on link type %d (www.tcpdump.org/linktypes.html), which cannot be read", link)
	}
	return &classic{r: r, order: order, unit: unit, link: link}, nil
}

func (c *classic) next() (frame, error) {
	h := c.header[:]
	if _, err := io.ReadFull(c.r, h); err != nil {
		return frame{}, err
	}
	captured, length := c.order.Uint32(h[8:]), c.order.Uint32(h[12:])
	if captured > maxRecord {
		return frame{}, fmt.Errorf("a packet of %d bytes is over the limit of %d", captured, maxRecord)
	}
	c.buf = resize(c.buf, int(captured))
	if err := readFull(c.r, c.buf); err != nil {
		return frame{}, err
	}
	fraction := time.Duration(c.order.Uint32(h[4:])) * c.unit
	return frame{
		time: unix(int64(c.order.Uint32(h)), fraction.Nanoseconds()),
		link: c.link,
		cut:  captured < length,
		data: c.buf,
	}, nil
}
