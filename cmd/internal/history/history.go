package history

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/lane"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/cmd/internal/priority"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/text"
)

// laneBlocks returns how many blocks a worker's lane has. All lanes together have room
// for 262,144 flows, which a disk that stands still for a moment at a million flows a
// second fills, and take up to 50 MB then; more where there are more than 8 workers.
func laneBlocks() int { return max(256/priority.Cores(), 32) }

// Dependencies are what a History works with.
type Dependencies struct {
	Places column.Places                // nil: no country and no AS but the exporter's
	Report func(status, message string) // writes an agent line; it must not wait. nil: nobody hears
	Log    *slog.Logger                 // nil: slog.Default
}

// History keeps flows. Its methods may be called concurrently, but for Lane.
type History struct {
	d      Dependencies
	config atomic.Pointer[Config]
	lanes  []*entrance
	wake   chan struct{}

	mu      sync.Mutex // of Start, Apply, Stop
	running *run       // nil: not started, or off
	live    atomic.Pointer[run]
	again   *time.Timer // looks whether a disk that was too small has room now
	trouble [troubles]finding.Trouble
	off     atomic.Pointer[string] // why there is none at all

	held atomic.Pointer[string] // why nothing expires by its age; nil: it does
	now  func() time.Time

	totals totals
	said   finding.Moves // of drops; the collector's
}

// totals outlive a run.
type totals struct {
	records, dropped atomic.Uint64
}

// New returns a History that does nothing yet.
func New(c Config, d Dependencies) (*History, error) {
	if c.Enabled && c.Dir == "" {
		return nil, errors.New("history.dir is empty: name the folder that flows are kept in")
	}
	if d.Report == nil {
		d.Report = func(string, string) {}
	}
	if d.Log == nil {
		d.Log = slog.Default()
	}
	h := &History{d: d, wake: make(chan struct{}, 1), now: time.Now}
	for kind := range h.trouble {
		t := &h.trouble[kind]
		t.Again, t.Report, t.Log = "history: "+over[kind], d.Report, d.Log
	}
	h.config.Store(&c)
	return h, nil
}

// entrance is the lane of one worker, closed while no history is kept.
type entrance struct {
	open atomic.Bool
	lane *lane.Lane
}

// Flows is a stage.Sink.
func (e *entrance) Flows(b *flow.Batch) {
	if e.open.Load() {
		e.lane.Flows(b)
	}
}

// Sink takes the flows of one worker; it is a stage.Sink.
type Sink interface{ Flows(*flow.Batch) }

// Lane returns the way in of one worker. All are made before Start. wait: the worker
// waits and nothing is dropped, for captures.
func (h *History) Lane(wait bool) Sink {
	e := &entrance{lane: lane.New(laneBlocks(), wait, h.wake)}
	h.lanes = append(h.lanes, e)
	return e
}

// Start opens the data set and begins to keep flows. That it cannot is no error but a
// finding, and tried again every minute: alerting goes on.
func (h *History) Start(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.start(ctx)
}

func (h *History) start(context.Context) error {
	c := h.config.Load()
	if !c.Enabled {
		h.off.Store(ptr("history is off: history.enabled is false"))
		return nil
	}
	free, err := freeSpace(c.Dir)
	if err != nil {
		free = 1 << 62 // what is wrong with the folder is said when it is opened
	}
	if why := tooSmall(c, free); why != "" {
		if old := h.off.Swap(&why); old == nil {
			h.d.Log.Warn(why)
			h.d.Report("error", why)
		}
		h.again = time.AfterFunc(tidyEvery, h.startAgain)
		return nil
	}
	h.again = nil
	if h.off.Swap(nil) != nil {
		h.d.Log.Info("history: there is room now: flows are kept")
		h.d.Report("alive", "history: there is room now: flows are kept")
	}
	h.running = newRun(h)
	h.live.Store(h.running)
	h.running.start()
	return nil
}

func ptr[T any](v T) *T { return &v }

// startAgain starts what a disk without room has kept from starting.
func (h *History) startAgain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.again != nil && h.running == nil {
		_ = h.start(context.Background()) // never fails
	}
}

