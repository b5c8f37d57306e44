package logfile

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
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
	config    Config
	format    format
	target    *target
	record    *journal.Record // taken and not written
	start     uint64          // number of the first record of this start
	recalled  bool            // it is known what the file holds of those before
	confessed uint64          // lines lost that the file tells of
	growing   bool            // the last rotation failed, and that was said
}

func (w *writer) configure(c Config) {
	w.config = c
	if c.Hostname == "" {
		c.Hostname, _ = os.Hostname() // "" is printed as localhost
	}
	w.format = format{json: c.Format == JSON, host: c.Hostname, pid: os.Getpid()}
	if w.target == nil || w.target.path != c.Path {
		w.close()
		w.target = newTarget(c.Path, int64(c.MaxSize), c.Keep)
	}
	w.target.maxSize, w.target.keep = int64(c.MaxSize), max(c.Keep, 1)
}

// run writes until Stop.
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

		wake, pause := w.cursor.Wait(), lookEvery
		if err != nil {
			wake, pause = nil, retryEvery // new lines change nothing
		} else if w.acked.lines > 0 {
			pause = ackEvery
		}
		timer.Reset(pause)
		select {
		case <-wake:
		case <-timer.C:
		case c := <-w.configs:
			w.configure(c)
		case <-w.stop:
			w.last()
			return
		}
		if w.acked.lines > 0 && time.Since(w.acked.since) >= ackEvery {
			w.ack()
		}
	}
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
			w.d.Log.Error("a line for the alert log could not be made", "err", err)
			w.count(func(s *Stats) { s.Lost++ })
			line = nil
		} else if err := w.write(line); err != nil {
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
		if n := w.Stats().Late; n > 0 {
			w.d.Log.Info("lines that waited for this start are in the alert log now", "lines", n)
		}
		close(w.caughtUp)
	}
}

// passed notes that r is done with; line is nil when it makes none.
func (w *writer) passed(r *journal.Record, line []byte) {
	w.mu.Lock()
	if line != nil {
		w.stats.Lines++
	}
	if line != nil && r.Seq < w.start {
		w.stats.Late++
	}
	if w.acked.lines == 0 {
		w.acked.since = time.Now()
	}
	w.acked.seq = r.Seq
	w.acked.lines++
	w.acked.bytes += len(line)
	full := w.acked.bytes >= ackBytes || time.Since(w.acked.since) >= ackEvery
	w.mu.Unlock()
	if full {
		w.ack()
	}
}

// ack lets the cursor know what is written, once it is as safe as the journal is.
func (w *writer) ack() {
	w.sync()
	w.cursor.Ack(w.acked.seq)
	w.mu.Lock()
	w.acked = position{}
	w.mu.Unlock()
}

// sync brings the file to the disk, where the journal is.
func (w *writer) sync() {
	if w.d.Journal.Mode() == journal.SyncNever || w.target.file == nil {
		return
	}
	text := ""
	if err := w.target.sync(); err != nil {
		text = err.Error()
	}
	before := w.Stats().Unsynced
	w.count(func(s *Stats) {
		s.Unsynced = text
		if text != "" {
			s.Errors++
		}
	})
	switch {
	case before == "" && text != "":
		w.d.Log.Error("the alert log cannot be synced", "path", w.config.Path, "err", text)
		w.d.Say("error", "the alert log cannot be synced: "+text+"; a power failure could lose lines")
	case before != "" && text == "":
		w.d.Log.Info("the alert log can be synced again", "path", w.config.Path)
		w.d.Say("alive", "the alert log can be synced again")
	}
}

// confess writes a line that tells how many are missing.
func (w *writer) confess() error {
	lost := w.Stats().Lost
	if lost == w.confessed {
		return nil
	}
	line, err := w.format.status(hit.Status{
		Part: hit.Agent, Status: "dropping",
		Msg: fmt.Sprintf("%d lines lost before this one: %s", lost-w.confessed, w.why()),
	})
	if err == nil {
		err = w.write(line)
	}
	if err == nil {
		w.confessed = lost
	}
	return err
}

// why says what lines are lost to.
func (w *writer) why() string {
	switch _, _, lost := w.d.Journal.Waiting(Cursor); {
	case lost.Damaged > 0:
		return "the journal in data_dir was damaged"
	case lost.Memory > 0:
		return "neither the alert log nor data_dir could be written, and memory was full"
	}
	return "the alert log could not be written for too long"
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
	return w.target.write(line)
}

// rotate starts a new file. When that fails the old one grows on, and the next
// try comes after minRotation.
func (w *writer) rotate() {
	w.sync()
	err := w.target.rotate()
	if err == nil {
		w.count(func(s *Stats) { s.Rotations++ })
	} else {
		w.count(func(s *Stats) { s.Errors++ })
		if !w.growing {
			w.d.Log.Error("The alert log cannot be rotated and grows.", "path", w.config.Path, "err", err)
		}
	}
	w.growing = err != nil
}

// report counts an error, and says the first of a row and its end.
func (w *writer) report(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	before := w.Stats().Failing
	w.count(func(s *Stats) {
		s.Failing = text
		if err != nil {
			s.Errors++
		}
	})
	switch {
	case before == "" && text != "":
		w.d.Log.Error("The alert log cannot be written; its lines wait in the journal.", "path", w.config.Path, "err", err)
	case before != "" && text == "":
		w.d.Log.Info("The alert log is written again.", "path", w.config.Path)
	}
}

// last writes what is left, once, and closes the file.
func (w *writer) last() {
	select {
	case c := <-w.configs:
		w.configure(c)
	default:
	}
	err := w.target.ready()
	if err == nil {
		err = w.drain()
	}
	w.report(err)
	w.close()
	w.cursor.Close()
}

// close acknowledges what is written and closes the file.
func (w *writer) close() {
	if w.target == nil {
		return
	}
	if w.acked.lines > 0 {
		w.ack()
	}
	w.target.close()
}

func (w *writer) count(change func(*Stats)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.stats)
}

// errNothing is of a record that is neither a hit nor a status: a later version's.
var errNothing = errors.New("the journal's record is neither a hit nor a status")

// line makes the line of a record.
func (f format) line(r *journal.Record) ([]byte, error) {
	switch {
	case r.Hit != nil:
		return f.hit(r.Hit)
	case r.Status != nil:
		s := *r.Status
		if s.Time.IsZero() {
			s.Time = r.At
		}
		return f.status(s)
	}
	return nil, errNothing
}
