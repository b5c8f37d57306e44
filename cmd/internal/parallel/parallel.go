// Package parallel shares work out among all processors. It knows nothing of what the work
// is, and is for answers that somebody waits for: it yields to nobody.
package parallel

import (
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Do calls do with each number from 0 on and below n, several at once: a processor that is
// done with one takes the next. It returns when all have ended.
func Do(n int, do func(i int)) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			do(i)
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}

// Pieces calls do with where each piece of n begins and ends, of so many that belong together,
// several at once.
func Pieces(n, size int, do func(from, to int)) {
	Do((n+size-1)/size, func(piece int) { do(piece*size, min(n, (piece+1)*size)) })
}

// WrittenAtOnce is how many pieces are made before they are written.
const WrittenAtOnce = 32

// Write writes what add appends for each number from 0 on and below n, in order. Pieces of so
// many are made at once.
func Write(w io.Writer, n, size int, add func(b []byte, i int) []byte) error {
	var made [WrittenAtOnce][]byte
	for first := 0; first < n; first += WrittenAtOnce * size {
		some := min(n-first, WrittenAtOnce*size)
		Pieces(some, size, func(from, to int) {
			b := made[from/size][:0]
			for i := from; i < to; i++ {
				b = add(b, first+i)
			}
			made[from/size] = b
		})
		for _, b := range made[:(some+size-1)/size] {
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
	}
	return nil
}

// sortedAtOnce is how many elements are worth a processor of their own.
const sortedAtOnce = 4096

// Sort returns the elements of s in order, in its memory or in other. Where two compare
// equal, either may come first.
func Sort[T any](s []T, compare func(a, b T) int) []T {
	parts := min(runtime.GOMAXPROCS(0), len(s)/sortedAtOnce+1)
	part := func(i int) []T { return s[i*len(s)/parts : (i+1)*len(s)/parts] }
	Do(parts, func(i int) { slices.SortFunc(part(i), compare) })
	out := part(0)
	for i := 1; i < parts; i++ {
		out = merge(out, part(i), compare)
	}
	return out
}

// merge returns what is in a and b, which are sorted, in order.
func merge[T any](a, b []T, compare func(a, b T) int) []T {
	out := make([]T, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if compare(a[0], b[0]) <= 0 {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}
