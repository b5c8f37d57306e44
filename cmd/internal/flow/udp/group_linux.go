package udp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// open binds n sockets to one address and has the kernel share the datagrams out
// by source address. Where that cannot be had it binds one socket.
//
// Until the group is complete its sockets refuse everything: a template that
// came in between would wait at the wrong worker, and its exporter's flows could
// not be read until it is sent again, minutes later.
func open(network, address string, n int, log *slog.Logger) ([]*socket, error) {
	// The first socket binds alone, so that a port in use is an error. With
	// SO_REUSEPORT set a second agent would get half of the first one's datagrams.
	first, err := bind(network, address, false)
	if err != nil {
		return nil, err
	}
	sockets := []*socket{first}
	if n > 1 {
		others, err := join(first, network, n)
		if err != nil {
			log.Info("the kernel cannot keep each exporter with one worker, so one worker serves all", "listen", first.conn.LocalAddr(), "error", err)
			closeAll(others)
			others = nil
		}
		sockets = append(sockets, others...)
	}
	for _, s := range sockets {
		if err := s.admit(); err != nil {
			closeAll(sockets)
			return nil, fmt.Errorf("admit datagrams: %w", err)
		}
	}
	return sockets, nil
}

// join binds n-1 sockets to the address of first and attaches the program that
// picks one of the n. The program returns a socket's place in the order of binding.
// With an error come the sockets that were bound until then.
func join(first *socket, network string, n int) (others []*socket, err error) {
	if err := first.control(share); err != nil {
		return nil, fmt.Errorf("share the port: %w", err)
	}
	for len(others) < n-1 {
		s, err := bind(network, first.conn.LocalAddr().String(), true)
		if err != nil {
			return others, fmt.Errorf("share the port: %w", err)
		}
		others = append(others, s)
	}
	if err := first.control(func(fd int) error { return attach(fd, unix.SO_ATTACH_REUSEPORT_CBPF, bySource(n)) }); err != nil {
		return others, fmt.Errorf("attach the program that picks a socket: %w", err)
	}
	return others, nil
}

func closeAll(sockets []*socket) {
	for _, s := range sockets {
		_ = s.conn.Close()
	}
}

// bind opens one socket, which refuses datagrams until admit; a shared one joins
// those on its port.
func bind(network, address string, shared bool) (*socket, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return control(c, func(fd int) error {
			refuse(fd)
			if !shared {
				return nil
			}
			return share(fd)
		})
	}}
	conn, err := lc.ListenPacket(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	return newSocket(conn.(*net.UDPConn))
}

// share lets further sockets bind to the port, those that share it themselves.
func share(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }

// refuse makes the kernel throw away whatever arrives from now on. What is queued
// stays. Where the kernel will not, datagrams of a few microseconds may reach
// another worker, or be lost at Close.
func refuse(fd int) { _ = attach(fd, unix.SO_ATTACH_FILTER, nothing) }

// refuse works on a bound socket as on one that is being made.
func (s *socket) refuse() {
	_ = s.control(func(fd int) error { refuse(fd); return nil })
}

// admit undoes refuse.
func (s *socket) admit() error {
	err := s.control(func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) })
	if errors.Is(err, unix.ENOENT) { // it refused nothing
		return nil
	}
	return err
}

// nothing is the socket filter that keeps 0 bytes of every datagram.
var nothing = []bpf.Instruction{bpf.RetConstant{Val: 0}}

// networkHeader is SKF_NET_OFF of linux/filter.h, -0x100000: offsets from here on
// are counted from the IP header. (A program of a group sees the payload at 0.)
const networkHeader = 0xfff00000

// bySource is the program that picks one of n sockets by the source address. It
// folds the address a word at a time; multiplying by 2^32 divided by the golden
// ratio spreads neighbours, and the upper half of the product is the better mixed.
func bySource(n int) []bpf.Instruction {
	const golden = 0x9e3779b1
	fold := func(offset uint32) []bpf.Instruction { // X = (X ^ word) * golden
		return []bpf.Instruction{
			bpf.LoadAbsolute{Off: networkHeader + offset, Size: 4},
			bpf.ALUOpX{Op: bpf.ALUOpXor},
			bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: golden},
			bpf.TAX{},
		}
	}
	v4 := fold(12) // the source address in an IPv4 header
	var v6 []bpf.Instruction
	for offset := uint32(8); offset < 24; offset += 4 { // and in an IPv6 header
		v6 = append(v6, fold(offset)...)
	}

	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: networkHeader, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 4, SkipFalse: uint8(len(v4) + 1)},
	}
	program = append(program, v4...)
	program = append(program, bpf.Jump{Skip: uint32(len(v6))})
	program = append(program, v6...)
	return append(program,
		bpf.TXA{},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 16},
		bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: uint32(n)},
		bpf.RetA{},
	)
}

// attach gives a classic BPF program to a socket, as socket(7) says for option.
func attach(fd, option int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, option, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}
