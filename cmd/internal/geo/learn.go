package geo

import (
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

const (
	// seenBefore is how many flows must tell a new outside address in a row: one may be
	// damaged, or forged.
	seenBefore = 3
	// tellEvery is how often, in nanoseconds of the flows' time, an address that is seen
	// all the time is told.
	tellEvery = int64(time.Minute)
	// queueSize is how many sightings may wait.
	queueSize = 256
)

// inside finds the site that an address lies in.
type inside struct {
	sites *bart.Table[string] // nil: nothing is to be learned
}

// newInside returns the networks of the sites whose outside addresses are learned.
func newInside(c *Config) *inside {
	in := &inside{}
	for _, s := range c.Sites {
		if len(s.Outside) > 0 {
			continue
		}
		for _, p := range s.Inside {
			if in.sites == nil {
				in.sites = new(bart.Table[string])
			}
			in.sites.Insert(p.Masked(), s.Name)
		}
	}
	return in
}

// news is a sighting on its way to the goroutine that keeps them.
type news struct {
	site string
	addr flow.Addr
	at   int64
}

// Sink takes outside addresses from the flows of one worker, who alone calls Flows. It
// keeps what it saw lately in a fixed table, so that an address that all flows tell
// crosses to the Part once a minute. Without a site to learn for, a batch costs one
// atomic load.
type Sink struct {
	part   *Part
	tell   func(news)
	recent [64]recent
}

type recent struct {
	addr  flow.Addr
	site  string
	count int
	told  int64
}

// NewSink returns a Sink for one worker of a Part that was started.
func (p *Part) NewSink() *Sink {
	return &Sink{part: p, tell: func(n news) {
		select {
		case p.sightings <- n:
		default:
			p.dropped.Add(1)
		}
	}}
}

// NewReplaySink returns a Sink of a Part that is not started: what it sees holds at
// once.
func (p *Part) NewReplaySink() *Sink { return &Sink{part: p, tell: p.note} }

// Flows is that of stage.Sink. It neither waits nor allocates.
func (s *Sink) Flows(b *flow.Batch) {
	in := s.part.inside.Load()
	if in.sites == nil {
		return
	}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Has&flow.HasNATSrc != 0 && r.NATSrc != r.Src {
			s.pair(in, r.Src, r.NATSrc, r)
		}
		if r.Has&flow.HasNATDst != 0 && r.NATDst != r.Dst {
			s.pair(in, r.NATDst, r.Dst, r)
		}
	}
}

// pair takes an address inside and what it is called outside.
func (s *Sink) pair(in *inside, local, outside flow.Addr, r *flow.Record) {
	site, ok := in.sites.Lookup(local.IP())
	if !ok || outside.IsUnspecified() {
		return
	}
	slot := &s.recent[(outside.Hi^outside.Lo^outside.Lo>>7)%uint64(len(s.recent))]
	if slot.addr != outside || slot.site != site {
		*slot = recent{addr: outside, site: site}
	}
	at := r.Received
	if r.Has&flow.HasStart != 0 {
		at = r.Start
	}
	if slot.count++; slot.count < seenBefore || slot.told != 0 && at-slot.told < tellEvery {
		return
	}
	slot.told = at
	s.tell(news{site, outside, at})
}

// learn keeps sightings until the channel is closed.
func (p *Part) learn() {
	defer close(p.learning)
	for n := range p.sightings {
		p.note(n)
	}
}

func (p *Part) note(n news) {
	p.mu.Lock()
	defer p.mu.Unlock()
	addr := n.addr.IP()
	if !p.global(n.addr) {
		return
	}
	first := p.memory.seen[sightingKey{n.site, addr}] == nil
	told, err := p.memory.add(n.site, addr, n.at)
	p.trouble.set("sites", err)
	if err != nil {
		p.d.Log.Error("the outside address of a site cannot be kept", "site", n.site, "err", err)
	}
	if !told {
		return
	}
	if first {
		p.d.Log.Info("a site has a new outside address", "site", n.site, "address", addr)
	}
	p.publish()
}

// global reports whether an address can be one outside: neither private nor inside a
// site.
func (p *Part) global(a flow.Addr) bool {
	if in := p.inside.Load(); in.sites != nil {
		if _, own := in.sites.Lookup(a.IP()); own {
			return false
		}
	}
	c := p.databases.countries.get().Lookup(a)
	return c != Private && c != Multicast && c != tunnel
}

// counted is a problem by what it is about, nil errors being none.
type counted struct {
	errs  map[string]error
	total atomic.Uint64
}

func (c *counted) set(about string, err error) {
	if c.errs == nil {
		c.errs = map[string]error{}
	}
	if err == nil {
		delete(c.errs, about)
		return
	}
	c.total.Add(1)
	c.errs[about] = err
}
