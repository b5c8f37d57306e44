package main

import (
	"encoding/binary"
	"errors"
	"net"
	"syscall"
	"time"
)

// exporter sends NetFlow v9 (RFC 3954).
type exporter struct {
	conn     net.Conn
	sequence uint32
	clock    time.Duration // what its clock is off
}

type flow struct {
	local  [4]byte
	remote string
	id     uint16
}

func newExporter(to, from string) (*exporter, error) {
	d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("udp", to)
	if err != nil {
		return nil, err
	}
	return &exporter{conn: c}, nil
}

var be = binary.BigEndian

// template is source, destination, ports, protocol, flags, packets, bytes.
var template = words(0, 256, 9, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 6, 1, 2, 4, 1, 4, 210, 2)

func words(id uint16, values ...uint16) []byte {
	b := be.AppendUint16(nil, id)
	b = be.AppendUint16(b, uint16(4+2*len(values)))
	for _, v := range values {
		b = be.AppendUint16(b, v)
	}
	return b
}

// send sends one datagram: the template, if told, and an established flow each.
func (e *exporter) send(withTemplate bool, flows ...flow) error {
	b := be.AppendUint16(nil, 9)
	b = be.AppendUint16(b, uint16(len(flows)+1))
	b = be.AppendUint32(b, 3600_000)
	b = be.AppendUint32(b, uint32(time.Now().Add(e.clock).Unix()))
	b = be.AppendUint32(b, e.sequence)
	b = be.AppendUint32(b, 1)
	e.sequence++
	if withTemplate {
		b = append(b, template...)
	}
	if len(flows) > 0 {
		b = be.AppendUint16(b, 256)
		b = be.AppendUint16(b, uint16(4+24*len(flows)))
	}
	for _, f := range flows {
		b = append(b, f.local[:]...)
		b = append(b, net.ParseIP(f.remote).To4()...)
		b = append(be.AppendUint16(be.AppendUint16(b, 1025+f.id), 443), 6, 0x1b)
		b = append(be.AppendUint32(be.AppendUint32(b, 5), 500), 0, 0)
	}
	_, err := e.conn.Write(b)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil // the agent is dead at the moment
	}
	return err
}
