package history

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/lane"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/cmd/internal/history/wal"
	"github.com/flowhound/flowhound/cmd/internal/priority"
)

func parent(dir string) string { return filepath.Dir(filepath.Clean(dir)) }

// run is a History from a start to a stop. Three goroutines work: one takes flows off
// the lanes and appends them to the log, one brings the log to the disk every second,
// one makes files of finished segments and tidies up. The first and the last have low
// priority: on a machine that cannot do both, flows are received and matched, and those
// that the history has no time for are dropped and counted.
type run struct {
	h       *History
	writer  atomic.Pointer[dataset.Writer] // nil: the data set could not be opened yet
	ctx     context.Context                // ends when the run does
	cancel  context.CancelFunc
	stopped sync.WaitGroup

	// The collector's.
	log      *wal.Writer
	segment  *wal.Segment
	records  *buffer   // of segment; nil: there was no memory for them
	began    time.Time // of segment
	number   uint64    // of the next segment
	dirty    bool      // segment holds what is not on disk
	failedAt time.Time // when a write failed last

	full     []job        // complete segments, to be closed
	waiting  []chan error // for the sync after the one under way
	served   []chan error // for the one under way
	syncing  bool
	lastSync time.Time

	asked   chan request
	synced  chan error // answer of the goroutine that syncs
	syncer  chan job
	sealed  chan sealed     // segments that are complete
	memory  chan *buffer    // for the records of two segments
	buffers []*buffer       // all of them
	filed   chan chan error // asked of the goroutine that makes files
	tidy    chan struct{}
	reading *buffer // when both are in use; of the goroutine that makes files
	clock   clock   // of the goroutine that tidies up
	started time.Time
	ending  chan struct{}
}

// request is what someone waits for: that records are in the log, or on disk.
type request struct {
	records []flow.Record
	seal    bool // the segment is complete after this
	done    chan error
}

// job is a segment to bring to the disk, and to close when it is complete.
type job struct {
	*wal.Segment
	complete bool
	records  *buffer
	filling  time.Duration // of a complete one
}

// sealed is a segment that is complete, and on the disk. Its records are in memory, too,
// unless the making of files is behind or they are an earlier run's: then they are read.
type sealed struct {
	number  uint64
	records *buffer
	filling time.Duration // how long it took until it was complete
	damaged int64         // bytes of it that hold no record, and that no crash explains
}

// segmentsInMemory: one is filled while files are made of the other, 100 MB in all.
const segmentsInMemory = 2

