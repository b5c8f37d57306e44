// Package keep keeps files as the indicators are, in the forms of package export,
// and tells the systems that read them. A file that cannot be written stays as it
// was, and is tried again.
package keep

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/export"
	"github.com/flowhound/flowhound/cmd/internal/metric"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Config is what the configuration says of exports.
type Config []File

// Dependencies are what a Keeper needs besides its Config. All are required.
type Dependencies struct {
	Set    func() *intel.Set // what the files are made of
	Log    *slog.Logger
	Report func(*hit.Status) // writes a status line. It must not wait
}

// Keeper keeps the configured files as the indicators are, each on a goroutine of
// its own: one whose reload command hangs holds up no other. All but Start, Apply
// and Stop may be called concurrently.
type Keeper struct {
	d       Dependencies
	first   Config
	mu      sync.Mutex
	keepers []*keeper
}

// New returns a Keeper for c, which touches nothing yet.
func New(c Config, d Dependencies) *Keeper { return &Keeper{d: d, first: c} }

// Start begins to keep the files.
func (x *Keeper) Start(ctx context.Context) error { return x.Apply(ctx, x.first) }

// Retire stops keeping what is not in c, and waits until it is stopped. It belongs
// before a change of the feeds, of which an export that goes would find its own
// missing.
func (x *Keeper) Retire(c Config) {
	x.mu.Lock()
	var stay, leave []*keeper
	for _, k := range x.keepers {
		if slices.ContainsFunc(c, k.keeps) {
			stay = append(stay, k)
		} else {
			leave = append(leave, k)
			k.cancel()
		}
	}
	x.keepers = stay
	x.mu.Unlock()
	for _, k := range leave {
		<-k.done
	}
}

// Apply keeps the files of c and no others. Those that stay as they are go on.
func (x *Keeper) Apply(_ context.Context, c Config) error {
	x.Retire(c)
	x.mu.Lock()
	defer x.mu.Unlock()
	next := make([]*keeper, len(c))
	for i, f := range c {
		at := slices.IndexFunc(x.keepers, func(k *keeper) bool { return k.keeps(f) })
		if at >= 0 {
			next[i] = x.keepers[at]
			continue
		}
		next[i] = newKeeper(&x.d, f)
		go next[i].run()
	}
	x.keepers = next
	return nil
}

// Stop stops keeping files, and waits for one that is being written. It may be
// called again.
func (x *Keeper) Stop(context.Context) error {
	x.Retire(nil)
	return nil
}

// Changed says that there is a new set. It does not wait for anything.
func (x *Keeper) Changed() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, k := range x.keepers {
		select {
		case k.news <- struct{}{}:
		default: // it knows
		}
	}
}

// states returns what is to be said of each export, in the configuration's order.
func (x *Keeper) states() []state {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := make([]state, len(x.keepers))
	for i, k := range x.keepers {
		k.mu.Lock()
		out[i] = k.state
		k.mu.Unlock()
	}
	return out
}

// fixOf returns what a person can do about the problem of a file.
func fixOf(path, problem string) string {
	dir := filepath.Dir(path)
	switch {
	case strings.Contains(problem, syscall.ENOENT.Error()):
		return fmt.Sprintf("sudo install -d -o flowhound -g flowhound %s", dir)
	case strings.Contains(problem, syscall.EROFS.Error()):
		return "run install.sh again: it lets the service write to " + dir
	case strings.Contains(problem, syscall.ENOSPC.Error()):
		return "df -h " + dir
	case strings.Contains(problem, syscall.EACCES.Error()), strings.Contains(problem, syscall.EPERM.Error()):
		return fmt.Sprintf("set path: /var/lib/flowhound/export/%s, and: sudo systemctl enable --now flowhound-reload.path, which hands it on as root", filepath.Base(path))
	}
	return "run it by hand as flowhound's user, with sudo -u flowhound, and read what it says"
}

// State is how one export is.
type State struct {
	Path       string    `json:"path"`
	Problem    string    `json:"problem,omitempty"`    // why it failed last
	At         time.Time `json:"up_to_date,omitzero"`  // when it was last up to date; zero: never
	Indicators int       `json:"indicators,omitempty"` // that it holds
}

// States returns how the exports are, in the configuration's order.
func (x *Keeper) States() []State {
	var out []State
	for _, s := range x.states() {
		out = append(out, State{Path: s.path, Problem: s.problem, At: s.at, Indicators: s.stats.Written})
	}
	return out
}

// Holding is whether an export holds an address.
type Holding struct {
	Format  string    `json:"format"`
	Path    string    `json:"path"`
	Zone    string    `json:"zone,omitempty"`
	Held    bool      `json:"held"`
	Why     string    `json:"why,omitempty"`       // not
	At      time.Time `json:"up_to_date,omitzero"` // when the file was last up to date; zero: never
	Problem string    `json:"problem,omitempty"`
}

// Holding tells of each export whether it holds an address, of which the indicators say
// what Set.Lookup returned.
func (x *Keeper) Holding(addr netip.Addr, listed []intel.Indicator) []Holding {
	x.mu.Lock()
	keepers := slices.Clone(x.keepers)
	x.mu.Unlock()
	set := x.d.Set()
	out := make([]Holding, len(keepers))
	for i, k := range keepers {
		h := Holding{Format: k.cfg.Format, Path: k.cfg.Path, Zone: k.cfg.Zone}
		h.Held, h.Why = export.Holding(set, addr, listed, k.cfg.options())
		k.mu.Lock()
		h.At, h.Problem = k.state.at, k.state.problem
		k.mu.Unlock()
		out[i] = h
	}
	return out
}

// Findings says which files are not as they should be.
func (x *Keeper) Findings(l *finding.List) {
	for _, s := range x.states() {
		if s.problem != "" {
			l.Bad(fixOf(s.path, s.problem), "export %s: %s", s.path, s.problem)
		}
	}
}

var (
	descTime = metric.Desc("export_timestamp_seconds", "Unix time at which an export was last known to be up to date, by file.", "export")
	descSize = metric.Desc("export_indicators", "Indicators in an export, by file.", "export")
	descLeft = metric.Desc("export_left_out", "Indicators that an export cannot contain, by file and reason.", "export", "reason")
	descFail = metric.Desc("export_failures_total", "Failures to write an export or to run its reload command, by file.", "export")
)

// Describe sends nothing: which series exist depends on the configuration.
func (x *Keeper) Describe(chan<- *prometheus.Desc) {}

// Collect reports how the files are.
func (x *Keeper) Collect(ch chan<- prometheus.Metric) {
	to := metric.To(ch)
	for _, s := range x.states() {
		to.Counter(descFail, s.failures, s.path)
		if s.at.IsZero() {
			continue
		}
		to.Gauge(descTime, float64(s.at.UnixNano())/1e9, s.path)
		to.Gauge(descSize, float64(s.stats.Written), s.path)
		for reason, n := range s.stats.Left {
			to.Gauge(descLeft, float64(n), s.path, string(reason))
		}
	}
}
