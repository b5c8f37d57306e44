package agent

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/config"
	controlfeeds "github.com/flowhound/flowhound/cmd/internal/control/feeds"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnsbl"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/match"
	"github.com/flowhound/flowhound/plugin/hit"
)

// blacklists runs the look-ups in DNS blacklists. Workers find them in the state.
type blacklists struct {
	mu   sync.Mutex
	stop func() // nil: nothing runs
}

// dnsblOptions is the configuration's dnsbl in the words of package dnsbl.
func dnsblOptions(cfg *config.Config) dnsbl.Options {
	o := dnsbl.Options{Resolvers: cfg.DNSBL.Resolvers}
	for _, c := range cfg.DNSBL.Zones {
		z, _ := dnsbl.Known(c.Zone)
		z.Name, z.Zone, z.Score, z.Rate, z.Daily = c.Name, c.Zone, uint8(c.Confidence), c.Rate, c.Daily
		if c.HasCategory {
			z.Category = c.Category
		}
		if c.Reference != "" {
			z.Reference = c.Reference
		}
		if z.Codes == nil {
			z.Codes = make(map[netip.Addr]dnsbl.Code, len(c.Codes))
		}
		for code, meaning := range c.Codes {
			category, _ := ingest.Category(meaning)
			z.Codes[code] = dnsbl.Code{Ignore: meaning == config.DNSBLIgnore, Category: category}
		}
		o.Zones = append(o.Zones, z)
	}
	return o
}

// start runs the look-ups that cfg asks for in the place of those that run, and
// puts them into the state. When it fails those go on.
func (b *blacklists) start(a *Agent, cfg *config.Config) error {
	if len(cfg.DNSBL.Zones) == 0 {
		a.swapLookups(nil)
		b.halt()
		return nil
	}
	o := dnsblOptions(cfg)
	o.Log = a.log
	policy := ingest.NewPolicy(cfg.Networks.Local, cfg.Exporters.Named()...)
	o.Refuse = func(ip netip.Addr) bool {
		network := netip.PrefixFrom(ip, ip.BitLen())
		_, allowed := a.stage.State().Set.Allow().Network(network)
		return allowed || policy.Refuse(network) != ""
	}
	ctx, cancel := context.WithCancel(context.Background())
	o.OnListed = func(set *intel.Set, news []flow.Record) { a.passListed(ctx, set, news) }
	o.OnState = func(s dnsbl.State) {
		a.file.status(&hit.Status{Part: hit.Feed, ID: s.Name, Status: string(s.Status), Indicators: s.Listed, Msg: s.Message})
	}
	l, err := dnsbl.New(o)
	if err != nil {
		cancel()
		return fmt.Errorf("DNS blacklists: %w", err)
	}
	a.swapLookups(l)
	b.halt()
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Run(ctx)
	}()
	b.mu.Lock()
	b.stop = func() { cancel(); <-done }
	b.mu.Unlock()
	return nil
}

// halt ends the look-ups. It may be called again.
func (b *blacklists) halt() {
	b.mu.Lock()
	stop := b.stop
	b.stop = nil
	b.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// zones tells how the zones are; nil while none is asked.
func (a *Agent) zones() []dnsbl.State {
	if l := a.stage.State().DNSBL; l != nil {
		return l.States()
	}
	return nil
}

// passListed hands the records that led to new listings to the alert goroutine.
func (a *Agent) passListed(ctx context.Context, set *intel.Set, news []flow.Record) {
	for i := range news {
		m := match.Raw{Record: news[i], Sides: match.Sides(set, &news[i]), Set: set, Count: 1, DNSBL: true}
		select {
		case a.alerts.queue <- m:
		case <-ctx.Done():
			return
		}
	}
}

// zoneStates tells how the zones are, in the words of feeds.
func (a *Agent) zoneStates() (states []feed.State) {
	for _, z := range a.zones() {
		states = append(states, feed.State{Name: z.Name, Type: controlfeeds.TypeDNSBL, Status: feed.Status(z.Status), Message: z.Message, Indicators: z.Listed})
	}
	return states
}
