// Package output stands between the hits and one output each: it puts them into a
// spool on disk, and from there delivers them in batches, at least once, for as
// long as it takes. An output that is down, slow or hung costs nobody else
// anything; what cannot be kept is counted and said.
//
// It does not know what delivers (a Writer): in the agent that is a plugin's process.
package output

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/output/spool"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	// maxBatch bounds a batch, in bytes of its hits as JSON: plugins take messages
	// of 4 MiB.
	maxBatch = 1 << 20
	// syncEvery is how much a crash of the host, unlike one of this program, may
	// lose.
	syncEvery = 200 * time.Millisecond
	// openEvery is how often a spool that cannot be opened is tried again.
	openEvery = 5 * time.Second
	// stopGrace is how long a stop waits for a disk that does not answer.
	stopGrace = time.Second
	// tickEvery is how often it is looked what there is to say.
	tickEvery = time.Second
)

// ErrNotReady is what a Writer returns, wrapped or not, while there is nothing to
// write to: hits wait, and nothing counts as an attempt.
var ErrNotReady = errors.New("the output is not ready")

// Writer delivers hits. Its errors are those of package plugin. Write is never
// called concurrently and returns soon after ctx has ended.
type Writer interface {
	Write(ctx context.Context, hits []hit.Hit) error
}

// Options of one Output. Writer, Dir and Batch.Max are needed; zero bounds are none.
type Options struct {
	Name   string
	Dir    string // of the spool
	Size   int64  // of the spool, in bytes; spool.MinSize at least
	Filter Filter
	Batch  Batch
	// Timeout is how long one Write may take.
	Timeout time.Duration
	// MaxAttempts is how often a hit is tried that fails while others get through;
	// MaxAge how old a hit may become that nothing gets through with. Then it is a
	// dead letter.
	MaxAttempts int
	MaxAge      time.Duration

	Writer Writer
	// Problem says why the Writer cannot write, "" when it can, and Changed tells
	// that this may have changed. Either may be nil.
	Problem func() string
	Changed <-chan struct{}
	// Say writes an output line: ok, down or dropping, and why. It must not wait.
	Say func(status, msg string)
	Log *slog.Logger
}

// Batch says how hits are gathered.
type Batch struct {
	Max   int           // hits in one Write
	Every time.Duration // how long the first one waits for more
}

// Stats says how an output is doing. Counts are since New.
type Stats struct {
	Status  Status `json:"status"`
	Problem string `json:"problem,omitempty"`

	Accepted  uint64 `json:"accepted"`  // hits that went into the spool
	Delivered uint64 `json:"delivered"` // hits
	Retried   uint64 `json:"retried"`   // attempts to deliver a hit that failed and are made again
	Dropped   uint64 `json:"dropped"`   // hits that are lost
	Dead      uint64 `json:"dead"`      // hits that became dead letters

	Depth  uint64    `json:"depth"` // hits that wait
	Bytes  int64     `json:"bytes"` // of the spool
	Oldest time.Time `json:"oldest,omitzero"`
}

// Output is one output. New makes one that does nothing until Start.
type Output struct {
	options atomic.Pointer[Options]
	cond    condition

	spool atomic.Pointer[spool.Spool] // nil while it cannot be opened
	puts  chan *entry
	late  atomic.Bool   // the disk has not answered for longer than anyone waits
	queue queue         // hits of the spool's end that need not be read again
	news  chan struct{} // holds a token when there are new hits in the spool
	tests chan *test
	dead  dead

	changed chan struct{} // holds a token when there are new options

	accepted, delivered, retried, lost, buried atomic.Uint64
	oldest                                     atomic.Int64 // ns since 1970, 0: none waits

	drain   chan struct{} // closed: deliver what can be delivered, then end
	drainBy context.Context
	quit    chan struct{} // closed when the deliverer has ended
	ending  sync.Once
	running sync.WaitGroup
	stopped chan struct{} // of the deliverer
}

