package history

import (
	"syscall"
	"unsafe"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// newBuffer returns a buffer whose memory is the kernel's: it takes as much as was used
// since it was freed, and the garbage collector does not count it: 100 MB in Go's heap
// let the heap grow by 200.
func newBuffer() *buffer {
	size := column.PartRecords * int(unsafe.Sizeof(flow.Record{}))
	memory, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
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
	_ = syscall.Madvise(b.memory, syscall.MADV_DONTNEED)
}

// close ends the use of the buffer.
func (b *buffer) close() {
	if b.memory != nil {
		_ = syscall.Munmap(b.memory)
	}
	*b = buffer{}
}
