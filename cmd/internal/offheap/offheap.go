// Package offheap is memory outside of Go's heap, for large arrays of which mostly little
// is used. It takes as much of the machine's memory as was written to, can be given back
// in part, and the garbage collector does not count it: 100 MB in Go's heap, used or not,
// let the heap grow by 100 MB more before garbage is collected.
package offheap

import "runtime"

// Memory has room for values without pointers. It is there as long as somebody holds the
// Memory: who keeps a part of All alone may find nothing there.
type Memory[T any] struct {
	all    []T
	mapped []byte // nil: all is in Go's heap
}

// New returns room for n values, which are zero. T must have no pointers.
func New[T any](n int) *Memory[T] {
	m := &Memory[T]{}
	if m.mapped = reserve(n * size[T]()); m.mapped == nil {
		m.all = make([]T, n)
		return m
	}
	m.all = values[T](m.mapped, n)
	runtime.AddCleanup(m, release, m.mapped)
	return m
}

// All is the whole memory.
func (m *Memory[T]) All() []T { return m.all }

// Free gives the memory of the values from first to end, without the last, back to the
// machine; they are zero then, or as they were. It does nothing with what shares a page
// with others.
func (m *Memory[T]) Free(first, end int) {
	if m.mapped != nil {
		discard(m.mapped[first*size[T]() : end*size[T]()])
	}
}