// New returns an Output that has touched nothing yet.
func New(o Options) *Output {
	out := &Output{
		puts: make(chan *entry, maxLate), news: make(chan struct{}, 1), tests: make(chan *test), changed: make(chan struct{}, 1),
		drain: make(chan struct{}), quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	out.configure(o)
	out.cond.say = func(status, msg string) { out.opts().Say(status, msg) }
	return out
}

func (out *Output) configure(o Options) {
	o.Size = max(o.Size, spool.MinSize)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Say == nil {
		o.Say = func(string, string) {}
	}
	if o.Problem == nil {
		o.Problem = func() string { return "" }
	}
	out.options.Store(&o)
	out.queue.bound(2 * o.Batch.Max)
	out.dead.configure(o.Dir, max(o.Size/8, minDead))
	if s := out.spool.Load(); s != nil {
		s.Resize(o.Size)
	}
}

func (out *Output) opts() *Options { return out.options.Load() }

// Configure puts o, of the same Name and Dir, in the place of the options so far.
// Hits go on into the spool meanwhile, and none is lost. The Writer so far is not
// used for another batch.
func (out *Output) Configure(o Options) {
	out.configure(o)
	select {
	case out.changed <- struct{}{}:
	default: // it is known
	}
}

// Name returns the output's name.
func (out *Output) Name() string { return out.opts().Name }

// Start opens the spool and begins to deliver what it holds. A spool that cannot
// be opened is said and tried again: until it is, hits are dropped and counted.
func (out *Output) Start() {
	opened := out.open()
	out.running.Go(func() {
		for !opened {
			select {
			case <-out.drain:
				close(out.stopped)
				return
			case <-time.After(openEvery):
				opened = out.open()
			}
		}
		newDeliverer(out).run()
		close(out.stopped)
	})
	out.running.Go(out.appendAll)
	out.running.Go(out.syncAll)
	out.running.Go(out.watch)
}

func (out *Output) open() bool {
	s, err := spool.Open(out.opts().Dir, out.opts().Size)
	if err != nil {
		out.opts().Log.Error("the spool cannot be opened", "output", out.opts().Name, "err", err)
		out.cond.failed(err.Error(), true)
		return false
	}
	if cut := s.Stats().Cut; cut > 0 {
		out.opts().Log.Warn("a crash tore the end of the spool; it was cut", "output", out.opts().Name, "bytes", cut)
	}
	out.cond.worked()
	out.spool.Store(s)
	return true
}

// Stop delivers what can be delivered until ctx ends, and leaves the rest in the
// spool. Put must not be called any more.
func (out *Output) Stop(ctx context.Context) error {
	out.ending.Do(func() {
		out.drainBy = ctx
		close(out.drain)
	})
	<-out.stopped
	close(out.quit)
	ended := make(chan struct{})
	go func() {
		out.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(stopGrace): // it ends as soon as the system lets go of it
		return fmt.Errorf("output %s: the disk of the spool does not answer", out.opts().Name)
	}
	out.tick()
	s := out.spool.Load()
	if s == nil {
		return nil
	}
	if err := s.Close(); err != nil {
		return fmt.Errorf("output %s: %w", out.opts().Name, err)
	}
	return nil
}

// Stats returns how the output is doing now.
func (out *Output) Stats() Stats {
	status, problem := out.cond.now(out.opts().Problem())
	s := Stats{
		Status: status, Problem: problem,
		Accepted: out.accepted.Load(), Delivered: out.delivered.Load(), Retried: out.retried.Load(),
		Dropped: out.dropped(), Dead: out.buried.Load(),
	}
	if sp := out.spool.Load(); sp != nil {
		held := sp.Stats()
		s.Depth, s.Bytes = held.Depth, held.Bytes
	}
	if at := out.oldest.Load(); at != 0 {
		s.Oldest = time.Unix(0, at).UTC()
	}
	return s
}

// dropped counts the hits that are lost, wherever.
func (out *Output) dropped() uint64 {
	n := out.lost.Load()
	if s := out.spool.Load(); s != nil {
		held := s.Stats()
		n += held.Dropped + held.Broken
	}
	return n
}

// tick says what has changed.
func (out *Output) tick() {
	if s := out.spool.Load(); s != nil {
		switch held := s.Stats(); {
		case out.cond.grew(&out.cond.fullTold, held.Dropped):
			out.cond.lostTo("the spool is full: the oldest hits made room for new ones")
		case out.cond.grew(&out.cond.brokenTold, held.Broken):
			out.cond.lostTo("the spool was damaged on disk")
		}
	}
	out.cond.tick(time.Now(), out.dropped(), out.buried.Load(), out.opts().Problem())
}

// watch says what has changed, whatever the others wait for.
func (out *Output) watch() {
	every := time.NewTicker(tickEvery)
	defer every.Stop()
	for {
		select {
		case <-out.quit:
			return
		case <-every.C:
			out.tick()
		}
	}
}

// syncAll brings the spool to the disk, again and again.
func (out *Output) syncAll() {
	every := time.NewTicker(syncEvery)
	defer every.Stop()
	failing := false
	for {
		select {
		case <-out.quit:
			return
		case <-every.C:
		}
		s := out.spool.Load()
		if s == nil {
			continue
		}
		err := s.Sync()
		if err != nil && !failing {
			out.opts().Log.Warn("the spool cannot be synced; a crash of this host could lose hits", "output", out.opts().Name, "err", err)
		}
		failing = err != nil
	}
}

// Inspect returns what the spool in dir holds, of which no Output runs: Dead counts
// the dead letters that are there.
func Inspect(dir string) (Stats, error) {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return Stats{Status: OK}, nil
	}
	s, err := spool.Open(dir, 0)
	if err != nil {
		return Stats{}, err
	}
	held := s.Stats()
	stats := Stats{Status: OK, Depth: held.Depth, Bytes: held.Bytes, Dead: uint64(Letters(dir))}
	r := s.NewReader()
	if first, more, err := r.Next(); err == nil && more {
		stats.Oldest = first.At.UTC()
	}
	r.Close()
	return stats, s.Close()
}
