// Package host runs output plugins: it finds a plugin's binary and makes sure that
// nobody else could have put it there, starts it, hands it its settings and hits,
// watches it, and starts it again when it ends, hangs or takes too much memory.
// One Plugin is one process of one output. Whatever a plugin does costs only its
// own output: nothing here waits for a plugin without a deadline. The package
// keeps no hits: a queue in front of it does, and retries what Write refuses.
package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/internal/wire"
)

// Options of one output process.
type Options struct {
	Name     string          // of the output in the configuration: a-z, 0-9, _ and -
	Type     string          // the binary is flowhound-output-<Type>
	Dir      string          // plugin directory
	SHA256   string          // of the binary, in hex; "" for any
	Settings json.RawMessage // JSON object; what stands for variables is in it already
	RunDir   string          // of ours, for the plugin's socket, which takes a path of at most 107 bytes
	Version  string          // flowhound's, which the plugin finds in FLOWHOUND_VERSION
	Log      *slog.Logger    // where the plugin's log arrives, with output=<Name>; nil: nowhere
}

func (o Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log.With("output", o.Name)
}

// State is how an output's process is doing.
type State struct {
	Ready    bool      // it is open, and takes hits
	Since    time.Time // when Ready became what it is
	Restarts int       // how often it was started again
	PID      int       // of the process, 0 when there is none
	Memory   int64     // resident bytes of the process, as seen in the last second
	Version  string    // of the plugin, once it has been started
	Problem  string    // in plain words, "" when there is none
}

// ErrNotReady is what Write returns while the output is not open: not yet, not
// again, or not any more.
var ErrNotReady = errors.New("the output is not ready")

// Deadlines of a plugin that answers late. A Write has its context's, or writeTime.
const (
	writeTime = 30 * time.Second
	grace     = 2 * time.Second // for an answer after a deadline: then the plugin hangs
)

var errHangs = fmt.Errorf("hangs: Write did not return within %v of its deadline", grace)

// Plugin is one output process and who looks after it. Its methods may be called
// concurrently.
type Plugin struct {
	opts    Options
	log     *slog.Logger
	times   times
	changed chan struct{}

	cancel context.CancelFunc
	done   chan struct{} // closed when the supervisor has ended

	mu      sync.Mutex
	state   State
	open    *process        // takes hits; nil while there is none
	started bool            // Start was called
	closing context.Context // Stop's
}

// New returns a Plugin that does nothing until Start.
func New(o Options) *Plugin {
	return &Plugin{
		opts: o, log: o.log(), times: defaultTimes(), changed: make(chan struct{}, 1), done: make(chan struct{}),
		state: State{Since: time.Now(), Problem: "is being started"}, cancel: func() {},
	}
}

// Start begins to look after the process, and returns at once. It is called once.
func (p *Plugin) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	p.mu.Lock()
	p.cancel, p.started = cancel, true
	p.mu.Unlock()
	go func() {
		defer close(p.done)
		p.supervise(ctx)
	}()
}

// Stop closes the output and ends its process: with a call to Close until ctx
// ends, then by force. It returns when process and socket are gone, with the error
// that Close had. Write returns ErrNotReady from then on.
func (p *Plugin) Stop(ctx context.Context) error {
	p.mu.Lock()
	started := p.started
	p.closing = ctx
	p.mu.Unlock()
	if !started {
		return nil
	}
	p.cancel()
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state.Problem != "" {
		return fmt.Errorf("output %s: %s", p.opts.Name, p.state.Problem)
	}
	return nil
}

// State returns how the process is doing now.
func (p *Plugin) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Changed receives after something in State other than Memory has changed; of
// several changes that nobody has looked at, the last is told.
func (p *Plugin) Changed() <-chan struct{} { return p.changed }

// update changes the state, and tells.
func (p *Plugin) update(f func(s *State)) {
	p.mu.Lock()
	before := p.state
	f(&p.state)
	if p.state.Ready != before.Ready {
		p.state.Since = time.Now()
	}
	after := p.state
	p.mu.Unlock()
	if before.Memory = after.Memory; before != after {
		select {
		case p.changed <- struct{}{}:
		default:
		}
	}
}

// Write hands hits to the output and returns what became of them: nil when all are
// delivered; ErrNotReady; or an error that is plain, plugin.IsPermanent, a
// *plugin.RetryAfterError or a *plugin.PartialError. The output has until ctx's
// deadline, or 30 s; when it has not answered 2 s after that it is ended and
// started again.
func (p *Plugin) Write(ctx context.Context, hits []plugin.Hit) error {
	p.mu.Lock()
	proc := p.open
	p.mu.Unlock()
	if proc == nil {
		return ErrNotReady
	}
	timeout := writeTime
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write to output %s: %w", p.opts.Name, err)
	}
	// A deadline would go along to the plugin's side, which may then end the call a
	// little before ours does, and would not look hung.
	wait, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	defer time.AfterFunc(timeout+grace, func() { end(errHangs) }).Stop()
	defer context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			end(ctx.Err())
		}
	})()
	err := proc.output.Write(wait, hits, timeout)
	var lost *wire.Lost
	if !errors.As(err, &lost) {
		return err
	}
	switch cause := context.Cause(wait); {
	case cause == nil:
		return err
	case errors.Is(cause, errHangs):
		proc.condemn(errHangs)
		return errHangs
	default:
		return fmt.Errorf("write to output %s: %w", p.opts.Name, cause)
	}
}
