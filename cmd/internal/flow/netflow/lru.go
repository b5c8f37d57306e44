package netflow

// lru is a map that remembers in which order its entries were last used, so
// that a bounded number of them can be kept. All operations take constant time:
// what forged datagrams bring is bounded by dropping, and dropping must be cheap
// too. The zero value is empty and ready.
type lru[K comparable, V any] struct {
	entries map[K]*entry[K, V]
	ends    *entry[K, V] // next is the newest entry, prev the oldest; a pointer, so that an lru may be moved
}

type entry[K comparable, V any] struct {
	key        K
	value      V
	prev, next *entry[K, V]
}

func (l *lru[K, V]) len() int { return len(l.entries) }

// get returns the value of key and makes it the newest.
func (l *lru[K, V]) get(key K) (V, bool) {
	e, ok := l.entries[key]
	if !ok {
		var zero V
		return zero, false
	}
	if l.ends.next != e {
		l.unlink(e)
		l.linkNewest(e)
	}
	return e.value, true
}

// put sets the value of key, which must not be there, and makes it the newest.
func (l *lru[K, V]) put(key K, value V) {
	if l.entries == nil {
		l.entries = make(map[K]*entry[K, V])
		l.ends = &entry[K, V]{}
		l.ends.next, l.ends.prev = l.ends, l.ends
	}
	e := &entry[K, V]{key: key, value: value}
	l.entries[key] = e
	l.linkNewest(e)
}

func (l *lru[K, V]) remove(key K) (V, bool) {
	e, ok := l.entries[key]
	if !ok {
		var zero V
		return zero, false
	}
	l.unlink(e)
	delete(l.entries, key)
	return e.value, true
}

func (l *lru[K, V]) removeOldest() (V, bool) {
	if len(l.entries) == 0 {
		var zero V
		return zero, false
	}
	return l.remove(l.ends.prev.key)
}

// oldestFirst is an iterator for range; the entry in hand may be removed.
func (l *lru[K, V]) oldestFirst(yield func(K, V) bool) {
	if len(l.entries) == 0 {
		return
	}
	for e := l.ends.prev; e != l.ends; {
		prev := e.prev
		if !yield(e.key, e.value) {
			return
		}
		e = prev
	}
}

func (l *lru[K, V]) unlink(e *entry[K, V]) {
	e.prev.next, e.next.prev = e.next, e.prev
}

func (l *lru[K, V]) linkNewest(e *entry[K, V]) {
	e.prev, e.next = l.ends, l.ends.next
	l.ends.next.prev = e
	l.ends.next = e
}
