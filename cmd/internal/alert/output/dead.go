package output

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	// minDead is the least size at which the file of dead letters makes room.
	minDead  = 1 << 20
	deadName = "dead.ndjson"
	// replayName is what dead letters are called while they are replayed.
	replayName = "replay.ndjson"
)

// dead keeps dead letters: one hit as JSON a line, with why it is one under the
// key dead. Two files are kept, each of an eighth of the spool at most.
type dead struct {
	out   *Output
	mu    sync.Mutex
	dirty bool // there are letters that are not synced

	letters int    // in the files as they were seen
	seen    string // their sizes and times
}

// path returns the path of a file of the dead letters, and how large it may become.
func (d *dead) path(name string) (path string, most int64) {
	o := d.out.opts()
	return filepath.Join(o.Dir, name), max(int64(o.Spool)/8, minDead)
}

// reason is what a dead letter says besides its hit.
type reason struct {
	Time  time.Time `json:"time"`
	Why   string    `json:"why"`
	Tries uint32    `json:"tries,omitempty"`
}

// add appends a letter. It returns how many old ones had to make room.
func (d *dead) add(payload []byte, why string, tries uint32) (lost int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	line := deadLine(payload, reason{time.Now().UTC(), why, tries})
	path, most := d.path(deadName)
	err = os.MkdirAll(filepath.Dir(path), 0o700)
	if info, statErr := os.Stat(path); err == nil && statErr == nil && info.Size()+int64(len(line)) > most {
		old := countLines(path + ".1")
		if err = file.Move(path, path+".1"); err == nil {
			lost = old
		}
	}
	if err == nil {
		d.dirty = true
		err = appendLine(path, line)
	}
	if err != nil {
		return lost, fmt.Errorf("dead letter: %w", err)
	}
	return lost, nil
}

// sync brings the letters to the disk, before the journal forgets their hits.
func (d *dead) sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.dirty {
		return nil
	}
	path, _ := d.path(deadName)
	f, err := os.Open(path)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	d.dirty = err != nil
	return err
}

// deadLine is payload, a JSON object, with the reason as its last key; what is no
// object is kept as a string. Neither a string nor a reason can fail to be JSON.
func deadLine(payload []byte, r reason) []byte {
	if payload = bytes.TrimSpace(payload); !json.Valid(payload) || len(payload) < 3 || payload[0] != '{' {
		text, _ := json.Marshal(string(payload))
		payload = fmt.Appendf(nil, `{"unreadable":%s}`, text)
	}
	why, _ := json.Marshal(r)
	return fmt.Appendf(nil, "%s,\"dead\":%s}\n", payload[:len(payload)-1], why)
}

// letterFiles are in the order of their replay: what a crash or a full spool left of one
// comes first.
var letterFiles = [...]string{replayName, deadName + ".1", deadName}

// Letters counts the dead letters in a folder, which it reads.
func Letters(dir string) (n int) {
	for _, name := range letterFiles {
		n += countLines(filepath.Join(dir, name))
	}
	return n
}

// Letters counts the dead letters, which it reads only where they have changed.
func (out *Output) Letters() int {
	d := &out.dead
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := ""
	for _, name := range letterFiles {
		path, _ := d.path(name)
		if info, err := os.Stat(path); err == nil {
			seen += fmt.Sprint(name, info.Size(), info.ModTime())
		}
	}
	if seen != d.seen {
		d.seen, d.letters = seen, Letters(out.opts().Dir)
	}
	return d.letters
}

func countLines(path string) (n int) {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	for {
		k, err := f.Read(buf)
		n += bytes.Count(buf[:k], []byte("\n"))
		if err != nil {
			return n
		}
	}
}

// Replayed says what ReplayDead did.
type Replayed struct {
	Replayed int `json:"replayed"` // hits that wait for delivery again
	Broken   int `json:"broken"`   // letters that are no hits; they are kept as broken.ndjson
}

