package peer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Disk is a file system in memory, small enough to be filled.
type Disk struct {
	Dir string
	t   testing.TB
}

// SmallDisk mounts one of size bytes. Where the test may not mount, it is skipped: that
// needs root, and not every container allows it.
func SmallDisk(t testing.TB, size int) Disk {
	t.Helper()
	d := Disk{t.TempDir(), t}
	if err := syscall.Mount("flowhound-test", d.Dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("SKIPPED: mounting a small disk: %v (needs root)", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(d.Dir, syscall.MNT_DETACH) })
	return d
}

// Fill takes what is free, but for rest bytes.
func (d Disk) Fill(rest int) {
	d.t.Helper()
	f, err := os.OpenFile(d.filler(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	size := int64(0)
	for block := 64 << 10; block > 0; {
		n, err := f.Write(bytes.Repeat([]byte{'x'}, block))
		size += int64(n)
		if errors.Is(err, syscall.ENOSPC) {
			block /= 16
		} else if err != nil {
			d.t.Fatal(err)
		}
	}
	if err := f.Truncate(max(0, size-int64(rest))); err != nil {
		d.t.Fatal(err)
	}
}

// Free gives back what Fill took.
func (d Disk) Free() {
	d.t.Helper()
	if err := os.Remove(d.filler()); err != nil {
		d.t.Fatal(err)
	}
}

func (d Disk) filler() string { return filepath.Join(d.Dir, "filler") }

// SetReadOnly makes it one that nobody may write, root neither, or ends that.
func (d Disk) SetReadOnly(on bool) {
	d.t.Helper()
	flags := uintptr(syscall.MS_REMOUNT)
	if on {
		flags |= syscall.MS_RDONLY
	}
	if err := syscall.Mount("", d.Dir, "", flags, ""); err != nil {
		d.t.Fatal(err)
	}
}
