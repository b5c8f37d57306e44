package agent

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow/pcap"
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
		Templates: a.templates.Store(),
		Pass:      func(m *match.Raw) { _ = a.emit.Put(ctx, m) }, // it fails with ctx alone
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
