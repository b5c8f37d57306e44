package throttle

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/match"
	"github.com/flowhound/flowhound/cmd/internal/metric"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	// queueSize is how many matches may wait: 256 bytes each, and the goroutine takes
	// several hundred thousand a second.
	queueSize = 8192
	// advanceEvery is how often windows that are over are looked for.
	advanceEvery = 250 * time.Millisecond
	// snapshotEvery bounds what kill -9 loses of held counts.
	snapshotEvery = 10 * time.Second
	// stuckAfter is how many seconds the goroutine may be without progress before the
	// watchdog fires.
	stuckAfter = 30
)

// Config is the section alert: how hits become lines.
type Config struct {
	// Window is how long repeats are summed at first, MaxWindow how long at most.
	Window    time.Duration `yaml:"window" validate:"min=1s,max=8760h"`
	MaxWindow time.Duration `yaml:"max_window" validate:"min=1s,max=8760h"`
	// MinSeverity is the lowest severity that is reported.
	MinSeverity hit.Severity `yaml:"min_severity"`
	// Severity overrides the built-in severity of a category's hits.
	Severity map[intel.Category]hit.Severity `yaml:"severity,omitempty"`
	// MaxKeys bounds the table of fold keys.
	MaxKeys int `yaml:"max_keys" validate:"min=1024,max=16777216"`
}

// SetDefaults sets what the file does not. 65,536 keys are far above the number of
// conversations with bad addresses that a person could look at in a day.
func (c *Config) SetDefaults() {
	*c = Config{Window: 5 * time.Minute, MaxWindow: 24 * time.Hour, MinSeverity: hit.Info, MaxKeys: 65536}
}

// Options is the part of the configuration that a Table folds by.
func (c *Config) Options() Options {
	return Options{Window: c.Window, MaxWindow: c.MaxWindow, MaxKeys: c.MaxKeys, MinSeverity: c.MinSeverity}
}

// Dependencies are what an Emitter works with.
type Dependencies struct {
	Journal *journal.Journal
	Folds   string                    // path of the snapshot of the fold table
	Policy  func() *alert.Policy      // by which matches are classified now
	Wants   func(h *hit.Hit) []string // the names of the cursors that want a hit
	Locate  func(h *hit.Hit)          // fills in the places of a hit, on any goroutine; nil: nobody does
	// Expect is told of the local address of a match, two seconds before the hit is said:
	// what must be asked for can be. It must not wait. nil: nobody is.
	Expect func(netip.Addr)
	Report func(status, msg string) // writes an agent line; it must not wait
	Log    *slog.Logger
}

// Emitter is the one goroutine between matches and the journal: it classifies matches,
// folds them in its Table, and appends the hits to the journal, each together with its
// change of the Table. It writes no line and delivers nothing.
type Emitter struct {
	d       Dependencies
	queue   chan match.Raw
	options chan Options // of Apply
	intakes []*Intake

	// Of the goroutine: the table, the number of the last record whose change it holds,
	// and whether a snapshot is being saved; what becomes of that comes by saved.
	table  *Table
	said   uint64
	saving bool
	saved  chan error

	unsaved    finding.Trouble
	saveErrors atomic.Uint64
	hits       *prometheus.CounterVec

	mu        sync.Mutex
	damage    []string // what could not be read at the start
	damagedAt time.Time

	stats    atomic.Pointer[Stats] // as of the last look at the clock
	turned   atomic.Int64          // Unix seconds: of that look
	unsaid   atomic.Uint64         // hits that the journal rejected
	lines    atomic.Uint64         // hits that the journal took, of the table and of others
	stopping sync.Once
	done     chan struct{} // closed when the goroutine has ended; nil: not started
}

// New returns an Emitter that does nothing yet.
func New(c Config, d Dependencies) *Emitter {
	e := &Emitter{
		d: d, queue: make(chan match.Raw, queueSize), options: make(chan Options),
		saved: make(chan error, 1),
		unsaved: finding.Trouble{
			Fails: "the fold state cannot be saved", Costs: "a crash now would lose counts that are held", Again: "the fold state is saved again",
			Report: d.Report, Log: d.Log,
		},
		hits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowhound_hits_total", Help: "Hits reported, by kind, severity and direction.",
		}, []string{"kind", "severity", "direction"}),
	}
	e.table = NewTable(c.Options(), e.emit)
	e.publish()
	return e
}

// emit appends a hit of the table to the journal, with what it changes there.
func (e *Emitter) emit(h *hit.Hit) {
	if seq, err := e.append(h, e.table.change); err == nil {
		e.said = seq
	}
}

