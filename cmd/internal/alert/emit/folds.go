package emit

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/alert/throttle"
	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/finding"
)

const (
	badSuffix = ".bad"
	// showDamage is how long what was lost at the start counts as a problem.
	showDamage = time.Hour
	// formerJournal ends the path of what earlier versions kept beside the snapshot.
	formerJournal = ".journal"
)

// restore fills the table from the snapshot and the journal.
func (e *Emitter) restore() {
	for _, text := range e.d.Journal.Stats().Damage {
		e.damaged("%s", text)
	}
	file.SweepBeside(e.d.Folds)
	record := uint64(0)
	b, err := os.ReadFile(e.d.Folds)
	if err == nil {
		record, err = e.table.Restore(b)
	}
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, throttle.ErrVersion):
		e.d.Log.Info("repeats are folded anew", "why", err)
	default:
		e.damaged("%s: what it held of repeats is lost; it is kept as %s", err, e.d.Folds+badSuffix)
		_ = os.Rename(e.d.Folds, e.d.Folds+badSuffix)
	}
	e.said = record
	wrong := 0
	err = e.d.Journal.Replay(record+1, func(r *journal.Record) {
		if len(r.Said) > 0 && !e.table.Apply(r.Said) {
			wrong++
		}
		e.said = r.Seq
	})
	if err != nil {
		e.damaged("what was said since the last snapshot of the fold state cannot be read, and may be said again: %s", err)
	} else if wrong > 0 {
		e.damaged("%d changes of the fold state cannot be read: those lines may be said again", wrong)
	}
	e.d.Journal.Keep(record + 1)
	e.table.Settle(time.Now())
	_ = os.Remove(e.d.Folds + formerJournal)
	e.publish()
}

// snapshot has the table saved, unless the last one is still being saved.
func (e *Emitter) snapshot() {
	if e.saver.failed.Swap(false) {
		e.table.Unsaved()
	}
	if e.saver.busy.Load() {
		return
	}
	if b := e.table.Snapshot(e.said); b != nil {
		e.saver.busy.Store(true)
		e.saver.todo <- saved{b, e.said}
	}
}

// saver is the goroutine that keeps snapshots, so that no disk holds up a hit.
type saver struct {
	d    Dependencies
	todo chan saved
	done chan struct{}

	busy, failed atomic.Bool
	errors       atomic.Uint64

	failing finding.Trouble

	mu    sync.Mutex
	lost  []string // at the start
	since time.Time
}

// saved is a snapshot and the number of the last record that it holds.
type saved struct {
	snapshot []byte
	record   uint64
}

func (s *saver) start() {
	s.todo, s.done = make(chan saved, 1), make(chan struct{})
	go func() {
		defer close(s.done)
		for x := range s.todo {
			if err := s.save(context.Background(), x); err != nil {
				s.failed.Store(true)
			}
			s.busy.Store(false)
		}
	}()
}

// save keeps a snapshot, once the lines that it has said are in the journal: it is
// never ahead of them.
func (s *saver) save(ctx context.Context, x saved) error {
	err := s.d.Journal.Flush(ctx)
	if err == nil {
		err = file.Replace(s.d.Folds, x.snapshot, 0o600)
	}
	if err != nil {
		s.errors.Add(1)
	} else {
		s.d.Journal.Keep(x.record + 1)
	}
	switch began, ended := s.failing.Note(err); {
	case began:
		s.d.Log.Error("the fold state cannot be saved", "err", err)
		s.d.Say("error", "the fold state cannot be saved: "+err.Error()+"; a crash now would lose counts that are held")
	case ended:
		s.d.Log.Info("the fold state is saved again")
		s.d.Say("alive", "the fold state is saved again")
	}
	return err
}

// stop waits for the snapshot that is being kept.
func (s *saver) stop(ctx context.Context) error {
	close(s.todo)
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *saver) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost, s.since = append(s.lost, text), time.Now()
}

// lostAtStart returns what could not be read at the start, for an hour.
func (s *saver) lostAtStart() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.since) > showDamage {
		return nil
	}
	return s.lost
}
