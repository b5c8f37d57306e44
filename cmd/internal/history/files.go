package history

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/cmd/internal/history/wal"
	"github.com/flowhound/flowhound/cmd/internal/priority"
)

// tidyEvery is how often hours are compacted and old files expire.
const tidyEvery = time.Minute

// files makes files of segments that are complete, those that an earlier run has left
// first, and tidies up. What the disk does not take is tried again.
func (r *run) files(w *dataset.Writer, old []uint64) {
	priority.Lower(priority.Lowest)
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	var segments []sealed
	for _, number := range old {
		segments = append(segments, sealed{number: number})
	}
	tidy := true
	var asked []chan error // by whom segments are waited for
	for {
		for more := true; more; { // those that were complete before somebody asked
			select {
			case s, ok := <-r.sealed:
				if more = ok; ok {
					segments = append(segments, s)
				}
			default:
				more = false
			}
		}
		for len(segments) > 0 && r.ctx.Err() == nil {
			if err := r.file(w, segments); err != nil {
				r.h.trouble[notFiled].Note(diskTrouble("files cannot be written", w.Dir, err))
				retry.Reset(retryEvery)
				answer(asked, err)
				asked = nil
				break
			}
			segments = segments[1:]
		}
		if len(segments) == 0 {
			r.h.trouble[notFiled].Note(nil)
			answer(asked, nil)
			asked = nil
		}
		if tidy && r.ctx.Err() == nil {
			r.forget(w)
			r.tidyUp(w, len(segments) == 0)
		}
		tidy = false
		select {
		case s, ok := <-r.sealed:
			if !ok || r.ctx.Err() != nil {
				return
			}
			segments = append(segments, s)
		case done := <-r.filed:
			asked = append(asked, done)
		case <-retry.C:
		case <-tick.C:
			tidy = true
		case <-r.tidy:
			tidy = true
		}
	}
}

// forget lets go of the memory of a busy interval, which tidying may need.
func (r *run) forget(w *dataset.Writer) {
	w.FreeMemory()
	for range len(r.memory) {
		b := <-r.memory
		b.free()
		r.memory <- b
	}
}

// file makes files of the first of segments, and removes it.
func (r *run) file(w *dataset.Writer, segments []sealed) error {
	s := &segments[0]
	path := wal.Path(dataset.LogDir(w.Dir), s.number)
	if s.records == nil {
		s.records = r.spare(segments)
		found, err := read(path, s.records)
		if err != nil || found.Records == 0 {
			r.giveBack(s)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case found.Lost > 0 && found.Records == 0:
			return w.SetAside(path, fmt.Errorf("no record in %d bytes", found.Lost))
		}
		s.damaged = found.Damaged
	}
	if s.records != nil {
		if err := w.Part(s.number, s.records.records); err != nil {
			return err
		}
		r.giveBack(s)
		if s.filling > late {
			w.FreeMemory()
		}
	}
	if s.damaged > 0 {
		return w.SetAside(path, fmt.Errorf("%d bytes hold no record; the flows of the others are kept", s.damaged))
	}
	return os.Remove(path)
}

// spare returns memory for the records of a segment that are not in memory: that of a
// segment whose turn comes later, if there is no other.
func (r *run) spare(segments []sealed) *buffer {
	select {
	case b := <-r.memory:
		return b
	default:
	}
	for i := len(segments) - 1; i > 0; i-- {
		if b := segments[i].records; b != nil {
			segments[i].records = nil
			b.reset()
			return b
		}
	}
	return r.reading
}

// How long a segment may take to fill for memory to be kept for the next one: soon that of
// its records, whose 50 MB take 12 ms of the processor when they are asked for anew; late
// that of making files, which is Go's garbage then.
const (
	soon = 2 * time.Second
	late = 30 * time.Second
)

// giveBack ends the use of a segment's memory.
func (r *run) giveBack(s *sealed) {
	b := s.records
	s.records = nil
	if b == r.reading || s.filling > soon {
		b.free()
	} else {
		b.reset()
	}
	if b != r.reading {
		r.memory <- b
	}
}

// read reads the records of a segment into memory.
func read(path string, to *buffer) (found wal.Found, err error) {
	f, _, err := file.Open(path)
	if err != nil {
		return found, err
	}
	defer func() { _ = f.Close() }()
	return wal.Read(f, func(records []flow.Record) error {
		to.records = append(to.records, records...)
		return nil
	})
}

// tidyUp compacts hours that are over, and removes what is too old or too much: the latter
// also while the disk is full, since it makes room.
func (r *run) tidyUp(w *dataset.Writer, compact bool) {
	c := r.h.config.Load()
	now := r.h.now()
	var why error
	if compact {
		if err := w.Tidy(r.ctx, now); err != nil {
			why = diskTrouble("files cannot be compacted", w.Dir, err)
		}
	}
	limits := dataset.Limits{Now: now, Keep: c.Keep, MaxSize: int64(c.MaxSize)}
	var quiet dataset.Quiet
	var err error
	if r.clock.last.IsZero() {
		if quiet, err = w.Quiet(now, max(c.Keep/2, day)); err != nil { // a network may be quiet for a night
			why = diskTrouble("old flows cannot be removed", w.Dir, err)
		}
	}
	r.clock.file = dataset.HoldPath(w.Dir)
	r.clock.look(now, time.Since(r.started), quiet, r.h.d.Report)
	r.h.held.Store(r.clock.held(now))
	if r.clock.held(now) != nil {
		limits.Now = time.Unix(0, 0) // nothing is old
	}
	gone, err := w.Expire(limits)
	if err != nil {
		why = diskTrouble("old flows cannot be removed", w.Dir, err)
	}
	if r.ctx.Err() == nil && (compact || why != nil) {
		r.h.trouble[notTidy].Note(why)
	}
	if gone.Files > 0 {
		r.h.d.Log.Info("history: old flows removed", "files", gone.Files, "flows", gone.Flows, "bytes", gone.Bytes)
	}
}
