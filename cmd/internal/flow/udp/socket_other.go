//go:build !linux

package udp

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// socket receives one datagram at a time where there is no recvmmsg(2).
type socket struct {
	conn  *net.UDPConn
	buf   [65535]byte
	batch [1]Datagram
}

// open binds one socket whatever n is: spreading exporters over several is
// Linux's alone.
func open(network, address string, _ int, _ *slog.Logger) ([]*socket, error) {
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	return []*socket{{conn: conn.(*net.UDPConn)}}, nil
}

func (s *socket) receive() ([]Datagram, error) {
	n, from, err := s.conn.ReadFromUDPAddrPort(s.buf[:])
	if err != nil {
		return nil, err
	}
	addr := from.Addr().Unmap().WithZone("")
	s.batch[0] = Datagram{Data: s.buf[:n], From: netip.AddrPortFrom(addr, from.Port())}
	return s.batch[:], nil
}

func (s *socket) queued() []Datagram {
	_ = s.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	batch, err := s.receive()
	if err != nil {
		return nil
	}
	return batch
}

func (s *socket) interrupt() { _ = s.conn.SetReadDeadline(time.Unix(0, 0)) }

func (s *socket) setBuffer(bytes int) (granted int) {
	if s.conn.SetReadBuffer(bytes) != nil {
		return 0
	}
	return bytes
}

func (s *socket) drops() (uint32, error) { return 0, nil }
func (s *socket) refuse()                {}
