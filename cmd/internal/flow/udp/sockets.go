package udp

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Dependencies are what Sockets need besides where to listen. All are required.
type Dependencies struct {
	// NewHandler is called by Bind, once for every worker.
	NewHandler func() Handler
	Report     func(*hit.Status) // writes a status line. It must not wait
	Log        *slog.Logger
}

// Sockets are all places where datagrams are received. All but Bind, Start and Stop
// may be called concurrently.
type Sockets struct {
	d  Dependencies
	at []Address

	mu        sync.Mutex
	listeners []*Listener
	done      chan struct{} // nil: not started
	watching  sync.WaitGroup
	said      finding.Moves // of the drops
}

// New returns Sockets for the addresses, which touches nothing yet.
func New(at []Address, d Dependencies) *Sockets { return &Sockets{d: d, at: at} }

// Bind binds the addresses: datagrams queue in the kernel from here on, and are
// handed out after Start.
func (s *Sockets) Bind(context.Context) error {
	for _, a := range s.at {
		l, err := Listen(a.String(), Options{Log: s.d.Log, NewHandler: func(int) Handler { return s.d.NewHandler() }})
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.listeners = append(s.listeners, l)
		s.mu.Unlock()
	}
	return nil
}

// Start hands out what was and is received.
func (s *Sockets) Start(context.Context) error {
	done := make(chan struct{})
	s.done = done
	for _, l := range s.all() {
		l.Start()
	}
	s.watching.Go(func() { s.sayDrops(done) })
	return nil
}

// Stop hands out what has arrived and closes the sockets. It may be called again,
// and without Start.
func (s *Sockets) Stop(context.Context) error {
	var errs []error
	for _, l := range s.all() {
		errs = append(errs, l.Close())
	}
	if s.done != nil {
		close(s.done)
		s.done = nil
	}
	s.watching.Wait()
	return errors.Join(errs...)
}

func (s *Sockets) all() []*Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listeners
}

// Addrs returns what the sockets are bound to, with the ports taken for port 0.
func (s *Sockets) Addrs() (addrs []netip.AddrPort) {
	for _, l := range s.all() {
		addrs = append(addrs, l.Addr())
	}
	return addrs
}

// String returns Addrs as a person writes them.
func (s *Sockets) String() string {
	var texts []string
	for _, a := range s.Addrs() {
		texts = append(texts, "udp://"+a.String())
	}
	return strings.Join(texts, ", ")
}
