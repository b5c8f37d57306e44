// Package journal keeps hits and status lines on disk, once, for all consumers: the
// alert log and every output read the same records, each with a cursor of its own. A
// record is on disk before a consumer gets it, so that no kill of this program loses
// one; Sync says what a power failure may cost.
//
// While the disk cannot be written or does not answer, records are delivered from
// memory, which is bounded. What is lost, to damage, for want of room or with the
// memory, is counted for each consumer that missed it.
package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/finding"
)

// Sync says what a power failure may cost. It is the configuration's key sync, and
// its documentation stands there.
type Sync string

// The values of Sync; "" is SyncSecond.
const (
	SyncNever  Sync = "never"
	SyncSecond Sync = "1s"
	SyncAlways Sync = "always"
)

const (
	segmentSuffix = ".segment"
	cursorSuffix  = ".cursor"
	// keepBad is how many damaged segments are kept, for whoever wants to look.
	keepBad = 4
	// A segment has a sixteenth of the smallest limit of a cursor, within these.
	minSegment = 256 << 10
	maxSegment = 16 << 20
	// maxMemory bounds the records that the disk has not taken, maxTail those that
	// are kept besides so that they need not be read again, in bytes.
	maxMemory = 16 << 20
	maxTail   = 2 << 20
	// retryEvery is how often a disk that failed is tried again.
	retryEvery = time.Second
	// closeTime is how long Close waits for a disk that does not answer.
	closeTime = time.Second
	// lateAfter is how long consumers wait for a disk that does not answer, and
	// lateAlways that with SyncAlways.
	lateAfter  = 50 * time.Millisecond
	lateAlways = 5 * time.Second
)

// Options of a Journal.
type Options struct {
	Dir  string // made when it is missing
	Sync Sync
	// Report is told of trouble with the disk and of its end, once each: a word of the
	// agent's lines and a sentence. It may append to the journal. May be nil.
	Report func(status, msg string)
	Log    *slog.Logger
}

// Journal is an open journal. Its methods may be called concurrently, those of each
// Cursor by one goroutine at a time, but where they say otherwise.
type Journal struct {
	o Options

	mu       sync.Mutex // of o.Sync too; never held while the disk works
	segments []*segment // oldest first; the last one is written to, if active is open
	cursors  map[string]*Cursor
	tail     []*Record     // the last records, without a gap
	next     uint64        // number of the record that comes next
	written  uint64        // all before this number are on disk, or given up
	visible  uint64        // all before this number may be read
	kept     int64         // bytes of tail that are on disk
	keep     uint64        // records from this number on are kept for Replay
	more     chan struct{} // closed and replaced when visible grows
	stats    Stats
	unsynced []*os.File // finished segments that are to be synced and closed
	newNames bool       // the folder is to be synced
	dirty    bool       // something is to be synced

	// Of the goroutine that writes.
	active *os.File
	broken bool // what stands behind the active segment's size is not known
	// reservedTo is up to which size the active segment has its room.
	reservedTo int64
	buf        []byte

	syncing    sync.Mutex // held for a sync
	unsyncable finding.Trouble
	unwritable finding.Trouble
	wake       chan struct{}
	quit       chan struct{}
	running    sync.WaitGroup
}

// Stats says how the journal is doing. Counts are since Open.
type Stats struct {
	Bytes    int64  // on disk
	Waiting  int64  // bytes in memory that are not on disk
	Appended uint64 // records
	Memory   uint64 // records that were delivered from memory before the disk took them
	Evicted  uint64 // records that never reached the disk
	Damaged  uint64 // records that are lost to damage or to a power failure
	Errors   uint64 // attempts to write or to sync that failed
	// Write says why the disk cannot be written, "" where it can; Late that it does not
	// answer. Damage names what was set aside at the start.
	Write  string
	Late   bool
	Damage []string
}

