package stage

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/lane"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/flow/udp"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/match"
)

func v5(first, n int) []byte {
	b := make([]byte, 24+48*n)
	b[1], b[3] = 5, byte(n)
	for i := range n {
		r := b[24+48*i:]
		copy(r, []byte{10, 1, byte((first + i) >> 8), byte(first + i), 198, 51, 100, byte(1 + (first+i)%200)})
		r[19], r[23], r[32], r[35], r[37], r[38] = 1, 100, 200, 80, 24, 6
	}
	return b
}

func setup(b *testing.B) (*intel.Set, []udp.Datagram) {
	builder := intel.NewBuilder("ours")
	for i := range 100_000 {
		builder.Add(intel.Indicator{Prefix: netip.MustParsePrefix(fmt.Sprintf("203.%d.%d.%d/32", i>>16&255, i>>8&255, i&255)), Category: intel.C2, Score: 60})
	}
	var batch []udp.Datagram
	for i := range 64 {
		batch = append(batch, udp.Datagram{Data: v5(i*30, 30), From: netip.MustParseAddrPort("192.0.2.1:2055")})
	}
	return intel.NewSet(builder.Block()), batch
}

type count struct{ n uint64 }

func (c *count) Flows(b *flow.Batch) { c.n += uint64(len(b.Records)) }

// BenchmarkReceive is decoding and matching 64 datagrams of 30 flows without hits,
// with nobody, somebody who counts, and a consumer on the other core behind.
func BenchmarkReceive(b *testing.B) {
	set, datagrams := setup(b)
	for _, kind := range []string{"alone", "count", "lane", "two-lanes"} {
		b.Run(kind, func(b *testing.B) {
			s := New(Config{Max: 100}, alert.NewPolicy(nil, nil, nil))
			s.Change(func(st *State) { st.Set = set })
			o := Options{Pass: func(*match.Raw) { b.Error("matched") }}
			var stop atomic.Bool
			var lanes []*lane.Lane
			switch kind {
			case "count":
				o.Sinks = []Sink{&count{}}
			case "lane":
				lanes = append(lanes, lane.New(64, false))
			case "two-lanes":
				lanes = append(lanes, lane.New(64, false), lane.New(64, false))
			}
			done := make(chan struct{})
			for _, l := range lanes {
				o.Sinks = append(o.Sinks, l)
			}
			go func() {
				defer close(done)
				for !stop.Load() && len(lanes) > 0 {
					n := 0
					for _, l := range lanes {
						n += l.Take(func(x *lane.Block) { l.Done(x) })
					}
					if n == 0 {
						runtime.Gosched()
					}
				}
			}()
			w := s.NewWorker(o)
			b.ReportAllocs()
			n := int64(0)
			for b.Loop() {
				n++
				w.Receive(1780000000e9+n, datagrams)
			}
			stop.Store(true)
			<-done
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64/30, "ns/flow")
		})
	}
}

// BenchmarkHandOver is the other way: the worker decodes into the block that the
// consumer gets, and takes another.
func BenchmarkHandOver(b *testing.B) {
	set, datagrams := setup(b)
	full, free := make(chan *flow.Batch, 64), make(chan *flow.Batch, 64)
	for range 64 {
		free <- &flow.Batch{Records: make([]flow.Record, 0, lane.BlockSize+30)}
	}
	go func() {
		for x := range full {
			x.Reset()
			free <- x
		}
	}()
	d := netflow.NewDecoder(netflow.Options{})
	batch := <-free
	b.ReportAllocs()
	n := int64(0)
	for b.Loop() {
		n++
		for i := range datagrams {
			from := len(batch.Records)
			_ = d.Decode(datagrams[i].Data, datagrams[i].From, 1780000000e9+n, batch)
			for j := from; j < len(batch.Records); j++ {
				if match.Sides(set, &batch.Records[j]) != 0 {
					b.Fatal("matched")
				}
			}
			if len(batch.Records) >= lane.BlockSize {
				select {
				case next := <-free:
					full <- batch
					batch = next
				default:
					batch.Reset()
				}
			}
		}
	}
	close(full)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64/30, "ns/flow")
}

// sflow reads nothing, and looks like a decoder of sFlow v5.
type sflow struct{ n int }

func (d *sflow) Reads(b []byte) bool {
	return len(b) >= 4 && b[0] == 0 && b[1] == 0 && b[2] == 0 && b[3] == 5
}

func (d *sflow) Decode([]byte, netip.AddrPort, int64, *flow.Batch) error { d.n++; return nil }

// BenchmarkReceiveSFlow is BenchmarkReceive/alone with another protocol on the port.
func BenchmarkReceiveSFlow(b *testing.B) {
	set, datagrams := setup(b)
	s := New(Config{Max: 100}, alert.NewPolicy(nil, nil, nil))
	s.Change(func(st *State) { st.Set = set })
	w := s.NewWorker(Options{Pass: func(*match.Raw) { b.Error("matched") }, Decoders: []Decoder{&sflow{}}})
	b.ReportAllocs()
	n := int64(0)
	for b.Loop() {
		n++
		w.Receive(1780000000e9+n, datagrams)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64/30, "ns/flow")
}