// minDisk is the least free room with which history begins: the log and the files of
// some minutes of a busy network.
const minDisk = 1 * settings.GB

// tooSmall says why a disk is too small for history, "" when it is not. A data set that
// is there already counts as room.
func tooSmall(c *Config, free int64) string {
	if settings.Size(free)+settings.Size(dataset.Size(c.Dir)) >= min(minDisk, c.MaxSize) {
		return ""
	}
	return fmt.Sprintf("history is off: the disk of %s has %d MB free, and %d MB are needed to begin; make room, set history.dir to a larger disk, or history.enabled to false",
		c.Dir, free/1_000_000, min(minDisk, c.MaxSize)/settings.MB)
}

// freeSpace returns how many bytes the disk of a folder, or of the nearest one above
// that exists, has for us.
func freeSpace(dir string) (int64, error) {
	for {
		var st syscall.Statfs_t
		err := syscall.Statfs(dir, &st)
		if err == nil {
			return int64(st.Bavail) * int64(st.Bsize), nil //nolint:gosec,unconvert // sizes of real disks
		}
		up := parent(dir)
		if !errors.Is(err, syscall.ENOENT) || up == dir {
			return 0, err
		}
		dir = up
	}
}

// Apply takes over other settings. Another folder needs a restart.
func (h *History) Apply(ctx context.Context, c Config) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.config.Swap(&c)
	if old.Enabled == c.Enabled && old.Dir == c.Dir && (h.running != nil || !c.Enabled) {
		if h.running != nil {
			h.running.tidySoon()
		}
		return nil
	}
	err := h.stop(ctx)
	h.off.Store(nil)
	return errors.Join(err, h.start(ctx))
}

// Stop writes what waits and closes the data set.
func (h *History) Stop(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stop(ctx)
}

func (h *History) stop(ctx context.Context) error {
	if h.again != nil {
		h.again.Stop()
		h.again = nil
	}
	if h.running == nil {
		return nil
	}
	r := h.running
	h.running = nil
	h.live.Store(nil)
	return r.stop(ctx)
}

// ErrOff says that no flows are kept now.
var ErrOff = errors.New("no flows are kept")

// Sync returns once all flows are on disk, and seen by a new snapshot, that were put
// before: a source that can be asked again may forget them then.
func (h *History) Sync(ctx context.Context) error {
	r := h.live.Load()
	if r == nil {
		return ErrOff
	}
	return r.sync(ctx)
}

// Flush returns once all flows stand in files that were put before.
func (h *History) Flush(ctx context.Context) error {
	r := h.live.Load()
	if r == nil {
		return ErrOff
	}
	return r.flush(ctx)
}

// Add keeps records that come from elsewhere than a worker. It may wait. They are on
// disk after Sync.
func (h *History) Add(ctx context.Context, records []flow.Record) error {
	r := h.live.Load()
	if r == nil {
		return ErrOff
	}
	return r.add(ctx, records)
}

// Edit calls do with the writer of the data set, for what changes files: it is the one
// that the running History holds.
func (h *History) Edit(do func(*dataset.Writer) error) error {
	if r := h.live.Load(); r != nil {
		if w := r.writer.Load(); w != nil {
			return do(w)
		}
	}
	return ErrOff
}

// sayDropped says when flows were dropped because they came faster than they could be
// written. What a trouble costs is said when that ends.
func (h *History) sayDropped(now time.Time) {
	if n := h.said.Since(h.tooFast(), now); n > 0 {
		h.d.Report("dropping", fmt.Sprintf("history: %s not kept: %s; %s", text.Count(n, "flow was", "flows were"), whyTooFast, fixTooFast))
	}
}

// tooFast returns how many flows were dropped because their lane was full.
func (h *History) tooFast() (n uint64) {
	for _, e := range h.lanes {
		n += e.lane.Dropped()
	}
	return n
}

const (
	whyTooFast = "they arrived faster than this machine can write them; receiving and alerts have priority and lost nothing"
	fixTooFast = "use a machine with more cores or fewer exporters, or set history.enabled to false"
)

// interval is how often a part is made of what has come.
const interval = 5 * time.Minute
