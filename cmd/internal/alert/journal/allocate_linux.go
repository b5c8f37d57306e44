package journal

import (
	"os"
	"syscall"
)

// keepSize is FALLOC_FL_KEEP_SIZE of fallocate(2).
const keepSize = 1

// allocate reserves room on the disk for a file of that size, where the file system
// can.
func allocate(f *os.File, size int64) {
	_ = syscall.Fallocate(int(f.Fd()), keepSize, 0, size)
}
