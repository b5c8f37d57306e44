package lane

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// What goes in comes out, once, in order, with its names, or is counted; also while
// the consumer takes blocks that are not full.
func TestOrderAndNames(t *testing.T) {
	l := New(8, false)
	var stop atomic.Bool
	done := make(chan uint64)
	go func() {
		var got, next uint64
		take := func(b *Block) {
			for i := range b.Records {
				r := &b.Records[i]
				if r.Bytes < next {
					t.Errorf("%d came after %d", r.Bytes, next)
				}
				next = r.Bytes + 1
				got++
				if want := name(r.Bytes); string(b.Names(r)) != want {
					t.Errorf("record %d has the name %q, want %q", r.Bytes, b.Names(r), want)
				}
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
			if s := name(n); s != "" {
				b.AddNames(&b.Records[len(b.Records)-1], []byte(s))
			}
			n++
		}
		l.Flows(&b)
	}
	stop.Store(true)
	if got := <-done; got+l.Dropped.Load() != n {
		t.Errorf("%d came out and %d were dropped of %d", got, l.Dropped.Load(), n)
	} else {
		t.Logf("%d of %d dropped", l.Dropped.Load(), n)
	}
}

func name(n uint64) string {
	if n%7 != 0 {
		return ""
	}
	return "host.example.org"[:1+n%16]
}

// BenchmarkFlows is what a lane costs the worker, for a datagram of 24 flows, with a
// consumer on the other core that looks at every record.
func BenchmarkFlows(b *testing.B) {
	l := New(64, false)
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
	b.ReportMetric(100*float64(l.Dropped.Load())/float64(b.N*24), "%dropped")
}
