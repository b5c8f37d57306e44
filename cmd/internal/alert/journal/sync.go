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
			if j.Mode() != SyncNever {
				_ = j.syncNow() // it is said
			} else {
				j.closeFinished()
			}
		}
	}
}

// closeFinished closes finished segments that nobody syncs.
func (j *Journal) closeFinished() {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	files := j.unsynced
	j.unsynced = nil
	j.mu.Unlock()
	for _, f := range files {
		_ = f.Close() // every write said what became of it
	}
}

// syncNow brings to the disk what was written. What fails stays to be done.
func (j *Journal) syncNow() error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	if !j.dirty {
		j.mu.Unlock()
		return nil
	}
	finished, active, names := j.unsynced, j.active, j.newNames
	j.unsynced, j.newNames, j.dirty = nil, false, false
	j.mu.Unlock()

	var errs []error
	var failed []*os.File
	for _, f := range finished {
		if err := f.Sync(); err != nil {
			errs, failed = append(errs, err), append(failed, f)
			continue
		}
		errs = append(errs, f.Close())
	}
	if active != nil {
		errs = append(errs, active.Sync())
	}
	if names {
		if err := file.SyncFolder(j.dir); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
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
	switch began, ended := j.unsyncable.Note(err); {
	case began:
		j.o.Log.Error("the journal cannot be synced", "err", err)
		j.o.Say("error", "data_dir cannot be synced: "+err.Error()+"; a power failure could lose hits that wait")
	case ended:
		j.o.Log.Info("the journal can be synced again")
		j.o.Say("alive", "data_dir can be synced again")
	}
	return err
}
