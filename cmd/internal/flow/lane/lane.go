// Package lane carries the flows of one worker to one consumer that may be slow:
// history, or a publisher. The worker copies records into blocks that go round and
// round between the two; it never waits, allocates nothing once the blocks have
// grown, and takes a lock only where a block changes hands, once in BlockSize
// records. Flows for which there is no block are counted as dropped.
//
// Flows come out in the order in which they were put in. There is one Lane for each
// worker and consumer, so what reaches a consumer is in order for each exporter, and
// not among several.
package lane

import (
	"sync/atomic"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// BlockSize is how many records a block holds: 192 kB, so that four are in the
// cache of a core, and a consumer is woken some thousand times a second at most.
const BlockSize = 1024

// Block is what a consumer takes at once. It is the consumer's until Done.
type Block struct {
	flow.Batch
	seq uint64
}

// Lane is one worker's way to one consumer.
type Lane struct {
	// open is the block that is being filled while the worker is not in Put, so
	// that the consumer can take what a quiet exporter has left there.
	open    atomic.Pointer[Block]
	full    chan *Block // filled
	free    chan *Block // to be filled
	seq     uint64      // of the worker
	wait    bool
	Dropped atomic.Uint64
}

// New returns a Lane with room for n blocks. wait: the worker waits for the consumer
// and drops nothing, as sources want that can be asked again (captures, Kafka).
func New(n int, wait bool) *Lane {
	l := &Lane{full: make(chan *Block, n), free: make(chan *Block, n), wait: wait}
	for range n {
		l.free <- &Block{Batch: flow.Batch{Records: make([]flow.Record, 0, BlockSize)}}
	}
	return l
}

// Flows copies the records of b, and their names, into the lane. It belongs to the
// worker's goroutine.
func (l *Lane) Flows(b *flow.Batch) {
	block := l.open.Swap(nil)
	records := b.Records
	for len(records) > 0 {
		if block == nil {
			if block = l.take(); block == nil {
				l.Dropped.Add(uint64(len(records)))
				return
			}
			l.seq++
			block.seq = l.seq
		}
		n := min(len(records), BlockSize-len(block.Records))
		block.AppendFrom(b, records[:n])
		if records = records[n:]; len(block.Records) == BlockSize {
			l.full <- block // there is room for all blocks
			block = nil
		}
	}
	if block != nil {
		l.open.Store(block)
	}
}

// take returns a block to fill, nil where there is none and nobody waits.
func (l *Lane) take() *Block {
	if l.wait {
		return <-l.free
	}
	select {
	case block := <-l.free:
		return block
	default:
		return nil
	}
}

// Take calls each with the blocks that are there, oldest first, and reports how
// many there were. It belongs to the consumer's goroutine; each gives a block back
// by Done, then or later, from any goroutine.
func (l *Lane) Take(each func(*Block)) (blocks int) {
	last := l.open.Swap(nil)
	for {
		select {
		case b := <-l.full:
			if last != nil && b.seq > last.seq {
				each(last)
				last = nil
				blocks++
			}
			each(b)
			blocks++
			continue
		default:
		}
		if last != nil {
			each(last)
			blocks++
		}
		return blocks
	}
}

// Ready is sent on when a block is full: a consumer waits for it, or for its own
// clock.
func (l *Lane) Ready() <-chan *Block { return l.full }

// Done gives a block back.
func (l *Lane) Done(b *Block) {
	b.Reset()
	l.free <- b // there is room for all blocks
}
