// Package replay runs captures through the stages of the agent, on the capture's
// clock. It drops nothing, writes nothing and uses no network.
package replay

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/throttle"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/flow/pcap"
	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/match"
	"github.com/flowhound/flowhound/cmd/internal/site"
	"github.com/flowhound/flowhound/cmd/internal/stage"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Replay is one run, of one worker. It belongs to one goroutine.
type Replay struct {
	// OnFlow sees every flow record, OnHit every hit. Either may be nil. What
	// they are given is theirs until they return.
	OnFlow func(*flow.Record)
	OnHit  func(*hit.Hit)

	stage   *stage.Stage
	worker  *stage.Worker
	table   *throttle.Table
	now     time.Time // the capture's clock: never runs backwards
	summary Summary
}

// Summary counts what a run read and found.
type Summary struct {
	Datagrams, Flows uint64 // of exporters that are allowed
	HitFlows, Hits   uint64 // flows that hit, and the hits that they were folded into
	Exporters        int
	Rejected         uint64 // datagrams of exporters that are not
	SFlow            uint64 // of Datagrams
	Netflow          netflow.Counters
	Capture          pcap.Stats
}

// Options say how to replay.
type Options struct {
	Exporters site.Exporters
	Policy    *alert.Policy
	Folds     throttle.Options
	Set       *intel.Set // what flows are matched against
	Geo       *geo.Part  // says where hits are; nil: nobody does
}

// New returns a Replay.
func New(o Options) *Replay {
	r := &Replay{stage: stage.New(o.Exporters, o.Policy)}
	r.stage.Change(func(st *stage.State) { st.Set = o.Set })
	sinks := []stage.Sink{sink{r}}
	if o.Geo != nil {
		sinks = append(sinks, o.Geo.NewReplaySink())
	}
	r.worker = r.stage.NewWorker(stage.Options{Pass: r.hit, Sinks: sinks})
	r.table = throttle.NewTable(o.Folds, func(h *hit.Hit) {
		r.summary.Hits++
		if o.Geo != nil {
			o.Geo.Locate(h)
		}
		if r.OnHit != nil {
			r.OnHit(h)
		}
	})
	return r
}

// Read replays one capture. Several captures are one stream of time: fold state
// and templates go on.
func (r *Replay) Read(ctx context.Context, in io.Reader) error {
	reader, err := pcap.NewReader(in)
	if err != nil {
		return err
	}
	for {
		p, err := reader.Next()
		if err != nil {
			r.summary.Capture.Add(reader.Stats())
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		r.datagram(&p)
	}
}

func (r *Replay) datagram(p *pcap.Packet) {
	if !r.stage.State().Allows(p.Src.Addr()) {
		r.summary.Rejected++
		return
	}
	if p.Time.After(r.now) {
		r.now = p.Time
		r.table.Advance(r.now)
	}
	r.summary.Datagrams++
	if isSFlow(p.Payload) {
		r.summary.SFlow++
	}
	r.summary.Flows += uint64(r.worker.Datagram(p.Payload, p.Src, p.Time.UnixNano()))
}

// sink shows each flow.
type sink struct{ *Replay }

// Flows is that of stage.Sink.
func (s sink) Flows(b *flow.Batch) {
	for i := range b.Records {
		if s.OnFlow != nil {
			s.OnFlow(&b.Records[i])
		}
	}
}

func (r *Replay) hit(m *match.Raw) {
	if event, ok := r.stage.State().Policy.Classify(m, r.now); ok {
		r.summary.HitFlows++
		r.table.Add(&event)
	}
}

// Close says what is still held and returns the counts.
func (r *Replay) Close() Summary {
	r.table.Flush(r.now)
	stats := r.worker.Decoder().Stats()
	r.summary.Netflow, r.summary.Exporters = stats.Total, len(stats.Exporters)
	return r.summary
}