func newRun(h *History) *run {
	r := &run{
		started: time.Now(), h: h, asked: make(chan request), synced: make(chan error, 1), syncer: make(chan job),
		sealed: make(chan sealed, 4096), memory: make(chan *buffer, segmentsInMemory), reading: newBuffer(), tidy: make(chan struct{}, 1), filed: make(chan chan error), ending: make(chan struct{}),
	}
	r.buffers = append(r.buffers, r.reading)
	for range segmentsInMemory {
		b := newBuffer()
		r.buffers = append(r.buffers, b)
		r.memory <- b
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

func (r *run) start() {
	if err := r.open(); err != nil {
		r.h.trouble[notKept].Note(openTrouble(r.h.config.Load().Dir, err))
	}
	for _, e := range r.h.lanes {
		e.open.Store(true)
	}
	r.stopped.Go(r.collect)
	r.stopped.Go(r.syncLog)
}

// open opens the data set, and begins the goroutine that works on its files.
func (r *run) open() error {
	dir := r.h.config.Load().Dir
	w, err := dataset.Create(dir)
	if err != nil {
		return err
	}
	w.Places = r.h.d.Places
	w.Warn(func(text string) {
		r.h.d.Log.Error("history: " + text)
		r.h.d.Report("error", "history: "+text)
	})
	old, err := wal.List(dataset.LogDir(dir))
	if err != nil {
		return errors.Join(err, w.Close())
	}
	r.number = w.Last() + 1
	for _, n := range old {
		r.number = max(r.number, n+1)
	}
	r.log = wal.NewWriter(dataset.LogDir(dir), w.LogID())
	r.writer.Store(w)
	r.stopped.Go(func() { r.files(w, old) })
	return nil
}

const (
	syncEvery  = time.Second
	takeEvery  = 100 * time.Millisecond
	trimEvery  = 10 * time.Second
	retryEvery = 5 * time.Second
)

// collect takes flows off the lanes until the run ends.
func (r *run) collect() {
	priority.Lower(priority.Lowest)
	tick := time.NewTicker(takeEvery)
	defer tick.Stop()
	r.lastSync = time.Now()
	trimmed := time.Now()
	for {
		select {
		case <-r.h.wake:
		case now := <-tick.C:
			r.h.sayDropped(now)
			if now.Sub(trimmed) >= trimEvery {
				trimmed = now
				for _, e := range r.h.lanes {
					e.lane.Trim()
				}
			}
		case q := <-r.asked:
			r.take()
			if q.seal && r.segment != nil {
				r.seal()
			}
			if q.records == nil {
				r.waiting = append(r.waiting, q.done)
			} else {
				q.done <- r.append(q.records)
			}
		case err := <-r.synced:
			r.syncing = false
			answer(r.served, err)
			r.served = nil
			if err != nil {
				r.failed(err)
			}
		case <-r.ending:
			r.end()
			return
		}
		r.take()
		if r.segment != nil && r.segment.Records > 0 && time.Since(r.began) >= interval {
			r.seal()
		}
		if !r.syncing {
			r.nextSync()
		}
	}
}

func answer(waiting []chan error, err error) {
	for _, done := range waiting {
		done <- err
	}
}

// nextSync begins a sync if one is due: of segments that are complete first.
func (r *run) nextSync() {
	switch {
	case len(r.full) > 0:
		r.syncing = true
		r.syncer <- r.full[0]
		r.full = r.full[1:]
	case r.segment == nil:
		answer(r.waiting, nil)
		r.waiting = nil
	case len(r.waiting) > 0 || r.dirty && time.Since(r.lastSync) >= syncEvery:
		r.syncing, r.lastSync, r.dirty = true, time.Now(), false
		r.served, r.waiting = r.waiting, nil
		r.syncer <- job{Segment: r.segment}
	}
}

// take moves what waits in the lanes to the log.
func (r *run) take() {
	if r.writer.Load() == nil {
		r.reopen()
	}
	for _, e := range r.h.lanes {
		e.lane.Take(func(b *lane.Block) {
			_ = r.append(b.Records) // counted
			e.lane.Done(b)
		})
	}
}

// reopen tries to open the data set that could not be opened before.
func (r *run) reopen() {
	if now := time.Now(); now.Sub(r.failedAt) >= retryEvery {
		r.failedAt = now
		if err := r.open(); err != nil {
			r.h.trouble[notKept].Note(openTrouble(r.h.config.Load().Dir, err))
		}
	}
}

// append writes records to the log, or counts them as dropped.
func (r *run) append(records []flow.Record) error {
	if len(records) == 0 {
		return nil
	}
	taken, err := r.write(records)
	r.h.totals.records.Add(uint64(taken))
	if err != nil {
		r.h.totals.dropped.Add(uint64(len(records) - taken))
	}
	return err
}

var errWaiting = errors.New("the disk is tried again in a moment")

func (r *run) write(records []flow.Record) (taken int, err error) {
	if r.log == nil || !r.failedAt.IsZero() && time.Since(r.failedAt) < time.Second {
		return 0, errWaiting
	}
	if r.segment != nil && r.segment.Records+len(records) > column.PartRecords {
		r.seal()
	}
	if r.segment == nil {
		if r.segment, err = r.log.Create(r.number); err != nil {
			r.segment = nil
			r.failed(err)
			return 0, err
		}
		r.number++
		r.began = time.Now()
		select {
		case r.records = <-r.memory:
		default:
		}
	}
	taken, err = r.segment.Append(records)
	r.remember(records[:taken])
	if err != nil {
		r.failed(err)
		return taken, err
	}
	r.dirty = true
	if !r.failedAt.IsZero() {
		r.failedAt = time.Time{}
		r.h.trouble[notKept].Note(nil)
	}
	return taken, nil
}

// remember keeps records of the segment in memory.
func (r *run) remember(records []flow.Record) {
	if r.records != nil {
		r.records.records = append(r.records.records, records...)
	}
}

// failed notes that the disk did not take what it should.
func (r *run) failed(err error) {
	r.failedAt = time.Now()
	r.h.trouble[notKept].Note(diskTrouble("no flows are kept", r.h.config.Load().Dir, err))
}

// seal ends the segment: its records become files once it is on the disk.
func (r *run) seal() {
	r.full = append(r.full, job{r.segment, true, r.records, time.Since(r.began)})
	r.segment, r.records, r.dirty = nil, nil, false
}

// syncLog brings segments to the disk, beside the goroutine that appends to them.
func (r *run) syncLog() {
	defer close(r.sealed)
	for s := range r.syncer {
		if !s.complete {
			r.synced <- s.Sync()
			continue
		}
		err := s.Close()
		select {
		case r.sealed <- sealed{number: s.Number, records: s.records, filling: s.filling}:
		default: // 4,096 wait already: the next start finds it
		}
		r.synced <- err
	}
}

func (r *run) sync(ctx context.Context) error {
	return r.ask(ctx, request{done: make(chan error, 1)})
}

// flush has the segment made files: once the sync is answered, its number stands
// before our question.
func (r *run) flush(ctx context.Context) error {
	if err := r.ask(ctx, request{seal: true, done: make(chan error, 1)}); err != nil {
		return err
	}
	done := make(chan error, 1)
	select {
	case r.filed <- done:
	case <-r.ctx.Done():
		return r.ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-r.ctx.Done():
		return r.ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *run) add(ctx context.Context, records []flow.Record) error {
	for len(records) > 0 {
		n := min(len(records), column.PartRecords/8)
		if err := r.ask(ctx, request{records: records[:n], done: make(chan error, 1)}); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

func (r *run) ask(ctx context.Context, q request) error {
	select {
	case r.asked <- q:
	case <-r.ctx.Done():
		return r.ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-q.done:
		return err
	case <-r.ctx.Done():
		return r.ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop ends the run. What is not written as files stays in the log, and becomes files
// after the next start.
func (r *run) stop(ctx context.Context) error {
	for _, e := range r.h.lanes {
		e.open.Store(false)
	}
	close(r.ending)
	done := make(chan struct{})
	go func() {
		r.stopped.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("history: the disk does not answer: %w", ctx.Err())
	}
	for _, b := range r.buffers {
		b.free()
	}
	if w := r.writer.Load(); w != nil {
		return w.Close()
	}
	return nil
}

// end writes what waits and closes the log.
func (r *run) end() {
	r.take()
	r.cancel()
	if r.syncing {
		r.lastSynced()
	}
	answer(r.served, r.ctx.Err())
	answer(r.waiting, r.ctx.Err())
	if r.segment != nil {
		r.seal()
	}
	for _, s := range r.full {
		r.syncer <- s
		r.lastSynced()
	}
	close(r.syncer)
}

// lastSynced waits for a sync at the end, and says when it failed.
func (r *run) lastSynced() {
	if err := <-r.synced; err != nil {
		r.failed(err)
	}
}

func (r *run) tidySoon() {
	select {
	case r.tidy <- struct{}{}:
	default:
	}
}
