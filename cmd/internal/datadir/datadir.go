// Package datadir is the folder of all state that survives a restart: its lock, and who
// owns its files.
package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockTime is how long a lock that is held is waited for.
const lockTime = time.Second

// Lock makes dir where it is missing and takes its lock: two agents that
// shared one would overwrite each other's state. The lock goes with the process,
// however it ends: a child that was being started when it was killed may hold it for
// a moment more, which is waited for.
func Lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	err = syscall.EWOULDBLOCK
	for end := time.Now().Add(lockTime); errors.Is(err, syscall.EWOULDBLOCK) && time.Now().Before(end); time.Sleep(lockTime / 50) {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			return f, nil
		}
	}
	if err != nil {
		closeErr := f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data_dir %s is in use by another flowhound: stop it, or give this one a data_dir of its own", dir)
		}
		return nil, errors.Join(fmt.Errorf("data_dir %s: lock: %w", dir, err), closeErr)
	}
	return f, nil
}
