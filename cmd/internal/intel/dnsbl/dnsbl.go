// Package dnsbl asks DNS blacklists (RFC 5782) about the addresses that the own
// hosts talk to, and makes indicators of what they list. It is apart from the
// path of a flow: that offers an address and goes on, and later finds listed
// ones in a Set, as if a feed had named them.
//
// Every question tells the list's operator whom this network talks to. So each
// address is asked about once as long as the answer is good, only public ones
// are, and no zone is asked more often than it allows.
package dnsbl

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jellydator/ttlcache/v3"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/resolver"
)

const (
	queueSize = 4096    // questions that may wait
	queueNew  = 1024    // of them those of newcomers: forged flows must not keep out real ones
	maxCached = 1 << 17 // answers that list nothing

	// swapEvery is how long listings wait for each other before a new Set is
	// built, pruneEvery how long an expired one may stay in it.
	swapEvery  = 200 * time.Millisecond
	pruneEvery = 10 * time.Second
	// callers is how many look-ups are under way at a time: 2,000 a second at an
	// average of 100 ms, and few enough for any resolver.
	callers = 200
)

// Options say what to ask and whom to tell.
type Options struct {
	Zones     []Zone
	Resolvers []string // host or host:port; none: those of the system
	// Refuse reports whether nobody may be asked about an address: special-use
	// and own networks, and what an allow list names.
	Refuse func(netip.Addr) bool

	// OnListed receives the Set of all listed addresses when that has changed,
	// and the records that led to new ones. OnState receives a zone's state when
	// its Status or Message changes. Both are called from Run, one at a time.
	OnListed func(set *intel.Set, news []flow.Record)
	OnState  func(State)
	Log      *slog.Logger
}

// Question is a remote address and the record that it was seen in.
type Question struct {
	Remote netip.Addr
	Record flow.Record
	// Newcomer tells that the exporter has not proved itself: see netflow.Decoder.
	Newcomer bool
}

// Lookups asks the zones. NewLookups makes one that does nothing until Run.
type Lookups struct {
	o        Options
	resolver *resolver.Resolver
	queue    chan Question

	set     atomic.Pointer[intel.Set]
	dropped atomic.Uint64
	ready   atomic.Bool // a zone has passed its test
	states  atomic.Pointer[[]State]

	// What follows belongs to the goroutine of Run.
	zones   []*zone
	cache   *ttlcache.Cache[cacheKey, kind]
	waiting map[netip.Addr]*waiting
	listed  listings
	news    []flow.Record // since the last swap
	jobs    chan job
	done    chan result
	tests   chan *testResult
	told    []State
}

type cacheKey struct {
	ip   netip.Addr
	zone uint16
}

// waiting is an address whose answers are not all there.
type waiting struct {
	record flow.Record
	open   int
	listed bool
}

type job struct {
	ip   netip.Addr
	zone *Zone
	at   int
}

type result struct {
	job
	outcome
}

// NewLookups returns Lookups for o, which has at least one zone. The error says why no
// resolver can be found.
func NewLookups(o Options) (*Lookups, error) {
	r, err := resolver.New(o.Resolvers)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Lookups{
		o: o, resolver: r, queue: make(chan Question, queueSize),
		cache: ttlcache.New(ttlcache.WithCapacity[cacheKey, kind](maxCached),
			ttlcache.WithDisableTouchOnHit[cacheKey, kind]()),
		waiting: make(map[netip.Addr]*waiting),
		jobs:    make(chan job), done: make(chan result, callers), tests: make(chan *testResult, len(o.Zones)),
		told: make([]State, len(o.Zones)),
	}
	for i, z := range o.Zones {
		l.zones = append(l.zones, newZone(z, i))
	}
	l.publish()
	return l, nil
}

// Ask queues a question, unless the queue is full: then it is counted and
// forgotten. It never blocks and does not allocate. Safe for concurrent use.
func (l *Lookups) Ask(q *Question) {
	if q.Newcomer && len(l.queue) >= queueNew {
		l.dropped.Add(1)
		return
	}
	select {
	case l.queue <- *q:
	default:
		l.dropped.Add(1)
	}
}

// Ready reports whether there is a zone to ask. Until then nothing should be
// offered: what a Filter has let through once it holds back for a minute. Safe
// for concurrent use.
func (l *Lookups) Ready() bool { return l.ready.Load() }

// Set returns the addresses that are listed now, as indicators of their zones;
// nil while there are none. Safe for concurrent use.
func (l *Lookups) Set() *intel.Set { return l.set.Load() }

// States returns the state of each zone as of the last second. Safe for
// concurrent use.
func (l *Lookups) States() []State { return *l.states.Load() }

