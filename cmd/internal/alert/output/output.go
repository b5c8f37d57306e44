// Package output stands between the journal and one output: it delivers the hits that
// the output wants in batches, at least once, for as long as it takes. An output that
// is down, slow or hung does not affect the others; hits that cannot be kept are counted
// and reported.
//
// It does not know what delivers (a Writer): in the agent that is a plugin's process.
package output

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	// maxBatch bounds a batch, in bytes of its hits as JSON: plugins take messages
	// of 4 MiB.
	maxBatch = 1 << 20
	// tickEvery is how often it is looked what there is to say.
	tickEvery = time.Second
	// cursorPrefix keeps the names of outputs apart from other consumers'.
	cursorPrefix = "output-"
)

var (
	// ErrNotReady is what a Writer returns, wrapped or not, while there is nothing to
	// write to: hits wait, and nothing counts as an attempt.
	ErrNotReady = errors.New("the output is not ready")
	// ErrStopped says that the output does not run any more.
	ErrStopped = errors.New("the output was stopped")
)

// Writer delivers hits. Its errors are those of package plugin. Write is never
// called concurrently and returns soon after ctx has ended.
type Writer interface {
	Write(ctx context.Context, hits []hit.Hit) error
}

// Dependencies are what an Output works with. Journal is needed, and Writer by Start.
type Dependencies struct {
	Journal *journal.Journal
	Dir     string // of the dead letters; made with the first one
	Writer  Writer
	// Problem says why the Writer cannot write, "" when it can, and Changed tells
	// that this may have changed. Either may be nil.
	Problem func() string
	Changed <-chan struct{}
	// Report writes an output line: ok, down or dropping, and why. It must not wait.
	Report func(status, msg string)
	Log    *slog.Logger
}

// Stats says how an output is doing. Counts are since New.
type Stats struct {
	Status  Status `json:"status"`
	Problem string `json:"problem,omitempty"`

	Accepted  uint64 `json:"accepted"`  // hits that it wanted
	Delivered uint64 `json:"delivered"` // hits
	Retried   uint64 `json:"retried"`   // attempts to deliver a hit that failed and are made again
	Dropped   uint64 `json:"dropped"`   // hits that are lost
	Dead      uint64 `json:"dead"`      // hits that became dead letters

	Depth  uint64    `json:"depth"` // hits that wait
	Bytes  int64     `json:"bytes"` // of the journal that waits
	Oldest time.Time `json:"oldest,omitzero"`

	// Tested is the id of the last planted hit that was delivered.
	Tested string `json:"tested,omitempty"`
}

// options are a configuration and what it works with.
type options struct {
	Config
	Dependencies
}

// Output is one output. New makes one that does nothing until Start.
type Output struct {
	options atomic.Pointer[options]
	cond    condition
	cursor  *journal.Cursor
	dead    dead
	writing chan struct{} // holds a token while the Writer works

	changed chan struct{} // holds a token when there are new options

	draining context.Context // ended: deliver what can be delivered, then end
	drain    context.CancelFunc
	ctx      context.Context // ends with the time for that
	cancel   context.CancelFunc
	running  sync.WaitGroup
	stopped  chan struct{} // closed when the deliverer has ended; nil: it was not started
}

// New returns an Output that has touched nothing yet.
func New(c Config, d Dependencies) *Output {
	out := &Output{writing: make(chan struct{}, 1), changed: make(chan struct{}, 1)}
	out.configure(c, d)
	out.cond.out, out.dead.out = out, out
	return out
}

func (out *Output) configure(c Config, d Dependencies) {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Report == nil {
		d.Report = func(string, string) {}
	}
	if d.Problem == nil {
		d.Problem = func() string { return "" }
	}
	out.options.Store(&options{c, d})
}

func (out *Output) opts() *options { return out.options.Load() }

// Apply puts c and d, of the same name, in the place of those so far. Hits wait
// meanwhile, and none is lost. The Writer so far is not used for another batch.
func (out *Output) Apply(c Config, d Dependencies) {
	out.configure(c, d)
	out.cursor.SetLimit(int64(c.Spool))
	select {
	case out.changed <- struct{}{}:
	default: // it is known
	}
}

// Name returns the output's name.
func (out *Output) Name() string { return out.opts().Name }

// CursorOf returns the name of an output's cursor in the journal.
func CursorOf(name string) string { return cursorPrefix + name }

// Wants reports whether h is to be delivered, and counts it if so: it is then to be
// appended to the journal, for CursorOf the output's name.
func (out *Output) Wants(h *hit.Hit) bool {
	if !out.opts().wants(h) {
		return false
	}
	out.cond.count(func(c *condition) { c.stats.Accepted++ })
	return true
}

// Start begins to deliver what waits.
func (out *Output) Start() {
	o := out.opts()
	out.cursor = o.Journal.Cursor(CursorOf(o.Name), int64(o.Spool))
	out.draining, out.drain = context.WithCancel(context.Background())
	out.ctx, out.cancel = context.WithCancel(context.Background())
	out.stopped = make(chan struct{})
	out.running.Go(func() {
		d := deliverer{Output: out, size: o.Batch.Max, unsynced: finding.Trouble{
			Fails: "dead letters of output " + o.Name + " cannot be synced; a power failure could lose them", Log: o.Log,
		}}
		for d.await() {
			d.write()
		}
		out.cursor.Close()
		close(out.stopped)
	})
	out.running.Go(out.watch)
}

// Stop delivers what can be delivered until ctx ends; the rest waits for the next
// start.
func (out *Output) Stop(ctx context.Context) {
	if out.stopped == nil {
		return
	}
	if ctx.Err() != nil {
		out.cancel()
	}
	out.drain()
	unhook := context.AfterFunc(ctx, out.cancel)
	<-out.stopped
	unhook()
	out.cancel()
	out.running.Wait()
	out.cond.tick()
}

// Stats returns how the output is doing now.
func (out *Output) Stats() Stats { return out.cond.now() }

// watch says what has changed, whatever the deliverer waits for.
func (out *Output) watch() {
	every := time.NewTicker(tickEvery)
	defer every.Stop()
	for {
		select {
		case <-out.stopped:
			return
		case <-every.C:
			out.cond.tick()
		}
	}
}

// Inspect returns what waits for an output that does not run: Dead counts the dead
// letters in dir.
func Inspect(j *journal.Journal, name, dir string) Stats {
	s := Stats{Status: OK, Dead: uint64(Letters(dir))}
	if waiting, bytes, _ := j.Waiting(CursorOf(name)); waiting > 0 {
		s.Depth, s.Bytes = uint64(waiting), bytes
		c := j.Cursor(CursorOf(name), 0)
		if r, err := c.Next(); err == nil && r != nil {
			s.Oldest = r.At.UTC()
		}
		c.Close()
	}
	return s
}
