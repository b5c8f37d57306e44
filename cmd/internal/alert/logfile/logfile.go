// Package logfile writes and rotates the file that OSSEC and Wazuh read: one
// line, one write(2), for each hit and each status.
//
// It is the output that must survive everything else. A full disk, a removed
// folder, a file that someone else rotates or that may not be written: nothing
// blocks the caller, lines wait in bounded memory, and what is lost is counted
// and said in the file itself. It never truncates or compresses a file, as the
// readers would lose lines by that.
package logfile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/flowhound/flowhound/plugin/hit"
)

// maxQueue bounds the bytes of lines that wait for the disk: some 40,000 hits.
const maxQueue = 16 << 20

// Options says what to write where.
type Options struct {
	Path    string       // its folder is made when missing, mode 0750
	Format  string       // "syslog", also when empty, or "json"
	MaxSize int64        // bytes at which the file is rotated; 0: never
	Keep    int          // rotated files that stay, Path.1 to Path.Keep; below 1 is 1, as readers finish Path.1
	Host    string       // in the header of syslog lines; empty: the system's name
	Log     *slog.Logger // nil: slog.Default
}

// Stats are counts since Open.
type Stats struct {
	Lines      uint64 // written
	Dropped    uint64 // lost for want of room, or after Close
	Errors     uint64 // attempts to write or to rotate that failed
	Rotations  uint64
	QueueDepth int  // lines that wait now
	Failing    bool // the last attempt to write failed
}

// File is the open log. Its methods may be called concurrently.
type File struct {
	format format
	log    *slog.Logger
	path   string

	wake chan struct{} // holds a token when lines wait
	stop chan struct{} // closed by Close
	done chan struct{} // closed by the writer when it has ended

	mu     sync.Mutex
	queue  [][]byte
	queued int // bytes in queue
	closed bool
	lost   uint64 // lines dropped that the file does not tell of yet
	stats  Stats
}

// Open makes the file if it is missing, mode 0640, and starts to write it. Wrong
// options are an error; a place that cannot be written is not: that is said in
// o.Log and tried again until Close. Call Close when done.
func Open(o Options) (*File, error) {
	if o.Path == "" {
		return nil, errors.New("log.path is empty: name the file that OSSEC or Wazuh reads")
	}
	if o.Format != "" && o.Format != "syslog" && o.Format != "json" {
		return nil, fmt.Errorf("log.format is %q: use syslog or json", o.Format)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Host == "" {
		o.Host, _ = os.Hostname() // "" is printed as localhost
	}
	f := &File{
		format: format{json: o.Format == "json", host: o.Host, pid: os.Getpid()},
		log:    o.Log, path: o.Path,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	w := &writer{File: f, target: newTarget(o.Path, o.MaxSize, o.Keep)}
	w.report(w.target.ready()) // the file is there before Open returns, for readers that start now
	go w.run()
	return f, nil
}

// Hit queues a line for h and returns at once. The line's time is h.Time.
func (f *File) Hit(h *hit.Hit) { f.put(f.format.hit(h)) }

// Status queues a line for s and returns at once. The line's time is s.Time, or
// now when that is zero.
func (f *File) Status(s *hit.Status) { f.put(f.format.status(*s)) }

// put queues a line, or drops and counts it when there is no room.
func (f *File) put(line []byte, err error) {
	if err != nil {
		f.log.Error("A line for the alert log could not be made.", "err", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil || f.closed || f.queued+len(line) > maxQueue {
		f.stats.Dropped++
		f.lost++
		return
	}
	f.queue = append(f.queue, line)
	f.queued += len(line)
	select {
	case f.wake <- struct{}{}:
	default: // it is awake
	}
}

// Close writes what waits, tries nothing twice, and closes the file. It is an
// error when lines are lost by that, or when ctx ends first; the writer then ends
// as soon as the system lets go of it. Hits and statuses after Close are dropped.
func (f *File) Close(ctx context.Context) error {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.stop)
	}
	f.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
		return fmt.Errorf("alert log %s: closing: %w", f.path, ctx.Err())
	}
	if n := f.Stats().QueueDepth; n > 0 {
		return fmt.Errorf("alert log %s: %d lines could not be written before the end", f.path, n)
	}
	return nil
}

// Stats returns the counts so far.
func (f *File) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.QueueDepth = len(f.queue)
	return s
}
