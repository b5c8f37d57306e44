package history

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

// trouble is a kind of what goes wrong with a disk. Each is said when it begins and when
// it ends, and stands in /healthz, status and doctor meanwhile.
type trouble int

const (
	notKept trouble = iota // flows are dropped, though they should be kept
	notFiled
	notTidy
	troubles
)

// over is what is said when a trouble ends.
var over = [troubles]string{
	notKept:  "flows are kept again; those that arrived in between are counted as dropped",
	notFiled: "files are written again",
	notTidy:  "files are kept in order again",
}

// findTroubles lists what is wrong now.
func (h *History) findTroubles(l *finding.List) (found bool) {
	before := len(*l)
	for kind := range h.trouble {
		h.trouble[kind].Find(l.Bad, "")
	}
	return len(*l) > before
}

// openTrouble says why the data set cannot be opened.
func openTrouble(dir string, err error) error {
	switch {
	case errors.Is(err, dataset.ErrLocked):
		return fmt.Errorf("history: no flows are kept, because another process writes %s; stop it, or set another history.dir", dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("history: no flows are kept, because %s may not be written (%w); run: chown -R flowhound %s", dir, err, dir)
	}
	return diskTrouble("no flows are kept", dir, err)
}

// diskTrouble says what is wrong with the disk, and what to do.
func diskTrouble(what, dir string, err error) error {
	switch {
	case file.IsFull(err):
		return fmt.Errorf("history: %s, because the disk of %s is full; make room, or lower history.max_size", what, dir)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("history: %s, because %s may not be written: %w", what, dir, err)
	}
	return fmt.Errorf("history: %s: %w", what, err)
}
