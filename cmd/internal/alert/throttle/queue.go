package throttle

import (
	"cmp"
	"container/heap"
)

// queue is a heap (container/heap) of all entries. Windows end in the order (end,
// creation), so that a replay says the same lines in the same order every time.
type queue []*entry

func compareEntries(a, b *entry) int {
	return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.created, b.created))
}

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return compareEntries(q[i], q[j]) < 0 }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = int32(i), int32(j)
}

// init restores the order after any change, places included.
func (q *queue) init() {
	for i, e := range *q {
		e.at = int32(i)
	}
	heap.Init(q)
}

// Push is part of heap.Interface.
func (q *queue) Push(x any) {
	e := x.(*entry)
	e.at = int32(len(*q))
	*q = append(*q, e)
}

// Pop is part of heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return e
}
