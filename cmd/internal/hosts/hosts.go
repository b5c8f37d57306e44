// Package hosts knows the names of own addresses: from files of hosts and leases, which
// are watched, and, where it is switched on, from PTR questions to one's own resolvers.
//
// It never waits for an answer, and it asks about own networks alone. A name is of now:
// old flows get none of yesterday's leases.
package hosts

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/file/watch"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/metric"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Config is the section hosts: where the names of own addresses come from.
type Config struct {
	// Files are hosts files, and leases of dnsmasq, ISC DHCP and Kea, told by their content.
	// Of an address that several name, the first file's name counts.
	Files []string `yaml:"files,omitempty" validate:"dive,required"`
	// PTR asks Resolvers for the names of own addresses that no file names.
	PTR bool `yaml:"ptr"`
	// Resolvers are addresses, with or without a port; empty: the system's.
	Resolvers []string `yaml:"resolvers,omitempty" validate:"dive,resolver"`

	// Local are the own networks, another section's of the file.
	Local []netip.Prefix `yaml:"-" validate:"-"`
}

// Complete says what is wrong with the section at.
func Complete(c *Config, at settings.Section) {
	for i, path := range c.Files {
		if first := slices.Index(c.Files, path); first < i {
			at.Errorf(fmt.Sprintf("files[%d]", i), "is given twice, first as files[%d]; remove one", first)
		}
	}
	if at.Has("resolvers") && !c.PTR && !at.Reported("ptr") && !at.Reported("resolvers") {
		at.Warnf("resolvers", "is not used while hosts.ptr is off. Set ptr: true, or remove the line")
	}
}

// Dependencies are what a Part works with.
type Dependencies struct {
	Report func(status, msg string) // writes an agent line
	Log    *slog.Logger
}

// Part keeps the names as the files are.
type Part struct {
	d     Dependencies
	names atomic.Pointer[names]
	asker atomic.Pointer[asker] // nil: nobody is asked

	files   *watch.Files
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex // of what follows
	config  Config
	trouble map[string]string // by file
}

// names is what the files say. It never changes.
type names struct {
	local *bart.Lite
	of    map[netip.Addr]Named
}

// oldest is how long ago a flow may be whose addresses get the names of leases and of
// answers: before that they may have been another's. What a hosts file says holds
// always.
const oldest = 24 * time.Hour

// New returns a Part that has read nothing yet and knows no name.
func New(c Config, d Dependencies) (*Part, error) {
	p := &Part{d: d, config: c, trouble: map[string]string{}}
	p.names.Store(&names{local: new(bart.Lite)})
	p.files = watch.New(d.Log, func([]string) { p.read() })
	return p, nil
}

// Open returns a Part for one command, which has read its files and asks nobody.
func Open(c Config, log *slog.Logger) *Part {
	p, _ := New(c, Dependencies{Log: log, Report: func(_, msg string) { log.Warn(msg) }}) // never fails
	p.read()
	return p
}

// Start reads the files. One that cannot be read is said; it may come later.
func (p *Part) Start(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.files.Set(p.config.Files)
	p.read()
	p.running.Go(func() { p.files.Run(ctx) })
	return p.ask(p.config)
}

// ask starts asking as c has it, in the place of who asked before. A resolver that
// cannot be found is said, and names come from files alone.
func (p *Part) ask(c Config) error {
	if old := p.asker.Swap(nil); old != nil {
		old.stop()
	}
	if !c.PTR {
		return nil
	}
	a, err := newAsker(c.Resolvers)
	if err != nil {
		p.note("ptr", "host names cannot be asked for: "+err.Error())
		return nil //nolint:nilerr // it is said, and no reason not to run
	}
	p.note("ptr", "")
	a.start()
	p.asker.Store(a)
	return nil
}

// Apply takes over other settings.
func (p *Part) Apply(_ context.Context, c Config) error {
	p.mu.Lock()
	before := p.config
	p.config = c
	p.mu.Unlock()
	p.files.Set(c.Files)
	p.read()
	if before.PTR == c.PTR && slices.Equal(before.Resolvers, c.Resolvers) {
		return nil
	}
	return p.ask(c)
}

