package throttle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/file"
)

const (
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
		record, err = e.table.restore(b)
	}
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, errVersion):
		e.d.Log.Info("the fold state is not used; folding starts from nothing", "why", err)
	default:
		e.damaged("%s: what it held of repeats is lost; it is kept as %s", err, file.SetAside(e.d.Folds))
	}
	e.said = record
	wrong := 0
	err = e.d.Journal.Replay(record+1, func(r *journal.Record) {
		if len(r.Said) > 0 && !e.table.apply(r.Said) {
			wrong++
		}
		e.said = r.Seq
	})
	if err != nil {
		e.damaged("lines written since the last snapshot of the fold state cannot be read, and may be repeated: %s", err)
	} else if wrong > 0 {
		e.damaged("%d changes of the fold state cannot be read: those lines may be repeated", wrong)
	}
	e.d.Journal.Keep(record + 1)
	e.table.settle(time.Now())
	_ = os.Remove(e.d.Folds + formerJournal)
	e.publish()
}

// snapshot has the table saved, unless the last one is still being saved: beside the
// goroutine, so that no disk holds up a hit.
func (e *Emitter) snapshot() {
	if e.saving {
		return
	}
	if b, record := e.table.snapshot(e.said), e.said; b != nil {
		e.saving = true
		go func() { e.saved <- e.save(context.Background(), b, record) }()
	}
}

// keep takes what became of a snapshot.
func (e *Emitter) keep(err error) {
	if e.saving = false; err != nil {
		e.table.changed = true
	}
}

// save keeps a snapshot that holds all up to a record, once the lines that it has said
// are in the journal: it is never ahead of them.
func (e *Emitter) save(ctx context.Context, snapshot []byte, record uint64) error {
	err := e.d.Journal.Flush(ctx)
	if err == nil {
		err = file.Replace(e.d.Folds, snapshot, 0o600)
	}
	if err == nil {
		e.d.Journal.Keep(record + 1)
	} else {
		e.saveErrors.Add(1)
	}
	e.unsaved.Note(err)
	return err
}

// saveLast keeps the table as it is at the end.
func (e *Emitter) saveLast(ctx context.Context) error {
	if e.saving {
		select {
		case err := <-e.saved:
			e.keep(err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if b := e.table.snapshot(e.said); b != nil {
		return e.save(ctx, b, e.said)
	}
	return nil
}

// damaged notes what could not be read at the start, and says it.
func (e *Emitter) damaged(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	e.mu.Lock()
	e.damage, e.damagedAt = append(e.damage, text), time.Now()
	e.mu.Unlock()
	e.d.Log.Error(text)
	e.d.Report("error", text)
}
