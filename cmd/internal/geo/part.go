package geo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/file/watch"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/metric"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Dependencies are what a Part works with.
type Dependencies struct {
	Path   string                   // of the journal of outside addresses; "": none is kept
	Report func(status, msg string) // writes an agent line
	Log    *slog.Logger
}

// Part keeps the databases as their files are, and learns outside addresses.
type Part struct {
	d      Dependencies
	view   atomic.Pointer[View]
	inside atomic.Pointer[inside]

	sightings chan news
	dropped   atomic.Uint64
	learning  chan struct{} // closed when learn has ended; nil: not started

	files   *watch.Files
	cancel  context.CancelFunc
	watched sync.WaitGroup

	mu        sync.Mutex // of what follows
	config    Config
	databases *View // without sites and overrides
	memory    *memory
	trouble   counted
}

// New returns a Part that has read nothing yet and answers from the built-in tables.
func New(c Config, d Dependencies) (*Part, error) {
	p := &Part{d: d, config: c, sightings: make(chan news, queueSize), databases: Embedded()}
	p.memory, _, _ = openMemory("")
	p.files = watch.New(d.Log, p.reload)
	p.inside.Store(&inside{})
	p.publish()
	return p, nil
}

// JournalName is the journal of outside addresses, in data_dir.
const JournalName = "sites"

// Open returns a Part for one command: it has read the operator's databases and the journal
// of an agent, "" for none, which it leaves as it is, and watches nothing. What else it
// needs it reads when it is asked.
func Open(c Config, journal string, log *slog.Logger) (*Part, error) {
	p, err := New(c, Dependencies{Log: log})
	if err != nil {
		return nil, err
	}
	v, problems := load(&c, func(err error) { log.Warn("geo: only the other databases answer", "err", err) })
	if len(problems) > 0 {
		return nil, fmt.Errorf("geo: %s", oneLine(errors.Join(problems...)))
	}
	if journal != "" {
		if p.memory, err = readMemory(journal); err != nil {
			log.Warn("the outside addresses that the agent has learned cannot be read", "err", err)
		}
	}
	p.databases = v
	p.inside.Store(newInside(&c))
	p.publish()
	return p, nil
}

// View returns what is known now. Take it once for a batch.
func (p *Part) View() *View { return p.view.Load() }

// CountryAndAS is that of the View now.
func (p *Part) CountryAndAS(a flow.Addr, at int64) (country [2]byte, as uint32) {
	return p.View().CountryAndAS(a, at)
}

// publish makes a View of what is known.
func (p *Part) publish() { p.view.Store(p.databases.withRules(&p.config, p.memory.learned())) }

// Start reads the databases and the journal. What cannot be read is said, and the
// built-in tables answer.
func (p *Part) Start(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, found, err := openMemory(p.d.Path)
	if err != nil {
		p.trouble.set("sites", err)
		p.d.Report("error", fmt.Sprintf("the outside addresses of sites cannot be kept: %v", err))
	} else {
		p.memory = m
	}
	if found.Lost > 0 {
		msg := fmt.Sprintf("%s: %d bytes were damaged and are left out", p.d.Path, found.Lost)
		if found.Aside != "" {
			msg = fmt.Sprintf("%s is not flowhound's journal of sites and was moved to %s", p.d.Path, found.Aside)
		}
		p.d.Report("error", msg)
	}
	p.files.Set(p.config.files())
	v, problems := loadNow(&p.config)
	p.databases = v
	p.told(problems)
	p.inside.Store(newInside(&p.config))
	p.publish()
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.learning = cancel, make(chan struct{})
	p.watched.Go(func() {
		v.systems.get() // now rather than with the first hit
		p.files.Run(ctx)
	})
	go p.learn()
	return nil
}

