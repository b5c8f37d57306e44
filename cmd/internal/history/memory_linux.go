package history

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// newBuffer returns a buffer whose memory is the kernel's: it takes as much as was used
// since it was freed, and the garbage collector does not count it: 100 MB in Go's heap
// let the heap grow by 200.
func newBuffer() *buffer {
	size := column.PartRecords * int(unsafe.Sizeof(flow.Record{}))
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return &buffer{}
	}
	all := unsafe.Slice((*flow.Record)(unsafe.Pointer(unsafe.SliceData(memory))), column.PartRecords) //nolint:gosec // records have no pointers, and any bytes are records
	return &buffer{memory: memory, all: all[:0], records: all[:0]}
}

// free gives the memory back; what was there is gone.
func (b *buffer) free() {
	b.reset()
	if b.memory == nil {
		b.records = nil
		return
	}
	_ = unix.Madvise(b.memory, unix.MADV_DONTNEED)
}

// close ends the use of the buffer.
func (b *buffer) close() {
	if b.memory != nil {
		_ = unix.Munmap(b.memory)
	}
	*b = buffer{}
}
