package geo

import (
	"sync"
	"sync/atomic"
)

// asked is made when it is first asked for, so that commands that need no table do not
// wait for one.
type asked[T any] struct {
	made atomic.Pointer[T]
	once sync.Once
	make func() *T
}

func whenAsked[T any](f func() *T) *asked[T] { return &asked[T]{make: f} }

// get returns it. It may be called concurrently.
func (a *asked[T]) get() *T {
	if t := a.made.Load(); t != nil { // inlined: the way of each flow
		return t
	}
	return a.first()
}

func (a *asked[T]) first() *T {
	a.once.Do(func() {
		a.made.Store(a.make())
		a.make = nil // with what it holds: the ranges of a database are larger than its table
	})
	return a.made.Load()
}
