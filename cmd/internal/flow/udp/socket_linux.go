package udp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// batchSize is the number of datagrams that one system call takes at most. A
	// call costs 0.2 us and a datagram 0.5, so more would gain nothing.
	batchSize = 64
	// maxDatagram is just over the largest value of UDP's length field: nothing is
	// ever truncated. A buffer's memory is touched as far as datagrams fill it.
	maxDatagram = 1 << 16
)

// socket is one UDP socket and the memory of one recvmmsg(2), which the kernel
// fills and the worker reads in place. Only the socket's worker may call receive
// and queued.
type socket struct {
	conn *net.UDPConn
	raw  syscall.RawConn

	msgs  [batchSize]unix.Mmsghdr
	iovs  [batchSize]unix.Iovec
	names [batchSize]sockaddr
	bufs  []byte
	batch [batchSize]Datagram

	// The outcome of the last recvmmsg. fill is made once, because a closure
	// made for every call would be allocated for every call.
	n    int
	err  error
	fill func(fd uintptr) (done bool)
}

// sockaddr has room for a sockaddr_in6, the larger of the two that come.
type sockaddr [unix.SizeofSockaddrInet6]byte

func newSocket(conn *net.UDPConn) (*socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{conn: conn, raw: raw, bufs: make([]byte, batchSize*maxDatagram)}
	for i := range s.msgs {
		s.iovs[i].Base = &s.bufs[i*maxDatagram]
		s.iovs[i].SetLen(maxDatagram)
		h := &s.msgs[i].Hdr
		h.Name = &s.names[i][0]
		h.Namelen = uint32(len(s.names[i]))
		h.Iov = &s.iovs[i]
		h.SetIovlen(1)
	}
	s.fill = func(fd uintptr) bool {
		s.n, s.err = recvmmsg(fd, s.msgs[:])
		return !errors.Is(s.err, unix.EAGAIN)
	}
	return s, nil
}

// recvmmsg takes what is queued and never waits: the runtime's poller does.
func recvmmsg(fd uintptr, msgs []unix.Mmsghdr) (n int, err error) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0) //nolint:gosec // the pointers in msgs stand in typed fields, which keep their targets
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// receive waits for at least one datagram. Its error is os.ErrDeadlineExceeded
// after interrupt.
func (s *socket) receive() ([]Datagram, error) {
	if err := s.raw.Read(s.fill); err != nil {
		return nil, err
	}
	if s.err != nil {
		return nil, s.err
	}
	return s.datagrams(), nil
}

// queued returns what has arrived already, perhaps nothing.
func (s *socket) queued() []Datagram {
	err := s.raw.Control(func(fd uintptr) { s.fill(fd) })
	if err != nil || s.err != nil {
		return nil
	}
	return s.datagrams()
}

// datagrams describes what the last recvmmsg left.
func (s *socket) datagrams() []Datagram {
	for i := range s.n {
		m, start := &s.msgs[i], i*maxDatagram
		s.batch[i] = Datagram{Data: s.bufs[start : start+int(m.Len) : start+int(m.Len)], From: s.names[i].addrPort()}
		m.Hdr.Namelen = uint32(len(s.names[i])) // the kernel wrote the name's own length
	}
	return s.batch[:s.n]
}

// addrPort reads a sockaddr_in or sockaddr_in6 as ip(7) and ipv6(7) lay them out:
// family, port, then the address or the flow label and the address.
func (a *sockaddr) addrPort() netip.AddrPort {
	port := binary.BigEndian.Uint16(a[2:])
	if binary.NativeEndian.Uint16(a[:]) == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a[4:])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(a[8:])).Unmap(), port)
}

// interrupt makes receive fail, now and from now on.
func (s *socket) interrupt() { _ = s.conn.SetReadDeadline(time.Unix(0, 0)) }

// control calls f with the socket's file descriptor.
func (s *socket) control(f func(fd int) error) error { return control(s.raw, f) }

// control calls f with the file descriptor and returns the error of either.
func control(c syscall.RawConn, f func(fd int) error) error {
	var err error
	if cerr := c.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// setBuffer asks for a receive buffer and returns what was granted. The first way
// passes net.core.rmem_max and needs CAP_NET_ADMIN.
func (s *socket) setBuffer(bytes int) (granted int) {
	_ = s.control(func(fd int) error {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes) // what came of it is read below
		}
		doubled, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
		granted = doubled / 2
		return err
	})
	return granted
}

// Indexes into what SO_MEMINFO returns, from linux/sock_diag.h.
const (
	skMeminfoDrops = 8
	skMeminfoVars  = 9
)

// drops reads the kernel's count of datagrams that this socket dropped, modulo
// 2^32. SO_MEMINFO answers at any time; SO_RXQ_OVFL only beside a datagram.
func (s *socket) drops() (n uint32, err error) {
	err = s.control(func(fd int) error {
		var info [skMeminfoVars]uint32
		size := uint32(unsafe.Sizeof(info))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0) //nolint:gosec // both live on this stack
		n = info[skMeminfoDrops]
		if errno != 0 {
			return errno
		}
		return nil
	})
	return n, err
}
