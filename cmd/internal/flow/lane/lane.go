// Package lane carries the flows of one worker to one consumer that may be slow, such
// as history. The worker copies records into blocks that go round between the two. It
// never waits, allocates nothing and takes a lock only where a block changes hands,
// once in BlockSize records: 5 ns a flow. As many blocks are used, and take memory, as
// the consumer is behind; Trim gives back what a busy moment has taken. Flows for which
// there is no block are dropped and counted.
//
// There is one Lane for each worker and consumer. Flows come out in the order in which
// they were put in.
package lane

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/offheap"
)

// BlockSize is how many records a block holds: 196 kB, which stays in the cache of a
// core.
const BlockSize = 1024

// Block is what a consumer takes at once. It is the consumer's until Done.
type Block struct {
	Records []flow.Record
	seq     uint64
	memory  *offheap.Memory[flow.Record] // the lane's, which is there as long as somebody holds the block
	first   int                          // of its records, in memory
	touched bool                         // takes memory
	used    bool                         // since the last Trim
}

// Lane is one worker's way to one consumer.
type Lane struct {
	// open is the block that is being filled, while the worker is not in Flows, so
	// that the consumer can take what a quiet exporter has left there.
	open atomic.Pointer[Block]
	full chan *Block // filled
	wake chan<- struct{}
	due  int // filled blocks with which the consumer is woken
	wait bool
	seq  uint64 // of the worker

	mu    sync.Mutex
	free  []*Block      // to be filled; the last one given back comes first: it is in the cache
	freed chan struct{} // has a value when there may be one, for a worker that waits

	put, taken, dropped atomic.Uint64
}

// New returns a Lane with room for n blocks. A value is sent to wake, without waiting,
// when a quarter of them is full (to wake a consumer for each block costs the worker
// more than to fill it); make it with room for one. What does not fill as much is there
// to be taken too. wait: the worker waits for the consumer and drops nothing, which is
// for sources that can wait (captures).
func New(n int, wait bool, wake chan<- struct{}) *Lane {
	l := &Lane{full: make(chan *Block, n), wake: wake, due: max(n/4, 1), wait: wait, freed: make(chan struct{}, 1)}
	memory := offheap.New[flow.Record](n * BlockSize)
	for first := 0; first < n*BlockSize; first += BlockSize {
		l.free = append(l.free, &Block{Records: memory.All()[first : first : first+BlockSize], memory: memory, first: first})
	}
	return l
}

// Dropped returns how many flows were dropped; on any goroutine.
func (l *Lane) Dropped() uint64 { return l.dropped.Load() }

// Depth returns how many flows wait; on any goroutine.
func (l *Lane) Depth() int {
	taken := l.taken.Load() // before put, which it never passes
	return int(l.put.Load() - taken)
}

// Flows copies the records of a batch into the lane. It belongs to the worker's
// goroutine, and makes a Lane a stage.Sink.
func (l *Lane) Flows(b *flow.Batch) { l.Put(b.Records) }

// Put is Flows for records.
func (l *Lane) Put(records []flow.Record) {
	block := l.open.Swap(nil)
	put := uint64(0)
	for len(records) > 0 {
		if block == nil {
			if block = l.take(); block == nil {
				l.dropped.Add(uint64(len(records)))
				break
			}
			l.seq++
			block.seq = l.seq
		}
		n := min(len(records), BlockSize-len(block.Records))
		block.Records = append(block.Records, records[:n]...)
		put += uint64(n)
		if records = records[n:]; len(block.Records) == BlockSize {
			l.full <- block // there is room for all blocks
			block = nil
			if len(l.full) >= l.due {
				select {
				case l.wake <- struct{}{}:
				default:
				}
			}
		}
	}
	l.put.Add(put)
	if block != nil {
		l.open.Store(block)
	}
}

// take returns a block to fill, nil where there is none and nobody waits.
func (l *Lane) take() *Block {
	for {
		if block := l.last(); block != nil || !l.wait {
			return block
		}
		<-l.freed
	}
}

func (l *Lane) last() *Block {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.free)
	if n == 0 {
		return nil
	}
	block := l.free[n-1]
	l.free = l.free[:n-1]
	block.used, block.touched = true, true
	return block
}

// Trim gives the memory back of blocks that were not used since the Trim before. It
// belongs to the consumer's goroutine. One block at a time is not there for the worker.
func (l *Lane) Trim() {
	for {
		l.mu.Lock()
		i := slices.IndexFunc(l.free, func(b *Block) bool { return b.touched && !b.used })
		if i < 0 {
			for _, b := range l.free {
				b.used = false
			}
			l.mu.Unlock()
			return
		}
		b := l.free[i]
		l.free = slices.Delete(l.free, i, i+1)
		l.mu.Unlock()
		b.memory.Free(b.first, b.first+BlockSize)
		b.touched = false
		l.giveBack(b, 0) // to be taken last
	}
}

// Take calls each with the blocks that are there, oldest first, and returns how many
// flows they hold. It belongs to the consumer's goroutine, which gives each block back
// by Done, then or later.
func (l *Lane) Take(each func(*Block)) (flows int) {
	give := func(b *Block) {
		flows += len(b.Records)
		each(b)
	}
	last := l.open.Swap(nil)
	for {
		select {
		case b := <-l.full:
			if last != nil && b.seq > last.seq { // filled after last was taken
				give(last)
				last = nil
			}
			give(b)
			continue
		default:
		}
		if last != nil {
			give(last)
		}
		return flows
	}
}

// Done gives a block back.
func (l *Lane) Done(b *Block) {
	l.taken.Add(uint64(len(b.Records)))
	b.Records = b.Records[:0]
	l.giveBack(b, -1)
}

// giveBack puts a block to the free ones: to the first, or, -1, behind the last.
func (l *Lane) giveBack(b *Block, at int) {
	l.mu.Lock()
	if at < 0 {
		at = len(l.free)
	}
	l.free = slices.Insert(l.free, at, b)
	l.mu.Unlock()
	select {
	case l.freed <- struct{}{}:
	default:
	}
}
