package lane

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// What goes in comes out, once, in order, or is counted; also while the consumer takes
// blocks that are not full.
func TestOrder(t *testing.T) {
	for _, wait := range []bool{false, true} {
		l := New(4, wait, make(chan struct{}, 1))
		var stop atomic.Bool
		done := make(chan uint64)
		go func() {
			var got, next uint64
			take := func(b *Block) {
				for i := range b.Records {
					if n := b.Records[i].Bytes; n < next {
						t.Errorf("%d came after %d", n, next)
					} else {
						next = n + 1
					}
					got++
				}
				l.Done(b)
			}
			for !stop.Load() {
				if l.Take(take) == 0 {
					runtime.Gosched()
				}
			}
			l.Take(take)
			done <- got
		}()
		var b flow.Batch
		n := uint64(0)
		for range 20000 {
			b.Reset()
			for range 30 {
				b.Records = append(b.Records, flow.Record{Bytes: n})
				n++
			}
			l.Flows(&b)
		}
		stop.Store(true)
		if got := <-done; got+l.Dropped() != n || wait && got != n {
			t.Errorf("%d came out and %d were dropped of %d", got, l.Dropped(), n)
		}
		if l.Depth() != 0 {
			t.Errorf("%d wait", l.Depth())
		}
	}
}

// A consumer that does not come costs flows, and never the worker.
func TestFull(t *testing.T) {
	l := New(2, false, make(chan struct{}, 1))
	batch := flow.Batch{Records: make([]flow.Record, 1000)}
	for range 10 {
		l.Flows(&batch)
	}
	if l.Depth() != 2*BlockSize || l.Dropped() != 10_000-2*BlockSize {
		t.Errorf("%d wait and %d were dropped, want %d and %d", l.Depth(), l.Dropped(), 2*BlockSize, 10_000-2*BlockSize)
	}
	if n := l.Take(l.Done); n != 2*BlockSize {
		t.Errorf("%d came out", n)
	}
	if n := testing.AllocsPerRun(100, func() { l.Flows(&batch) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What a busy moment has taken is given back by the second Trim after it, and the lane
// has as much room as before.
func TestTrim(t *testing.T) {
	l := New(8, false, make(chan struct{}, 1))
	touched := func() (n int) {
		for _, b := range l.free {
			if b.touched {
				n++
			}
		}
		return n
	}
	batch := flow.Batch{Records: make([]flow.Record, 8*BlockSize)}
	fill := func() {
		t.Helper()
		for i := range batch.Records {
			batch.Records[i].Bytes++
		}
		want := batch.Records[0].Bytes
		l.Flows(&batch)
		if n := l.Take(func(b *Block) {
			for i := range b.Records {
				if b.Records[i].Bytes != want {
					t.Fatalf("a flow of %d bytes came out, want %d", b.Records[i].Bytes, want)
				}
			}
			l.Done(b)
		}); n != len(batch.Records) || l.Dropped() != 0 {
			t.Fatalf("%d came out, %d were dropped", n, l.Dropped())
		}
	}
	one := flow.Batch{Records: make([]flow.Record, 1)}
	fill()
	for n, want := range []int{8, 1, 1} { // the last one that was given back is used
		l.Trim()
		if got := touched(); got != want {
			t.Errorf("%d blocks take memory after %d times, want %d", got, n+1, want)
		}
		l.Flows(&one)
		l.Take(l.Done)
	}
	l.Trim()
	l.Trim()
	if got := touched(); got != 0 || len(l.free) != 8 {
		t.Errorf("%d of %d blocks take memory while nothing comes", got, len(l.free))
	}
	fill()
}

// BenchmarkFlows is what a lane costs the worker, for a datagram of 24 flows, with a
// consumer on another core that looks at every record.
func BenchmarkFlows(b *testing.B) {
	l := New(64, false, make(chan struct{}, 1))
	var stop atomic.Bool
	done := make(chan struct{})
	var sum uint64
	go func() {
		defer close(done)
		for !stop.Load() {
			if l.Take(func(x *Block) {
				for i := range x.Records {
					sum += x.Records[i].Bytes
				}
				l.Done(x)
			}) == 0 {
				runtime.Gosched()
			}
		}
	}()
	batch := flow.Batch{Records: make([]flow.Record, 24)}
	b.ReportAllocs()
	for b.Loop() {
		l.Flows(&batch)
	}
	stop.Store(true)
	<-done
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/24, "ns/flow")
	b.ReportMetric(100*float64(l.Dropped())/float64(b.N*24), "%dropped")
}