// told notes the problems of a load, and says them.
func (p *Part) told(problems []error) {
	err := errors.Join(problems...)
	if err != nil {
		p.d.Report("error", "geo: "+oneLine(err)+"; the built-in table is used")
	}
	p.trouble.set("databases", err)
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// reload reads the databases again after a file has changed. The old ones stay when
// one is bad.
func (p *Part) reload(paths []string) {
	p.mu.Lock()
	config := p.config
	p.mu.Unlock()
	v, problems := loadNow(&config)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := errors.Join(problems...); err != nil {
		p.trouble.set("databases", err)
		p.d.Report("error", "geo: "+oneLine(err)+"; the old version stays")
		return
	}
	if p.trouble.errs["databases"] != nil {
		p.trouble.set("databases", nil)
		p.d.Report("reloaded", fmt.Sprintf("geo: the databases can be read again; countries are of %s, %s", v.Source(), v.Date()))
	}
	p.databases = v
	p.publish()
	p.d.Log.Info("the country database was reloaded", "files", paths, "source", v.Source(), "date", v.Date())
}

// Apply takes over other settings. A database that cannot be read is an error, and the
// old settings stay.
func (p *Part) Apply(_ context.Context, c Config) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.databases
	if !slices.Equal(c.files(), p.config.files()) {
		var problems []error
		if v, problems = loadNow(&c); len(problems) > 0 {
			return fmt.Errorf("geo: %s", oneLine(errors.Join(problems...)))
		}
		p.trouble.set("databases", nil)
	}
	p.databases, p.config = v, c
	p.files.Set(c.files())
	p.inside.Store(newInside(&c))
	p.publish()
	return nil
}

// Stop ends what Start began. No Sink may be used any more.
func (p *Part) Stop(ctx context.Context) error {
	if p.cancel == nil {
		return nil
	}
	p.cancel()
	p.cancel = nil
	p.watched.Wait()
	close(p.sightings)
	select {
	case <-p.learning:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.memory.close()
}

// Locate fills in where both sides of a hit are, and its country. What the hit says
// already, such as the autonomous systems that the router told, stays.
func (p *Part) Locate(h *hit.Hit) { p.View().Locate(h) }

// Locate is Part.Locate by this View.
func (v *View) Locate(h *hit.Hit) {
	at := h.Start
	for _, t := range []time.Time{h.First, h.Time} {
		if at.IsZero() {
			at = t
		}
	}
	v.fill(&h.SrcPlace, h.Src, at)
	v.fill(&h.DstPlace, h.Dst, at)
	switch {
	case h.Country != "" || !h.Remote.IsValid():
	case h.Remote == h.Src:
		h.Country = h.SrcPlace.Country
	case h.Remote == h.Dst:
		h.Country = h.DstPlace.Country
	default:
		h.Country = v.Country(flow.AddrFrom(h.Remote), at.UnixNano()).String()
	}
}

func (v *View) fill(to *hit.Place, ip netip.Addr, at time.Time) {
	if !ip.IsValid() {
		return
	}
	p := v.Place(flow.AddrFrom(ip), at.UnixNano())
	if to.AS == 0 {
		to.AS = p.AS
	}
	to.Country, to.Site, to.Owner = p.Country.String(), p.Site, v.Owner(to.AS)
}

var (
	descRanges  = metric.Desc("geo_boundaries", "Boundaries in the table of countries, by address family.", "family")
	descSites   = metric.Desc("geo_learned_addresses", "Outside addresses of sites that were learned from flows.")
	descProblem = metric.Desc("geo_errors_total", "Databases of countries, and sightings of outside addresses, that could not be read or kept.")
)

// Describe sends nothing.
func (p *Part) Describe(chan<- *prometheus.Desc) {}

// Collect reports the counts.
func (p *Part) Collect(ch chan<- prometheus.Metric) {
	p.mu.Lock()
	four, six := p.databases.countries.get().Len()
	learned := len(p.memory.seen)
	p.mu.Unlock()
	to := metric.To(ch)
	to.Gauge(descRanges, float64(four), "4")
	to.Gauge(descRanges, float64(six), "6")
	to.Gauge(descSites, float64(learned))
	to.Counter(descProblem, p.trouble.total.Load())
	to.Gauge(metric.QueueDepth, float64(len(p.sightings)), "sites")
	to.Counter(metric.QueueDropped, p.dropped.Load(), "sites")
}

// Findings says what is wrong.
func (p *Part) Findings(l *finding.List) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.trouble.errs["databases"]; err != nil {
		l.Warn("check that the file is a database of countries, .mmdb or CSV, that the service's user may read", "geo: %s", oneLine(err))
	}
	if err := p.trouble.errs["sites"]; err != nil {
		l.Bad("df -h; ls -l "+p.d.Path, "the outside addresses of sites cannot be kept: %v", err)
	}
}