// Stop ends what Start began.
func (p *Part) Stop(context.Context) error {
	if p.cancel == nil {
		return nil
	}
	p.cancel()
	p.cancel = nil
	if a := p.asker.Swap(nil); a != nil {
		a.stop()
	}
	p.running.Wait()
	return nil
}

// read reads all files and swaps the names. What a file said stays as long as it cannot
// be read.
func (p *Part) read() {
	p.mu.Lock()
	c := p.config
	p.mu.Unlock()
	next := &names{local: new(bart.Lite), of: map[netip.Addr]Named{}}
	for _, network := range c.Local {
		next.local.Insert(network)
	}
	keep := p.names.Load()
	lost := false
	for _, path := range c.Files {
		found, err := ReadFile(path, time.Now())
		if err != nil {
			lost = true
			p.note(path, "host names: "+err.Error())
			continue
		}
		p.note(path, "")
		for _, n := range found {
			if _, known := next.of[n.Addr]; !known && next.local.Contains(n.Addr) {
				next.of[n.Addr] = n
			}
		}
	}
	if lost {
		for a, n := range keep.of {
			if _, known := next.of[a]; !known && next.local.Contains(a) {
				next.of[a] = n
			}
		}
	}
	p.names.Store(next)
}

// note keeps a trouble, and says it when it begins. "" ends it.
func (p *Part) note(about, msg string) {
	p.mu.Lock()
	before := p.trouble[about]
	if p.trouble[about] = msg; msg == "" {
		delete(p.trouble, about)
	}
	p.mu.Unlock()
	if msg != "" && msg != before {
		p.d.Report("error", msg)
	}
}

// Name returns the name of an own address, "" where none is known. It never waits: an
// address that nobody was asked about yet has its name a moment later.
func (p *Part) Name(a netip.Addr) string { return p.nameAt(a, true) }

// nameAt returns the name of an address, that of a lease or an answer only where recent.
func (p *Part) nameAt(a netip.Addr, recent bool) string {
	a = a.Unmap().WithZone("")
	n := p.names.Load()
	if found, ok := n.of[a]; ok && (recent || !found.Lease) {
		return found.Name
	}
	if !recent {
		return ""
	}
	if ask := p.asker.Load(); ask != nil && n.local.Contains(a) {
		return ask.name(a)
	}
	return ""
}

// Locate fills in the names of a hit's own addresses.
func (p *Part) Locate(h *hit.Hit) {
	recent := h.Start.IsZero() || time.Since(h.Start) <= oldest
	if h.SrcPlace.Host == "" && h.Src.IsValid() {
		h.SrcPlace.Host = p.nameAt(h.Src, recent)
	}
	if h.DstPlace.Host == "" && h.Dst.IsValid() {
		h.DstPlace.Host = p.nameAt(h.Dst, recent)
	}
}

var (
	descNames   = metric.Desc("host_names", "Names of own addresses from files.")
	descAsked   = metric.Desc("host_questions_total", "PTR questions asked about own addresses.")
	descFailed  = metric.Desc("host_question_errors_total", "PTR questions that no resolver answered.")
	descDropped = metric.Desc("host_questions_dropped_total", "Own addresses that were not asked about because too many waited.")
)

// Describe sends nothing.
func (p *Part) Describe(chan<- *prometheus.Desc) {}

// Collect reports the counts.
func (p *Part) Collect(ch chan<- prometheus.Metric) {
	to := metric.To(ch)
	to.Gauge(descNames, float64(len(p.names.Load().of)))
	if a := p.asker.Load(); a != nil {
		to.Counter(descAsked, a.asked.Load())
		to.Counter(descFailed, a.failed.Load())
		to.Counter(descDropped, a.dropped.Load())
	}
}

// Findings says what is wrong.
func (p *Part) Findings(l *finding.List) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, about := range slices.Sorted(maps.Keys(p.trouble)) {
		l.Warn("check that it exists and that the service's user may read it, or remove it from hosts", "%s", p.trouble[about])
	}
	if a := p.asker.Load(); a != nil {
		if why, command := a.silent(); why != "" {
			l.Warn("look at hosts.resolvers, then: "+command, "host names: no resolver has answered the last questions: %s", why)
		}
	}
}
