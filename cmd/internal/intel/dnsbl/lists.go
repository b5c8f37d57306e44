package dnsbl

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/metric"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Dependencies are what Lists need besides their Config. All are required.
type Dependencies struct {
	// Allowed reports whether an allow list names a network.
	Allowed func(netip.Prefix) bool
	// OnChange receives the Lookups to ask from now on; nil: none are.
	OnChange func(*Lookups)
	// OnListed receives the Set of all listed addresses when that has changed, and
	// the records that led to new listings. It must return when ctx ends.
	OnListed func(ctx context.Context, set *intel.Set, news []flow.Record)
	Report   func(*hit.Status) // writes a status line. It must not wait
	Log      *slog.Logger
}

// Lists are the configured DNS blacklists, from Start to Stop. New makes some that
// have touched nothing yet. All but Start, Apply and Stop may be called concurrently.
type Lists struct {
	d     Dependencies
	first Config

	mu      sync.Mutex
	lookups *Lookups // nil: none run
	stop    func()   // ends them and waits; nil as lookups is
}

// New returns Lists for c.
func New(c Config, d Dependencies) *Lists { return &Lists{d: d, first: c} }

// Start begins to ask.
func (x *Lists) Start(ctx context.Context) error { return x.Apply(ctx, x.first) }

// Apply asks those of c in the place of those so far. When it fails those go on.
func (x *Lists) Apply(_ context.Context, c Config) error {
	if len(c.Zones) == 0 {
		x.d.OnChange(nil)
		x.replace(nil, nil)
		return nil
	}
	policy := ingest.NewPolicy(c.Local, c.Exporters...)
	ctx, cancel := context.WithCancel(context.Background())
	l, err := NewLookups(Options{
		Zones: c.zones(), Resolvers: c.Resolvers, Log: x.d.Log,
		Refuse: func(ip netip.Addr) bool {
			network := netip.PrefixFrom(ip, ip.BitLen())
			return x.d.Allowed(network) || policy.Reject(network) != ""
		},
		OnListed: func(set *intel.Set, news []flow.Record) { x.d.OnListed(ctx, set, news) },
		OnState: func(s State) {
			x.d.Report(&hit.Status{Part: hit.Feed, ID: s.Name, Status: string(s.Status), Indicators: s.Listed, Msg: s.Message})
		},
	})
	if err != nil {
		cancel()
		return fmt.Errorf("DNS blacklists: %w", err)
	}
	x.d.OnChange(l)
	done := make(chan struct{})
	x.replace(l, func() { cancel(); <-done }) // the former ones end before these ask
	go func() {
		defer close(done)
		l.Run(ctx)
	}()
	return nil
}

// Stop ends the look-ups. It may be called again.
func (x *Lists) Stop(context.Context) error {
	x.replace(nil, nil)
	return nil
}

func (x *Lists) replace(l *Lookups, stop func()) {
	x.mu.Lock()
	former := x.stop
	x.lookups, x.stop = l, stop
	x.mu.Unlock()
	if former != nil {
		former()
	}
}

func (x *Lists) now() *Lookups {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.lookups
}

// States tells how the zones are; nil while none is asked.
func (x *Lists) States() []State {
	if l := x.now(); l != nil {
		return l.States()
	}
	return nil
}

// Findings says which zones do not answer as they should.
func (x *Lists) Findings(l *finding.List) {
	for _, z := range x.States() {
		if z.Status != OK {
			l.Warn("see dnsbl in the configuration", "DNS blacklist %s: %s", z.Name, z.Message)
		}
	}
}

var (
	descAsked  = metric.Desc("dnsbl_lookups_total", "Look-ups in DNS blacklists, by list and result.", "zone", "result")
	descListed = metric.Desc("dnsbl_listed", "Recently seen addresses that a DNS blacklist lists, by list.", "zone")
)

// Describe sends nothing: which series exist depends on the configuration.
func (x *Lists) Describe(chan<- *prometheus.Desc) {}

// Collect reports the look-ups, when there are any.
func (x *Lists) Collect(ch chan<- prometheus.Metric) {
	lookups := x.now()
	if lookups == nil {
		return
	}
	to := metric.To(ch)
	waiting, dropped := lookups.Queue()
	to.Gauge(metric.QueueDepth, float64(waiting), "dnsbl")
	to.Counter(metric.QueueDropped, dropped, "dnsbl")
	for _, z := range lookups.States() {
		to.Gauge(descListed, float64(z.Listed), z.Name)
		for _, c := range []struct {
			result string
			n      uint64
		}{
			{"listed", z.Counts.Listed}, {"clean", z.Counts.Clean}, {"failed", z.Counts.Failed}, {"refused", z.Counts.Refused},
			{"over_rate", z.Counts.OverRate}, {"over_budget", z.Counts.OverBudget},
		} {
			to.Counter(descAsked, c.n, z.Name, c.result)
		}
	}
}
