package logfile

import (
	"fmt"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
)

// retryEvery is how long a failed write waits for the next try.
const retryEvery = time.Second

// lookEvery is how often an idle file is looked after: a reader that starts
// while the file is missing ignores it from then on.
const lookEvery = time.Minute

// writer is the goroutine that takes lines from a File to its target. Nothing
// else touches the target.
type writer struct {
	*File
	target  *target
	failing bool // the last write failed, and that was said
	growing bool // the last rotation failed, and that was said
}

// run writes until Close.
func (w *writer) run() {
	defer close(w.done)
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		err := w.target.ready() // also when no line waits
		if err == nil {
			err = w.drain()
		}
		w.report(err)

		wake, pause := w.wake, lookEvery
		if err != nil {
			wake, pause = nil, retryEvery // new lines do not mend it
		}
		timer.Reset(pause)
		select {
		case <-wake:
		case <-timer.C:
		case <-w.stop:
			w.last()
			return
		}
	}
}

// drain writes all lines that wait, and then how many were lost before.
func (w *writer) drain() error {
	for {
		w.mu.Lock()
		lost := w.lost
		var line []byte
		if len(w.queue) > 0 {
			line = w.queue[0]
		}
		w.mu.Unlock()

		switch {
		case line != nil:
			if err := w.write(line); err != nil {
				return err
			}
			w.mu.Lock()
			w.queue[0] = nil
			w.queue = w.queue[1:]
			w.queued -= len(line)
			w.mu.Unlock()
		case lost > 0:
			if err := w.confess(lost); err != nil {
				return err
			}
			w.mu.Lock()
			w.lost -= lost
			w.mu.Unlock()
		default:
			return nil
		}
	}
}

// confess writes a line that tells how many are missing.
func (w *writer) confess(lost uint64) error {
	line, err := w.format.status(hit.Status{
		Part: hit.Agent, Status: "dropping",
		Msg: fmt.Sprintf("%d lines lost before this one: the alert log could not be written", lost),
	})
	if err != nil {
		return err
	}
	return w.write(line)
}

func (w *writer) write(line []byte) error {
	if err := w.target.ready(); err != nil {
		return err
	}
	if w.target.due(len(line)) {
		w.rotate()
		if err := w.target.ready(); err != nil {
			return err
		}
	}
	if err := w.target.write(line); err != nil {
		return err
	}
	w.count(func(s *Stats) { s.Lines++ })
	return nil
}

// rotate starts a new file. When that fails the old one grows on, and the next
// try comes after minRotation.
func (w *writer) rotate() {
	err := w.target.rotate()
	if err == nil {
		w.count(func(s *Stats) { s.Rotations++ })
	} else {
		w.count(func(s *Stats) { s.Errors++ })
		if !w.growing {
			w.log.Error("The alert log cannot be rotated and grows.", "path", w.path, "err", err)
		}
	}
	w.growing = err != nil
}

// report counts an error, and says the first of a row and its end.
func (w *writer) report(err error) {
	if err != nil {
		w.count(func(s *Stats) { s.Errors++ })
	}
	if failing := err != nil; failing != w.failing {
		w.failing = failing
		w.count(func(s *Stats) { s.Failing = failing })
		if failing {
			w.log.Error("The alert log cannot be written; alerts wait in memory; when that is full, new ones are dropped and counted.",
				"path", w.path, "room_bytes", maxQueue, "err", err)
		} else {
			w.log.Info("The alert log is written again.", "path", w.path)
		}
	}
}

// last writes what is left, once, and closes the file.
func (w *writer) last() {
	w.report(w.drain())
	w.target.close()
	w.count(func(s *Stats) { s.Dropped += uint64(len(w.queue)) })
}

func (w *writer) count(change func(*Stats)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.stats)
}
