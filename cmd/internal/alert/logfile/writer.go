package logfile

import (
	"fmt"
	"os"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	// retryEvery is how long a failed write waits for the next try.
	retryEvery = time.Second
	// lookEvery is how often an idle file is looked after: a reader that starts
	// while the file is missing ignores it from then on.
	lookEvery = time.Minute
	// The cursor is saved a second after a line, and sooner after ackBytes: far less
	// than a start reads of the file to find the lines that are there already.
	ackEvery = time.Second
	ackBytes = 256 << 10
)

// writer is the goroutine that takes lines from the journal to the target. Nothing
// else touches the target.
type writer struct {
	*File
	format    format
	target    *target
	record    *journal.Record // taken and not written
	start     uint64          // number of the first record of this start
	recalled  bool            // it is known what the file holds of those before
	confessed uint64          // lines lost that the file tells of

	// Written and not acknowledged: up to which record, how many bytes, since when.
	written uint64
	bytes   int
	since   time.Time
}

// configure takes over the settings that Apply has set.
func (w *writer) configure() {
	c := w.config.Load()
	host := c.Hostname
	if host == "" {
		host, _ = os.Hostname() // "" is printed as localhost
	}
	w.format = format{json: c.Format == JSON, host: host, pid: os.Getpid()}
	if w.target == nil || w.target.path != c.Path {
		w.close()
		w.target = newTarget(c.Path)
	}
	w.target.maxSize, w.target.keep = int64(c.MaxSize), max(c.Keep, 1)
}

// run writes until Stop.
func (w *writer) run() {
	defer close(w.done)
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		err := w.write()
		wake, pause := w.cursor.Wait(), lookEvery
		if err != nil {
			wake, pause = nil, retryEvery // new lines change nothing
		} else if w.unacked.Load() > 0 {
			pause = ackEvery
		}
		timer.Reset(pause)
		select {
		case <-wake:
		case <-timer.C:
		case <-w.changed:
			w.configure()
		case <-w.stop:
			w.configure()
			_ = w.write() // what is left, once; it is said
			w.close()
			w.cursor.Close()
			return
		}
		if time.Since(w.since) >= ackEvery {
			w.ack()
		}
	}
}

// write writes what waits, and looks after the file also when nothing does.
func (w *writer) write() error {
	err := w.target.ready()
	if err == nil {
		err = w.drain()
	}
	w.note(&w.failing, err)
	return err
}

// note counts an error, and has its beginning and its end said.
func (w *writer) note(t *finding.Trouble, err error) {
	if err != nil {
		w.errors.Add(1)
	}
	t.Note(err)
}

// drain writes all lines that wait, and how many were lost before.
func (w *writer) drain() error {
	if !w.recalled {
		if err := w.recall(); err != nil {
			return err
		}
	}
	for {
		if w.record == nil {
			r, err := w.cursor.Next()
			if err != nil {
				return err
			}
			w.record = r
		}
		if err := w.confess(); err != nil {
			return err
		}
		r := w.record
		if r == nil || r.Seq >= w.start {
			w.caught()
		}
		if r == nil {
			return nil
		}
		line, err := w.format.line(r)
		if err != nil {
			w.d.Log.Error("a line for the alert log could not be formatted", "err", err)
			w.lost.Add(1)
			line = nil
		} else if err := w.put(line); err != nil {
			return err
		}
		w.record = nil
		w.passed(r, line)
	}
}

// caught says that the lines of before the start are written.
func (w *writer) caught() {
	select {
	case <-w.caughtUp:
	default:
		if n := w.late.Load(); n > 0 {
			w.d.Log.Info("lines that waited for this start are in the alert log now", "lines", n)
		}
		close(w.caughtUp)
	}
}

// passed notes that r is done with; line is nil when it makes none.
func (w *writer) passed(r *journal.Record, line []byte) {
	if line != nil {
		w.lines.Add(1)
		if r.Seq < w.start {
			w.late.Add(1)
		}
	}
	if w.unacked.Add(1) == 1 {
		w.since = time.Now()
	}
	w.written = r.Seq
	w.bytes += len(line)
	if w.bytes >= ackBytes || time.Since(w.since) >= ackEvery {
		w.ack()
	}
}

// ack lets the cursor know what is written, once it is as safe as the journal is.
func (w *writer) ack() {
	if w.unacked.Load() == 0 {
		return
	}
	w.sync()
	w.cursor.Ack(w.written)
	w.bytes = 0
	w.unacked.Store(0)
}

// sync brings the file to the disk, where the journal is.
func (w *writer) sync() {
	if w.d.Journal.Mode() != journal.SyncNever && w.target.file != nil {
		w.note(&w.unsynced, w.target.sync())
	}
}

// confess writes a line that tells how many are missing.
func (w *writer) confess() error {
	lost := w.Stats().Lost
	if lost == w.confessed {
		return nil
	}
	why := "the alert log could not be written for too long"
	switch _, _, lost := w.d.Journal.Waiting(Cursor); {
	case lost.Damaged > 0:
		why = "the journal in data_dir was damaged"
	case lost.Memory > 0:
		why = "neither the alert log nor data_dir could be written, and memory was full"
	}
	line, err := w.format.line(&journal.Record{At: time.Now(), Status: &hit.Status{
		Part: hit.Agent, Status: "dropping",
		Msg: fmt.Sprintf("%d lines lost before this one: %s", lost-w.confessed, why),
	}})
	if err == nil {
		err = w.put(line)
	}
	if err == nil {
		w.confessed = lost
	}
	return err
}

// put writes one line, in a new file where the old one is full.
func (w *writer) put(line []byte) error {
	err := w.target.ready()
	if err == nil && w.target.due(len(line)) {
		w.sync()
		moved := w.target.rotate()
		if moved == nil {
			w.rotations.Add(1)
		}
		w.note(&w.unmoving, moved) // the old one grows on, and the next try comes after minRotation
		err = w.target.ready()
	}
	if err != nil {
		return err
	}
	return w.target.write(line)
}

// close acknowledges what is written and closes the file.
func (w *writer) close() {
	if w.target == nil {
		return
	}
	w.ack()
	w.target.close()
}
