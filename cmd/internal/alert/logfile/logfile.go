// Package logfile writes and rotates the file that OSSEC and Wazuh read: one line,
// one write(2), for each hit and each status of the journal, once, in order.
//
// It is the output that must survive everything else. A full disk, a removed folder,
// a file that someone else rotates or that may not be written, a kill: lines wait in
// the journal, and what is lost there is counted and said in the file itself. It
// never truncates or compresses a file, as the readers would lose lines by that.
package logfile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/metric"
	"github.com/flowhound/flowhound/cmd/internal/settings"
)

// Cursor is the name of the log's cursor in the journal.
const Cursor = "log"

// The formats of the log.
const (
	Syslog = "syslog" // key=value lines, which OSSEC and Wazuh decode
	JSON   = "json"   // one JSON object a line, which Wazuh alone reads
)

// Config is the section log: the file that OSSEC or Wazuh reads.
type Config struct {
	// Path is the file; its folder is made when it is missing, mode 0750.
	Path   string `yaml:"path" validate:"required"`
	Format string `yaml:"format" validate:"oneof=syslog json"`
	// MaxSize is the size at which the file is rotated; 0: never.
	MaxSize settings.Size `yaml:"max_size" validate:"omitempty,min=65536"`
	// Keep is the number of rotated files kept, Path.1 to Path.Keep; 0 is 1, as
	// readers finish Path.1.
	Keep int `yaml:"keep" validate:"min=0,max=1000"`
	// Hostname stands in the lines' header; "": this host's name.
	Hostname string `yaml:"hostname,omitempty" validate:"omitempty,hostname_rfc1123"`
}

// SetDefaults sets what the file does not.
func (c *Config) SetDefaults() {
	*c = Config{Path: "/var/log/flowhound/alerts.log", Format: Syslog, MaxSize: 100 * settings.MB, Keep: 7}
}

// check says what no log can be written with.
func (c *Config) check() error {
	if c.Path == "" {
		return errors.New("log.path is empty: name the file that OSSEC or Wazuh reads")
	}
	if c.Format != "" && c.Format != Syslog && c.Format != JSON {
		return fmt.Errorf("log.format is %q: use syslog or json", c.Format)
	}
	return nil
}

// Dependencies are what a File works with.
type Dependencies struct {
	Journal *journal.Journal
	Report  func(status, msg string) // writes an agent line; it must not wait. May be nil
	Log     *slog.Logger             // nil: slog.Default
}

// Stats are counts since Start.
type Stats struct {
	Lines      uint64 // written
	Late       uint64 // of those, lines of before the start
	Lost       uint64 // lines that will never be written
	Errors     uint64 // attempts to write, to rotate or to sync that failed
	Rotations  uint64
	QueueDepth int    // lines that wait now
	Failing    string // why the last attempt to write failed; "": it did not
}

// File is the log.
type File struct {
	d       Dependencies
	cursor  *journal.Cursor
	config  atomic.Pointer[Config]
	changed chan struct{} // holds a token when there is another config
	stop    chan struct{}
	done    chan struct{} // closed by the writer when it has ended; nil: not started
	once    sync.Once

	caughtUp chan struct{} // closed when the lines of before the start are written

	lines, late, lost, errors, rotations atomic.Uint64
	// unacked counts the records that are written and of which the cursor does not know.
	unacked                     atomic.Int64
	failing, unsynced, unmoving finding.Trouble
}

// New returns a log that is not open yet.
func New(c Config, d Dependencies) (*File, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if d.Log == nil {
		d.Log = slog.Default()
	}
	f := &File{
		d: d, changed: make(chan struct{}, 1), stop: make(chan struct{}), caughtUp: make(chan struct{}),
		failing: finding.Trouble{Fails: "the alert log cannot be written", Again: "the alert log is written again", Log: d.Log},
		unsynced: finding.Trouble{
			Fails: "the alert log cannot be synced", Costs: "a power failure could lose lines", Again: "the alert log can be synced again",
			Report: d.Report, Log: d.Log,
		},
		unmoving: finding.Trouble{Fails: "the alert log cannot be rotated and grows", Log: d.Log},
	}
	f.config.Store(&c)
	return f, nil
}

// Start makes the file if it is missing, mode 0640, and begins to write what waits
// for it. A place that cannot be written is no error: that is said in Log, and tried
// again until Stop.
func (f *File) Start(context.Context) error {
	f.cursor = f.d.Journal.Cursor(Cursor, 0)
	w := &writer{File: f, start: f.d.Journal.Next()}
	w.configure()
	w.note(&w.failing, w.target.ready()) // the file is there before Start returns, for readers that start now
	f.done = make(chan struct{})
	go w.run()
	return nil
}

// Apply writes from the next line on as c says. Lines that the file so far could not
// take go to the one that c names.
func (f *File) Apply(_ context.Context, c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	f.config.Store(&c)
	select {
	case f.changed <- struct{}{}:
	default: // it is known
	}
	return nil
}

// CaughtUp waits until the lines of before the start are written, and returns how
// many those were: as many as there are by then where ctx ends first.
func (f *File) CaughtUp(ctx context.Context) uint64 {
	select {
	case <-f.caughtUp:
	case <-ctx.Done():
	}
	return f.late.Load()
}

// Stop writes what may be read of the journal, tries nothing twice, and closes the
// file. It is an error when lines are left, which the next start writes, or when ctx
// ends first.
func (f *File) Stop(ctx context.Context) error {
	if f.done == nil {
		return nil
	}
	f.once.Do(func() { close(f.stop) })
	select {
	case <-f.done:
	case <-ctx.Done():
		return fmt.Errorf("alert log %s: closing: %w", f.config.Load().Path, ctx.Err())
	}
	if n := f.Stats().QueueDepth; n > 0 {
		return fmt.Errorf("alert log %s: %d lines could not be written; they are written after the next start", f.config.Load().Path, n)
	}
	return nil
}

// Stats returns the counts so far.
func (f *File) Stats() Stats {
	waiting, _, lost := f.d.Journal.Waiting(Cursor)
	return Stats{
		Lines: f.lines.Load(), Late: f.late.Load(), Lost: f.lost.Load() + lost.Sum(), Errors: f.errors.Load(), Rotations: f.rotations.Load(),
		QueueDepth: max(0, waiting-int(f.unacked.Load())), Failing: f.failing.Text(),
	}
}

var descErrors = metric.Desc("log_errors_total", "Failed writes of the alert log.")

// Describe sends nothing.
func (f *File) Describe(chan<- *prometheus.Desc) {}

// Collect reports the counts.
func (f *File) Collect(ch chan<- prometheus.Metric) {
	s, to := f.Stats(), metric.To(ch)
	to.Gauge(metric.QueueDepth, float64(s.QueueDepth), Cursor)
	to.Counter(metric.QueueDropped, s.Lost, Cursor)
	to.Counter(descErrors, s.Errors)
}

// Findings says what is wrong.
func (f *File) Findings(l *finding.List) {
	s, path := f.Stats(), f.config.Load().Path
	if s.Failing != "" {
		l.Bad("df -h; ls -l "+path, "the alert log cannot be written: %s; %d lines wait", s.Failing, s.QueueDepth)
	}
	f.unsynced.Find(l.Bad, "dmesg | tail; df -h "+path)
}