// ReplayDead appends the dead letters to the journal again, as if they were new, for
// as long as spool has room. A crash amid it replays some twice.
func (out *Output) ReplayDead(ctx context.Context) (r Replayed, err error) {
	out.dead.mu.Lock()
	defer out.dead.mu.Unlock()
	replay, _ := out.dead.path(replayName)
	for _, name := range letterFiles {
		var f *os.File
		if path, _ := out.dead.path(name); path != replay {
			err = file.Move(path, replay)
		}
		if err == nil {
			f, err = os.Open(replay)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = nil
			continue
		case err == nil:
			err = errors.Join(out.replayFile(ctx, f, &r), f.Close())
		}
		if err != nil {
			return r, fmt.Errorf("replay: %w", err)
		}
	}
	return r, nil
}

// replayFile replays one file and removes it once its letters are in the journal;
// when it cannot be finished, what is left of it stays.
func (out *Output) replayFile(ctx context.Context, f *os.File, r *Replayed) (err error) {
	before := *r
	lines := bufio.NewReaderSize(f, 64<<10)
	var line []byte
	for err == nil {
		if line, err = readLine(lines); err == nil {
			err = out.replayLine(ctx, line, r)
		}
	}
	all := errors.Is(err, io.EOF)
	if all {
		err = nil
	} else {
		ctx = context.WithoutCancel(ctx) // its end may be the error
	}
	if flushed := out.opts().Journal.Flush(ctx); flushed != nil {
		*r = before
		return fmt.Errorf("%w; the dead letters are kept", errors.Join(err, flushed))
	}
	if all {
		return os.Remove(f.Name())
	}
	return errors.Join(fmt.Errorf("%w; %d hits are queued again, the rest stay dead letters", err, r.Replayed),
		keepRest(f.Name(), line, lines))
}

// flushEvery is how many letters are replayed before the disk is waited for.
const flushEvery = 1000

func (out *Output) replayLine(ctx context.Context, line []byte, r *Replayed) error {
	o := out.opts()
	var h hit.Hit
	if json.Unmarshal(line, &h) != nil {
		r.Broken++
		path, most := out.dead.path("broken.ndjson")
		if info, err := os.Stat(path); err == nil && info.Size()+int64(len(line)) >= most {
			return nil
		}
		return appendLine(path, append(line, '\n'))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.Replayed%flushEvery == 0 {
		if err := o.Journal.Flush(ctx); err != nil {
			return err
		}
		if _, bytes, _ := o.Journal.Waiting(CursorOf(o.Name)); bytes+flushEvery*int64(len(line)) > int64(o.Spool)*9/10 {
			return errors.New("more than 90 percent of the spool is in use already")
		}
	}
	if _, err := o.Journal.Append(&journal.Record{To: []string{CursorOf(o.Name)}, Hit: &h}); err != nil {
		return err
	}
	out.cond.count(func(c *condition) { c.stats.Accepted++ })
	r.Replayed++
	return nil
}

// readLine reads a line without its end. One longer than a letter can be is cut.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(line) <= 4<<20 {
			line = append(line, part...)
		}
		switch {
		case err == nil || errors.Is(err, io.EOF) && len(line) > 0:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// keepRest puts line and what in has left into the place of path.
func keepRest(path string, line []byte, in io.Reader) error {
	p, err := file.Create(path)
	if err != nil {
		return err // the whole file stays
	}
	defer p.Discard()
	if _, err := p.Write(append(line, '\n')); err != nil {
		return err
	}
	if _, err := io.Copy(p, in); err != nil {
		return err
	}
	return p.Commit()
}

// appendLine appends a line to a file, or nothing of it.
func appendLine(path string, line []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		if _, err = f.Write(line); err != nil {
			err = errors.Join(err, f.Truncate(info.Size()))
		}
	}
	return errors.Join(err, f.Close())
}
