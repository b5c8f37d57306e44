package journal

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

// syncEverySecond brings what was written to the disk, again and again.
func (j *Journal) syncEverySecond() {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-j.quit:
			return
		case <-every.C:
			_ = j.syncNow() // it is said
		}
	}
}

// syncNow brings to the disk what was written; with SyncNever it only closes the
// segments that are finished. What fails stays to be done.
func (j *Journal) syncNow() error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	if !j.dirty {
		j.mu.Unlock()
		return nil
	}
	finished, active, names, never := j.unsynced, j.active, j.newNames, j.o.Sync == SyncNever
	j.unsynced, j.newNames, j.dirty = nil, names && never, never
	j.mu.Unlock()
	var errs []error
	var failed []*os.File
	for _, f := range finished {
		err := error(nil)
		if !never {
			err = f.Sync()
		}
		if err != nil {
			failed = append(failed, f)
		} else {
			err = f.Close()
		}
		errs = append(errs, err)
	}
	if never {
		return nil // every write said what became of it
	}
	if active != nil {
		errs = append(errs, active.Sync())
	}
	if names {
		if err := file.SyncFolder(j.o.Dir); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
			errs = append(errs, err)
		}
	}
	err := errors.Join(errs...)
	if err != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
		j.mu.Lock()
		j.stats.Errors++
		j.unsynced = append(failed, j.unsynced...)
		j.dirty, j.newNames = true, j.newNames || names
		j.mu.Unlock()
	}
	j.unsyncable.Note(err)
	return err
}
