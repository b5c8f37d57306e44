package output

import (
	"sync"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
)

// queueBytes bounds the hits that are kept in memory, as bytes of their JSON.
const queueBytes = 2 * maxBatch

// item is a hit on its way out of the spool.
type item struct {
	seq   uint64 // in the spool
	at    time.Time
	tries uint32
	size  int // of its JSON
	hit   hit.Hit
	raw   []byte // where the spool's record makes no hit
	done  bool
}

// queue keeps the hits that were put into the spool last, so that in quiet times
// none is read back and decoded. It has no gaps; hits for which there is no room
// are in the spool.
type queue struct {
	mu    sync.Mutex
	max   int
	items []item // oldest first
	bytes int
}

func (q *queue) bound(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.max = n
}

// add keeps it, if there is room and it is the next one.
func (q *queue) add(it item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.items)
	if n > 0 && (n >= q.max || q.bytes+it.size > queueBytes || q.items[n-1].seq+1 != it.seq) {
		return
	}
	q.items = append(q.items, it)
	q.bytes += it.size
}

// take returns the item of this number, if it is here, and forgets those before it.
func (q *queue) take(seq uint64) (item, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	gone := 0
	for gone < len(q.items) && q.items[gone].seq < seq {
		q.bytes -= q.items[gone].size
		gone++
	}
	q.cut(gone)
	if len(q.items) == 0 || q.items[0].seq != seq {
		return item{}, false
	}
	it := q.items[0]
	q.bytes -= it.size
	q.cut(1)
	return it, true
}

// cut forgets the first n items.
func (q *queue) cut(n int) {
	clear(q.items[:n])
	q.items = q.items[n:]
}
