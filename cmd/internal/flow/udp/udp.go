// Package udp receives datagrams from exporters, many to a system call, and
// hands each batch to the worker that owns its exporter.
//
// On Linux every worker has a socket of its own on the shared port, and a
// program in the kernel picks the socket by the source address alone. All
// datagrams of one exporter therefore reach one worker in the order in which
// they came, whatever its source ports, and what a worker knows of an exporter
// needs no lock. Elsewhere, and where the kernel refuses the program, one worker
// serves all.
//
// The package never looks into a datagram, never copies one and allocates
// nothing per datagram.
package udp

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/priority"
)

// DefaultBuffer is the socket buffer asked for, in bytes, where Options name
// none. It holds 58,000 datagrams of 1.4 kB, half a second of 3 million flows a
// second; with the kernel's default of 208 KiB a collector that is busy for a
// tenth of the time loses datagrams.
const DefaultBuffer = 64 << 20

// drainTime bounds how long Close works through what had arrived before it.
// Receiving a full buffer of DefaultBuffer bytes takes 50 ms, decoding and
// matching it about 150 ms more.
const drainTime = time.Second

// Datagram is one UDP payload and its sender.
type Datagram struct {
	// Data is valid during the call of the Handler only.
	Data []byte
	// From is the exporter, an IPv4 address as IPv4 whatever the socket, a
	// link-local address without its zone.
	From netip.AddrPort
}

// Handler takes what one system call received, in order of arrival; received is
// the time of that call in Unix nanoseconds. It runs on its worker's goroutine,
// never twice at a time, and the batch is the worker's again when it returns.
// While it runs, datagrams gather in the socket's buffer.
type Handler func(received int64, batch []Datagram)

// Options say how to listen. Only NewHandler is required.
type Options struct {
	// Workers is the number of sockets, each with its goroutine; 0 is
	// runtime.GOMAXPROCS. It is an upper bound: one serves all where the kernel
	// cannot keep every exporter with one worker.
	Workers int
	// Buffer is the receive buffer to ask for, in bytes for each worker; 0 is
	// DefaultBuffer. The kernel takes memory for what is queued only.
	Buffer int
	// Log takes one line when the kernel refuses something; nil is silent.
	Log *slog.Logger
	// NewHandler is called by Listen, once for every worker from 0 on, and only
	// when nothing can fail any more.
	NewHandler func(worker int) Handler
}

// Listener is a bound UDP port. All methods may be called from any goroutine.
type Listener struct {
	log      *slog.Logger
	addr     netip.AddrPort
	buffer   int
	sockets  []*socket
	handlers []Handler

	workers sync.WaitGroup
	closing chan struct{}
	close   func() error // closes once, whoever calls it

	mu      sync.Mutex // guards the fields below
	stopped bool       // what the kernel drops from now on is no loss
	dropped uint64
	last    []uint32 // the kernel's own counter of each socket when it was last read
}

// Listen binds addr: "udp://:2055" (IPv4 and IPv6), "udp://192.0.2.1:2055" or
// "udp://[2001:db8::1]:9995"; port 0 takes a free one. A port that another
// program holds is an error, never shared. Datagrams queue from here on, and are
// handed out after Start.
func Listen(addr string, o Options) (*Listener, error) {
	network, address, err := parse(addr)
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", addr, err)
	}
	if o.Workers <= 0 {
		o.Workers = priority.Cores()
	}
	if o.Buffer <= 0 {
		o.Buffer = DefaultBuffer
	}
	o.Buffer = min(o.Buffer, math.MaxInt32/2) // the most that Linux can grant
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}

	sockets, err := open(network, address, o.Workers, o.Log)
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", addr, err)
	}
	l := &Listener{
		log:     o.Log,
		addr:    sockets[0].conn.LocalAddr().(*net.UDPAddr).AddrPort(),
		buffer:  o.Buffer,
		sockets: sockets,
		closing: make(chan struct{}),
		last:    make([]uint32, len(sockets)),
	}
	l.close = sync.OnceValue(l.shut)
	for i, s := range sockets {
		l.buffer = min(l.buffer, s.setBuffer(o.Buffer))
		l.last[i], _ = s.drops() // datagrams refused while the group was made: see open
	}
	if l.buffer < o.Buffer {
		o.Log.Warn("the kernel caps the socket buffer, so bursts will be lost: set the sysctl, or run with CAP_NET_ADMIN",
			"sysctl", fmt.Sprintf("net.core.rmem_max=%d", o.Buffer), "listen", addr, "asked", o.Buffer, "granted", l.buffer)
	}
	for i := range sockets {
		l.handlers = append(l.handlers, o.NewHandler(i))
	}
	return l, nil
}

// parse takes a listen address apart into what package net wants. An IPv4
// wildcard must say udp4: "udp" would listen on both families.
func parse(addr string) (network, address string, err error) {
	address, ok := strings.CutPrefix(addr, "udp://")
	if !ok {
		return "", "", errors.New(`want "udp://:2055" or "udp://192.0.2.1:2055"`)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", "", fmt.Errorf(`%w (want "udp://:2055" or "udp://192.0.2.1:2055")`, err)
	}
	if host == "" {
		return "udp", address, nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "", "", fmt.Errorf("%w (give the address of one of this host's interfaces, or none for all)", err)
	}
	if ip.Is4() {
		return "udp4", address, nil
	}
	return "udp", address, nil
}

// Addr is the address that the sockets are bound to, with the port that was taken
// for port 0.
func (l *Listener) Addr() netip.AddrPort { return l.addr }

// Buffer is the socket buffer of each worker that the kernel granted, in bytes
// and by the measure of Options.Buffer. (Linux doubles what is asked, for its own
// bookkeeping, and shows the double.)
func (l *Listener) Buffer() (granted int) { return l.buffer }

// Start starts the workers and returns. Call it once, before Close.
func (l *Listener) Start() {
	for i, s := range l.sockets {
		l.workers.Go(func() { l.work(s, l.handlers[i]) })
	}
}

// Close stops receiving, hands out what had arrived before (for a second at
// most), waits for the workers and closes the sockets. The last call of a Handler
// has returned when Close returns. A second Close does nothing more.
func (l *Listener) Close() error { return l.close() }

func (l *Listener) shut() error {
	l.mu.Lock()
	l.countDrops()
	l.stopped = true
	l.mu.Unlock()

	close(l.closing)
	for _, s := range l.sockets {
		s.refuse()
		s.interrupt()
	}
	l.workers.Wait()

	var errs []error
	for _, s := range l.sockets {
		errs = append(errs, s.conn.Close())
	}
	return errors.Join(errs...)
}

// work receives until Close, then drains the socket.
func (l *Listener) work(s *socket, handle Handler) {
	for {
		batch, err := s.receive()
		switch {
		case err == nil:
			handle(time.Now().UnixNano(), batch)
		case errors.Is(err, os.ErrDeadlineExceeded): // interrupt
			l.drain(s, handle)
			return
		default:
			// No error is expected here. Whatever it is, it must not end the
			// collection of flows, nor turn this loop into a busy one.
			l.log.Error("cannot receive, trying again in a second", "listen", l.addr, "error", err)
			select {
			case <-l.closing:
			case <-time.After(time.Second):
			}
		}
	}
}

func (l *Listener) drain(s *socket, handle Handler) {
	for end := time.Now().Add(drainTime); time.Now().Before(end); {
		batch := s.queued()
		if len(batch) == 0 {
			return
		}
		handle(time.Now().UnixNano(), batch)
	}
	l.log.Warn("stopped before the socket buffer was empty: the last datagrams are lost", "listen", l.addr)
}