// Queue returns how many questions wait, and how many were dropped because too
// many did. Safe for concurrent use.
func (l *Lookups) Queue() (waiting int, dropped uint64) { return len(l.queue), l.dropped.Load() }

// Run asks until ctx ends, and then waits for what is under way.
func (l *Lookups) Run(ctx context.Context) {
	var callersDone sync.WaitGroup
	for range callers {
		callersDone.Go(func() { l.call(ctx) })
	}
	defer callersDone.Wait()
	defer close(l.jobs)

	swap, prune := time.NewTicker(swapEvery), time.NewTicker(pruneEvery)
	defer swap.Stop()
	defer prune.Stop()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	l.startTests(ctx, &callersDone, time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case q := <-l.queue:
			l.ask(ctx, &q, time.Now())
		case r := <-l.done:
			l.take(&r, time.Now())
		case t := <-l.tests:
			l.zones[t.zone].noteTest(t, time.Now())
			if t.why == "" {
				l.ready.Store(true)
			}
		case <-swap.C:
			l.swap()
		case now := <-prune.C:
			l.listed.prune(now, l.zones)
		case now := <-second.C:
			l.startTests(ctx, &callersDone, now)
			l.publish()
			l.tell()
		}
	}
}

// call is one of the goroutines that wait for answers.
func (l *Lookups) call(ctx context.Context) {
	for j := range l.jobs {
		r := result{job: j, outcome: address(ctx, l.resolver, j.ip, j.zone.Zone)}
		if r.kind == listed && j.zone.blames(r.codes) {
			r.text = text(ctx, l.resolver, j.ip, j.zone.Zone)
		}
		select {
		case l.done <- r:
		case <-ctx.Done():
		}
	}
}

// ask sends a question to every zone that has not answered it yet.
func (l *Lookups) ask(ctx context.Context, q *Question, now time.Time) {
	if l.waiting[q.Remote] != nil || l.listed.has(q.Remote) || l.o.Refuse != nil && l.o.Refuse(q.Remote) {
		return
	}
	w := &waiting{record: q.Record}
	l.waiting[q.Remote] = w
	for _, z := range l.zones {
		if l.cache.Has(cacheKey{q.Remote, uint16(z.at)}) || !z.takes(q.Remote, now) {
			continue
		}
		w.open++
		for sent := false; !sent; { // callers may be waiting to hand results over
			select {
			case l.jobs <- job{q.Remote, &z.Zone, z.at}:
				sent = true
			case r := <-l.done:
				l.take(&r, now)
			case <-ctx.Done():
				return
			}
		}
	}
	if w.open == 0 {
		delete(l.waiting, q.Remote)
	}
}

// take books an answer.
func (l *Lookups) take(r *result, now time.Time) {
	z := l.zones[r.at]
	if r.kind == listed && r.text != "" {
		z.spend(now, 1)
	}
	z.note(&r.outcome, now)
	w := l.waiting[r.ip]
	w.open--
	switch {
	case r.kind == refused: // the zone is left alone anyway
	case r.kind == listed && z.blames(r.codes):
		w.listed = l.listed.add(z, r, now) || w.listed
	default:
		l.cache.Set(cacheKey{r.ip, uint16(r.at)}, r.kind, r.ttl)
	}
	if w.open > 0 {
		return
	}
	delete(l.waiting, r.ip)
	if w.listed {
		l.news = append(l.news, w.record)
	}
}

// swap hands out a Set of the listings when those have changed.
func (l *Lookups) swap() {
	if !l.listed.changed && len(l.news) == 0 {
		return
	}
	set := l.listed.build(l.zones)
	l.set.Store(set)
	if l.o.OnListed != nil {
		l.o.OnListed(set, l.news)
	}
	l.news = nil
}

func (l *Lookups) publish() {
	states := make([]State, len(l.zones))
	for i, z := range l.zones {
		states[i] = z.state()
	}
	l.cache.DeleteExpired()
	l.states.Store(&states)
}

// tell says what is news of the zones. What only the first test is about to tell
// is none.
func (l *Lookups) tell() {
	for i, s := range *l.states.Load() {
		told := &l.told[i]
		if s.Status == told.Status && s.Message == told.Message || s.Message == untested {
			continue
		}
		*told = s
		level := slog.LevelInfo
		if s.Status != OK {
			level = slog.LevelWarn
		}
		l.o.Log.Log(context.Background(), level, "DNS blacklist", "zone", s.Name, "status", s.Status, "msg", s.Message)
		if l.o.OnState != nil {
			l.o.OnState(s)
		}
	}
}
