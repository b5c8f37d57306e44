package agent

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/pcap"
	"github.com/flowhound/flowhound/cmd/internal/history"
	"github.com/flowhound/flowhound/cmd/internal/match"
	"github.com/flowhound/flowhound/cmd/internal/stage"
)

// Play is a capture that an agent takes as if it came now: the demo's.
type Play struct {
	Open func() io.Reader
	// Live is how much of its end comes at its own pace; what is before that comes at
	// once, with the times that it would have.
	Live time.Duration
}

// play takes in the capture until its end, or the end of ctx.
func (a *Agent) play(ctx context.Context, p *Play) error {
	var last time.Time
	err := packets(p.Open(), func(x *pcap.Packet) error {
		last = x.Time
		return nil
	})
	if err != nil {
		return err
	}
	shift := time.Now().Add(p.Live).Sub(last)
	w := a.stage.NewWorker(stage.Options{
		Templates: a.templates.Store(), Sinks: []stage.Sink{present{a.playLane}},
		Pass: func(m *match.Raw) { _ = a.emit.Put(ctx, m) }, // it fails with ctx alone
	})
	return packets(p.Open(), func(x *pcap.Packet) error {
		at := x.Time.Add(shift)
		select {
		case <-time.After(time.Until(at)):
			w.Datagram(x.Payload, x.Src, at.UnixNano())
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// present moves flows that ended long before they came to just before that: the
// decoder needs some datagrams until it knows that an exporter's clock is that slow,
// and those of a capture are.
type present struct{ next history.Sink }

// longAgo is more than exporters hold a flow back, and beforehand how long before its
// datagram a flow ends then.
const (
	longAgo    = 6 * time.Hour
	beforehand = 10 * time.Second
)

// Flows is that of stage.Sink. The records are this worker's, and matched after this.
func (p present) Flows(b *flow.Batch) {
	for i := range b.Records {
		if r := &b.Records[i]; r.Received-r.End > int64(longAgo) {
			lasted := max(0, r.End-r.Start)
			r.End = r.Received - int64(beforehand)
			r.Start = r.End - lasted
		}
	}
	p.next.Flows(b)
}

// packets calls each for the datagrams of a capture.
func packets(in io.Reader, each func(*pcap.Packet) error) error {
	r, err := pcap.NewReader(in)
	if err != nil {
		return err
	}
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = each(&p)
		}
		if err != nil {
			return err
		}
	}
}