// Open reads what is there, all of it: its damage and what each cursor has to
// deliver are known when it returns. A folder that cannot be written is no error:
// the journal works from memory until it can be.
func Open(o Options) (*Journal, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	j := &Journal{
		o: o, next: 1, cursors: map[string]*Cursor{}, more: make(chan struct{}),
		wake: make(chan struct{}, 1), quit: make(chan struct{}),
		unsyncable: finding.Trouble{
			Fails: "data_dir cannot be synced", Costs: "a power failure could lose hits that wait", Again: "data_dir can be synced again",
			Report: o.Report, Log: o.Log,
		},
		unwritable: finding.Trouble{
			Fails:  "data_dir cannot be written",
			Costs:  fmt.Sprintf("hits are delivered from memory (%d MB), and a crash would lose those that wait", maxMemory>>20),
			Report: o.Report, Log: o.Log,
		},
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		o.Log.Warn("the journal's folder cannot be made", "err", err)
	}
	file.Sweep(o.Dir)
	if err := j.recover(); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	j.written, j.visible = j.next, j.next
	j.running.Go(j.write)
	j.running.Go(j.syncEverySecond)
	return j, nil
}

func (j *Journal) path(first uint64) string {
	return filepath.Join(j.o.Dir, fmt.Sprintf("%020d%s", first, segmentSuffix))
}

// SetSync changes what a power failure may cost.
func (j *Journal) SetSync(s Sync) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.o.Sync = s
}

// Stats returns how the journal is doing now. It may be called by anyone.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.stats
	s.Bytes = j.behind(0)
	return s
}

// Next returns the number that the next record will have.
func (j *Journal) Next() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next
}

// Settle waits until consumers may read all that was appended so far: a moment,
// unless ctx ends.
func (j *Journal) Settle(ctx context.Context) error {
	return j.await(ctx, func() (bool, error) { return j.visible >= j.next, nil })
}

// Flush waits until all that was appended so far is on disk, as far as SetSync
// asks for. It is an error when the disk cannot be written.
func (j *Journal) Flush(ctx context.Context) error {
	if err := j.Written(ctx); err != nil || j.Mode() == SyncNever {
		return err
	}
	return j.syncNow()
}

// Written waits until no kill of this program can lose what was appended so far. It
// is an error when the disk cannot be written.
func (j *Journal) Written(ctx context.Context) error {
	end := j.Next()
	return j.await(ctx, func() (bool, error) {
		if j.stats.Write != "" && j.written < end {
			return false, errors.New(j.stats.Write)
		}
		return j.written >= end, nil
	})
}

// Mode returns what SetSync has set last.
func (j *Journal) Mode() Sync {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.o.Sync
}

// await waits for done, which is called with mu held.
func (j *Journal) await(ctx context.Context, done func() (bool, error)) error {
	for {
		j.mu.Lock()
		ok, err := done()
		more := j.more
		j.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-more:
		case <-time.After(lateAfter): // not all that it may look at closes more
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close writes what is in memory, syncs and closes. Nothing else may be called any
// more but Stats. It is an error when records that somebody still wants are lost.
func (j *Journal) Close(ctx context.Context) error {
	errs := []error{j.Flush(ctx)}
	close(j.quit)
	ended := make(chan struct{})
	go func() {
		j.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(closeTime): // whoever called may have waited long already
		return errors.New("journal: the disk does not answer")
	}
	lost := 0
	j.mu.Lock()
	for _, r := range j.unwritten() {
		if j.anyWants(r) {
			lost++
		}
	}
	j.mu.Unlock()
	if lost > 0 {
		errs = append(errs, fmt.Errorf("%d records are lost: they were in memory only, and not all outputs have them", lost))
	}
	for _, f := range append(j.unsynced, j.active) {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	for _, c := range j.cursors {
		if c.file != nil {
			_ = c.file.Close() // every write said what became of it
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// anyWants reports whether a cursor has still to take r. mu is held.
func (j *Journal) anyWants(r *Record) (wants bool) {
	j.each(r, func(c *Cursor) { wants = wants || c.at <= r.Seq })
	return wants
}
