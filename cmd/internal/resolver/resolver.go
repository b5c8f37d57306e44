// Package resolver asks the configured name servers, or those of the system. It caches
// nothing.
package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// timeout bounds one exchange with one resolver.
const timeout = 2 * time.Second

// Resolver asks the server that answered last, and the others when that does not.
// Safe for concurrent use.
type Resolver struct {
	servers []string // host:port
	client  dns.Client
	answers atomic.Int32 // place of the server that answered last
}

// New takes addresses, with or without a port; none: those of
// /etc/resolv.conf.
func New(servers []string) (*Resolver, error) {
	r := &Resolver{client: dns.Client{Timeout: timeout}}
	if len(servers) == 0 {
		system, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil {
			return nil, fmt.Errorf("no resolvers are configured, and the system's cannot be read: %w", err)
		}
		for _, s := range system.Servers {
			r.servers = append(r.servers, net.JoinHostPort(s, system.Port))
		}
	}
	for _, s := range servers {
		if _, _, err := net.SplitHostPort(s); err != nil {
			s = net.JoinHostPort(strings.Trim(s, "[]"), "53")
		}
		r.servers = append(r.servers, s)
	}
	if len(r.servers) == 0 {
		return nil, errors.New("/etc/resolv.conf names no resolver")
	}
	return r, nil
}

// Servers returns whom it asks, as host:port.
func (r *Resolver) Servers() []string { return r.servers }

// Exchange asks each server once, the one that answered last first, until one answers
// with anything but a failure of its own. Every question goes out from a port of its own, which an answer
// that is forged must guess along with the id. The error does not name the
// question: that may hold a customer's key.
func (r *Resolver) Exchange(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(name, kind)
	q.SetEdns0(1232, false) // fits every path (RFC 9715); explanations are long
	var last *dns.Msg
	var failed error
	first := int(r.answers.Load())
	for i := range r.servers {
		at := (first + i) % len(r.servers)
		server := r.servers[at]
		m, _, err := r.client.ExchangeContext(ctx, q, server)
		switch {
		case err != nil:
			failed = fmt.Errorf("resolver %s: %w", server, plainError(err))
			continue
		case len(m.Question) != 1 || !strings.EqualFold(m.Question[0].Name, name) || m.Question[0].Qtype != kind:
			failed = fmt.Errorf("resolver %s sent the answer to another question", server)
			continue
		case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
			last = m
			continue
		}
		r.answers.Store(int32(at))
		return m, nil
	}
	if last != nil {
		return last, nil
	}
	return nil, failed
}

// plainError says what a person can use, without the ports of this one exchange.
func plainError(err error) error {
	var op *net.OpError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time")
	case errors.As(err, &op):
		return op.Err
	}
	return err
}
