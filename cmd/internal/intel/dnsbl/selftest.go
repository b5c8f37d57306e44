package dnsbl

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/resolver"
	"github.com/flowhound/flowhound/plugin/retry"
)

// A zone is asked about nothing until it has passed a self-test (RFC 5782, section
// 5), and is tested again every hour: one that was closed may list everything.

// retestSoon is when a test that got no answer at all is repeated: a network that
// comes up late must not cost an hour.
var retestSoon = retry.Backoff{First: time.Minute, Most: 10 * time.Minute}

// startTests tests the zones whose turn it is.
func (l *Lookups) startTests(ctx context.Context, wg *sync.WaitGroup, now time.Time) {
	for _, z := range l.zones {
		if z.testing || now.Before(z.next) {
			continue
		}
		z.testing = true
		configured := &l.o.Zones[z.at]
		wg.Go(func() { l.tests <- test(ctx, l.resolver, configured, z.at) }) // has room for all
	}
}

// testResult is what a zone's self-test found.
type testResult struct {
	zone       int
	asked      int
	ipv6       bool
	unanswered bool
	why        string // "" when the zone passed
}

// The addresses that every zone must and must not list (RFC 5782, section 5).
var (
	mustList4, mustNotList4 = netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")
	mustList6, mustNotList6 = netip.MustParseAddr("::ffff:127.0.0.2"), netip.MustParseAddr("::ffff:127.0.0.1")
)

// test asks a zone what it must know. One that fails for IPv6 alone is an IPv4
// zone, as most are.
func test(ctx context.Context, r *resolver.Resolver, z *Zone, at int) *testResult {
	t := &testResult{zone: at, asked: 2}
	for _, want := range []struct {
		ip   netip.Addr
		kind kind
	}{{mustNotList4, clean}, {mustList4, listed}} {
		switch o := address(ctx, r, want.ip, z.Zone); {
		case o.kind == failed:
			t.unanswered, t.why = true, o.why
			return t
		case o.kind == refused:
			t.why = o.why
			return t
		case o.kind != want.kind && want.kind == clean:
			t.why = "it lists 127.0.0.1, which no list may: it lists everything"
			return t
		case o.kind != want.kind:
			t.why = "it does not list 127.0.0.2, which every list must: is the zone's name right?"
			return t
		}
	}
	t.asked = 4
	t.ipv6 = address(ctx, r, mustList6, z.Zone).kind == listed && address(ctx, r, mustNotList6, z.Zone).kind == clean
	return t
}

// noteTest takes the outcome of a self-test into account (RFC 5782, section 5).
func (z *zone) noteTest(t *testResult, now time.Time) {
	z.testing = false
	z.counts.Asked += uint64(t.asked)
	switch {
	case t.unanswered:
		// A network that comes up late must not cost an hour.
		z.unanswered++
		z.suspend("its test got no answer: "+t.why+"; it is tested again soon", now, retestSoon.After(z.unanswered))
	case t.why != "":
		z.unanswered = 0
		z.suspend(t.why+"; it is not asked for an hour", now, retest)
	default:
		z.unanswered = 0
		z.tested, z.ipv6, z.problem, z.failedRow, z.next = true, t.ipv6, "", 0, now.Add(retest)
	}
}
