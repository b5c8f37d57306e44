package hosts

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jellydator/ttlcache/v3"
	"github.com/miekg/dns"
	"golang.org/x/time/rate"

	"github.com/flowhound/flowhound/cmd/internal/resolver"
)

const (
	// maxCached bounds the addresses whose answers are kept, named or not.
	maxCached = 1 << 16
	// maxWaiting bounds those that wait to be asked about.
	maxWaiting = 1024
	askers     = 4
	perSecond  = 50 // questions
	// How long an answer is kept at least and at most, whatever its TTL says; one that
	// there is no name, and that nobody answered.
	shortest   = 5 * time.Minute
	longest    = 24 * time.Hour
	nameless   = 30 * time.Minute
	unanswered = time.Minute
	// quiet is how many failures in a row are worth a word.
	quiet = 5
)

// asker asks PTR questions. An address is asked about once as long as its answer holds.
type asker struct {
	resolver *resolver.Resolver
	cache    *ttlcache.Cache[netip.Addr, string] // "" too: being asked, or nameless
	waiting  chan netip.Addr
	limit    *rate.Limiter
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup

	asked, failed, dropped atomic.Uint64
	failures               atomic.Int64 // in a row
	failure                atomic.Pointer[failure]
}

// failure is a question that nobody answered, and why.
type failure struct {
	addr netip.Addr
	why  string
}

func newAsker(servers []string) (*asker, error) {
	r, err := resolver.New(servers)
	if err != nil {
		return nil, err
	}
	a := &asker{
		resolver: r, waiting: make(chan netip.Addr, maxWaiting), limit: rate.NewLimiter(perSecond, perSecond),
		cache: ttlcache.New(ttlcache.WithCapacity[netip.Addr, string](maxCached), ttlcache.WithDisableTouchOnHit[netip.Addr, string]()),
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a, nil
}

func (a *asker) start() {
	for range askers {
		a.running.Go(a.run)
	}
}

func (a *asker) stop() {
	a.cancel()
	a.running.Wait()
}

// name returns the name of an address, as far as it is known, and has it asked for.
func (a *asker) name(ip netip.Addr) string {
	if item := a.cache.Get(ip); item != nil {
		return item.Value()
	}
	a.cache.Set(ip, "", unanswered) // not again meanwhile; before the answer, which comes over it
	select {
	case a.waiting <- ip:
	default:
		a.cache.Delete(ip)
		a.dropped.Add(1)
	}
	return ""
}

func (a *asker) run() {
	for {
		select {
		case <-a.ctx.Done():
			return
		case ip := <-a.waiting:
			if a.limit.Wait(a.ctx) != nil {
				return
			}
			name, ttl := a.ask(ip)
			a.cache.Set(ip, name, ttl)
		}
	}
}

// ask returns the name of an address and how long that holds.
func (a *asker) ask(ip netip.Addr) (string, time.Duration) {
	question, err := dns.ReverseAddr(ip.String())
	if err != nil {
		return "", longest
	}
	a.asked.Add(1)
	m, err := a.resolver.Exchange(a.ctx, question, dns.TypePTR)
	if err != nil || m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		a.failed.Add(1)
		f := &failure{addr: ip}
		if err != nil {
			f.why = err.Error()
		} else {
			f.why = "the answer is " + dns.RcodeToString[m.Rcode]
		}
		a.failure.Store(f)
		a.failures.Add(1)
		return "", unanswered
	}
	a.failures.Store(0)
	for _, rr := range m.Answer {
		if ptr, ok := rr.(*dns.PTR); ok {
			if name := clean(ptr.Ptr); name != "" {
				return name, min(max(time.Duration(ptr.Hdr.Ttl)*time.Second, shortest), longest)
			}
		}
	}
	return "", nameless
}

// silent tells why the last questions got no answer, and the command that asks again; ""
// while there are answers.
func (a *asker) silent() (why, command string) {
	f := a.failure.Load()
	if f == nil || a.failures.Load() < quiet {
		return "", ""
	}
	host, port, _ := net.SplitHostPort(a.resolver.Servers()[0]) // New has made them so
	return f.why, fmt.Sprintf("dig -p %s -x %s @%s", port, f.addr, host)
}
