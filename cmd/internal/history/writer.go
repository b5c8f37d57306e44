// Package history keeps the flows on disk. (A trial of its place in the house: how
// flows come in and how a source learns that they are safe; not of its format.)
package history

import (
	"context"
	"encoding/binary"
	"os"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow/lane"
)

// Writer writes the flows of its lanes, on one goroutine.
type Writer struct {
	file  *os.File
	lanes []*lane.Lane
	asked chan chan error
	err   error
	buf   []byte
}

// New returns a Writer to file that does nothing until Run.
func New(file *os.File) *Writer { return &Writer{file: file, asked: make(chan chan error)} }

// Lane returns the way in of one worker, as a stage.Sink. All are made before Run.
func (w *Writer) Lane(blocks int, wait bool) *lane.Lane {
	l := lane.New(blocks, wait)
	w.lanes = append(w.lanes, l)
	return l
}

// Run writes until ctx ends.
func (w *Writer) Run(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.take()
		case done := <-w.asked:
			w.take()
			if w.err == nil {
				w.err = w.file.Sync()
			}
			done <- w.err
		}
	}
}

func (w *Writer) take() {
	for _, l := range w.lanes {
		l.Take(func(b *lane.Block) {
			w.buf = w.buf[:0]
			for i := range b.Records {
				w.buf = binary.LittleEndian.AppendUint64(w.buf, b.Records[i].Bytes)
			}
			l.Done(b)
			if _, err := w.file.Write(w.buf); err != nil && w.err == nil {
				w.err = err
			}
		})
	}
}

// Sync returns once all flows are on disk whose worker has come out of Flows: a source
// that can be asked again (Kafka) acknowledges what it has given after that.
func (w *Writer) Sync(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case w.asked <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
