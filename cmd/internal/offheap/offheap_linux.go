package offheap

import (
	"os"
	"syscall"
	"unsafe"
)

func size[T any]() int { return int(unsafe.Sizeof(*new(T))) }

func values[T any](b []byte, n int) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n) //nolint:gosec // values have no pointers, and the memory is that of n
}

// reserve returns memory of the kernel, nil where there is none.
func reserve(size int) []byte {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil
	}
	return b
}

func release(b []byte) { _ = syscall.Munmap(b) }

// discard gives the pages that lie in b back.
func discard(b []byte) {
	page := os.Getpagesize()
	before := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (page - 1) //nolint:gosec // an address is reckoned with, not used
	if before >= len(b) {
		return
	}
	b = b[before:]
	if b = b[:len(b)&^(page-1)]; len(b) > 0 {
		_ = syscall.Madvise(b, syscall.MADV_DONTNEED)
	}
}