// Emit appends a hit that the table has no part in, such as what a hunt finds: for all
// who want it and for the cursors of those names. Any goroutine may call it.
func (e *Emitter) Emit(h *hit.Hit, to ...string) error {
	_, err := e.append(h, nil, to...)
	return err
}

// append counts a hit and appends it to the journal.
func (e *Emitter) append(h *hit.Hit, change []byte, to ...string) (uint64, error) {
	if e.d.Locate != nil {
		e.d.Locate(h)
	}
	if !h.IsTest() { // nothing happened
		e.hits.WithLabelValues(string(h.Kind), h.Severity.String(), string(h.Direction)).Inc()
	}
	seq, err := e.d.Journal.Append(&journal.Record{To: append(e.d.Wants(h), to...), Said: change, Hit: h})
	if err != nil {
		e.unsaid.Add(1)
		e.d.Log.Error("a hit cannot be put into the journal and is lost", "id", h.ID, "err", err)
	} else if !h.IsTest() {
		e.lines.Add(1)
	}
	return seq, err
}

// Start restores the fold table, from its snapshot and what the journal has said
// since, and begins to take matches. A state that cannot be read is said, set aside,
// and costs only what it held.
func (e *Emitter) Start(context.Context) error {
	e.restore()
	e.done = make(chan struct{})
	e.turned.Store(time.Now().Unix())
	go e.run()
	return nil
}

func (e *Emitter) run() {
	defer close(e.done)
	advance := time.NewTicker(advanceEvery)
	defer advance.Stop()
	snapshot := time.NewTicker(snapshotEvery)
	defer snapshot.Stop()
	e.snapshot()
	for {
		select {
		case m, ok := <-e.queue:
			if !ok {
				e.drainOverflow()
				e.table.Flush(time.Now())
				e.publish()
				return
			}
			e.add(&m)
		case now := <-advance.C:
			e.turned.Store(now.Unix())
			e.table.Advance(now)
			e.drainOverflow()
			e.publish()
		case <-snapshot.C:
			e.snapshot()
		case err := <-e.saved:
			e.keep(err)
		case o := <-e.options:
			e.table.Configure(o)
		}
	}
}

// Alive reports whether the goroutine makes progress.
func (e *Emitter) Alive(now time.Time) bool { return now.Unix()-e.turned.Load() < stuckAfter }

func (e *Emitter) add(m *match.Raw) {
	if event, ok := e.d.Policy().Classify(m, time.Unix(0, m.Record.Received)); ok {
		if e.d.Expect != nil {
			e.d.Expect(event.Local.IP())
		}
		e.table.Add(&event)
	}
}

func (e *Emitter) publish() {
	s := e.table.Stats()
	e.stats.Store(&s)
}

// Lines returns how many hits were reported since the start, those of hunts included.
func (e *Emitter) Lines() uint64 { return e.lines.Load() }

// Apply takes over other settings. The Emitter must run.
func (e *Emitter) Apply(ctx context.Context, c Config) error {
	select {
	case e.options <- c.Options():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop says all that is held and saves the table. No Intake may be used any more.
func (e *Emitter) Stop(ctx context.Context) (err error) {
	e.stopping.Do(func() {
		if e.done == nil {
			return
		}
		close(e.queue)
		<-e.done
		if err = e.saveLast(ctx); err != nil {
			err = errors.Join(errors.New("the fold state could not be saved: counts that were held may be lost"), err)
		}
	})
	return err
}

var (
	descFolded = metric.Desc("hits_folded_total", "Flow records that hit and were folded into a later line.")
	descMuted  = metric.Desc("hits_below_severity_total", "Hits below alert.min_severity.")
	descKeys   = metric.Desc("fold_keys", "Keys in the fold table.")
	descSaves  = metric.Desc("fold_save_errors_total", "Failed attempts to save the fold table.")
)

// Describe sends nothing.
func (e *Emitter) Describe(chan<- *prometheus.Desc) {}

// Collect reports the counts.
func (e *Emitter) Collect(ch chan<- prometheus.Metric) {
	e.hits.Collect(ch)
	s, to := e.stats.Load(), metric.To(ch)
	to.Counter(descFolded, s.Folded)
	to.Counter(descMuted, s.Muted)
	to.Gauge(descKeys, float64(s.Keys))
	to.Counter(descSaves, e.saveErrors.Load())
	to.Gauge(metric.QueueDepth, float64(len(e.queue)), "alerts")
	to.Counter(metric.QueueDropped, e.Lost(), "alerts")
}

// Findings says what is wrong.
func (e *Emitter) Findings(l *finding.List) {
	e.unsaved.Find(l.Bad, "df -h; ls -l "+e.d.Folds)
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.damagedAt) < showDamage {
		for _, text := range e.damage {
			l.Bad("check the disk: dmesg | tail", "%s", text)
		}
	}
}
