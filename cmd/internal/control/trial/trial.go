// Package trial sends one test flow to a running agent and follows it: through the real
// socket, the match, the log and each output. Its hits are of the feed hit.TestFeed,
// and their name says so. It changes nothing for the flows of exporters.
package trial

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/logged"
	"github.com/flowhound/flowhound/cmd/internal/alert/output/run"
	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/stage"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	path = "/test"

	// stepTime is how long a step may take: lines come two seconds after their flow,
	// and outputs gather for a while.
	stepTime  = 30 * time.Second
	lookAgain = 50 * time.Millisecond
)

// Name is what a planted hit is called, wherever it arrives.
const Name = "TEST: planted by flowhound test, nothing happened"

// Step is one step on the way, and what came of it.
type Step struct {
	What   string  `json:"step"`
	OK     bool    `json:"ok"`
	Took   float64 `json:"seconds"` // since the flow was sent
	Detail string  `json:"detail,omitempty"`
	ID     string  `json:"id,omitempty"` // of the hit, from when it is known
}

// Dependencies are what a trial needs of the agent.
type Dependencies struct {
	Listening   func() []netip.AddrPort
	Plant       func(*stage.Test)
	Seen        func() *hit.Hit // the last planted hit that was said
	LogPath     func() string
	Outputs     func() []run.State
	MinSeverity func() hit.Severity
	Local       func() []netip.Prefix
}

// Handlers answer for a running agent, one trial at a time.
func Handlers(d Dependencies) map[string]control.Handler {
	var one sync.Mutex
	return map[string]control.Handler{path: func(ctx context.Context, r *control.Request) error {
		if !one.TryLock() {
			return &control.Problem{Code: control.Failed, Text: "another test is under way"}
		}
		defer one.Unlock()
		return d.run(ctx, func(s Step) error { return r.Send(s) })
	}}
}

// Run asks the agent that runs with this run_dir to plant a flow, and calls each with
// every step. The error wraps control.ErrNoAgent where there is none.
func Run(ctx context.Context, runDir string, each func(Step) error) error {
	return control.StreamAs(ctx, runDir, path, nil, each)
}

// run is one trial. Its error is of whoever listens; what fails is a step.
func (d *Dependencies) run(ctx context.Context, say func(Step) error) error {
	to := d.Listening()
	if len(to) == 0 {
		return say(Step{What: "send a flow", Detail: "the agent does not listen on any address"})
	}
	target := to[0]
	if target.Addr().IsUnspecified() {
		host := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		target = netip.AddrPortFrom(host, target.Port())
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(target))
	if err != nil {
		return say(Step{What: "send a flow", Detail: err.Error()})
	}
	defer func() { _ = conn.Close() }()
	tail, err := logged.NewTail(d.LogPath())
	if err != nil {
		return say(Step{What: "read the alert log", Detail: err.Error()})
	}
	defer func() { _ = tail.Close() }()

	from := netip.MustParseAddrPort(conn.LocalAddr().String())
	p := plant(d.MinSeverity(), d.Local())
	d.Plant(&stage.Test{From: netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), Set: p.set()})
	defer d.Plant(nil)
	begun := time.Now()
	if _, err := conn.Write(p.datagram(begun)); err != nil {
		return say(Step{What: "send a flow", Detail: err.Error()})
	}
	step := func(what string, ok bool, detail, id string) error {
		return say(Step{What: what, OK: ok, Took: time.Since(begun).Seconds(), Detail: detail, ID: id})
	}
	if err := step(fmt.Sprintf("sent a flow of NetFlow v5 to udp://%s", target), true, "", ""); err != nil {
		return err
	}
	var h *hit.Hit
	if !await(ctx, func() bool {
		h = d.Seen()
		return h != nil && p.is(h)
	}) {
		return step("received and matched", false, "it gave no hit: check alert.min_severity, alert.severity and mute", "")
	}
	if err := step("received and matched", true, fmt.Sprintf("severity %s, id %s", h.Severity, h.ID), h.ID); err != nil {
		return err
	}
	if err := step(d.inLog(ctx, tail, h.ID)); err != nil {
		return err
	}
	return d.delivered(ctx, h.ID, step)
}

// inLog waits for the line.
func (d *Dependencies) inLog(ctx context.Context, tail *logged.Tail, id string) (what string, ok bool, detail, _ string) {
	found := false
	ok = await(ctx, func() bool {
		err := tail.Next(func(h *hit.Hit) { found = found || h.ID == id })
		if err != nil {
			detail = err.Error()
		}
		return found
	})
	if !ok && detail == "" {
		detail = "the line did not come: see flowhound doctor"
	}
	return "written to " + d.LogPath(), ok, detail, id
}

// delivered waits for each output.
func (d *Dependencies) delivered(ctx context.Context, id string, step func(what string, ok bool, detail, id string) error) error {
	told := map[string]bool{}
	var failed error
	await(ctx, func() bool {
		all := true
		for _, o := range d.Outputs() {
			if told[o.Name] || failed != nil {
				continue
			}
			if o.Tested != id {
				all = false
				continue
			}
			told[o.Name] = true
			failed = step("delivered to output "+o.Name, true, "", id)
		}
		return all || failed != nil
	})
	for _, o := range d.Outputs() {
		if !told[o.Name] && failed == nil {
			failed = step("delivered to output "+o.Name, false, strings.TrimSpace("not yet, it waits and is tried again. "+o.Problem), id)
		}
	}
	return failed
}

// await looks again and again whether something is so; false: it was not in time.
func await(ctx context.Context, so func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		if so() {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// planted is what is planted: between addresses that are nobody's, of the networks for
// benchmarks (RFC 2544) and for documentation (RFC 5737).
type planted struct {
	src, dst     netip.Addr
	sport, dport uint16
	category     intel.Category
	score        uint8
}

// plant makes a flow whose hit is as harmless as alert.min_severity lets it be. No two
// are alike, so that none is folded into another.
func plant(lowest hit.Severity, local []netip.Prefix) *planted {
	n := rand.Uint32() //nolint:gosec // to differ, not to keep a secret
	p := &planted{
		src: netip.AddrFrom4([4]byte{198, 18 + byte(n>>16&1), byte(n >> 8), byte(n)}), dst: netip.AddrFrom4([4]byte{192, 0, 2, 253}),
		sport: uint16(49152 + rand.N(16384)), dport: uint16(10000 + rand.N(30000)), //nolint:gosec // as above
		category: intel.Other, score: 40,
	}
	switch {
	case lowest >= hit.High:
		p.category, p.score = intel.C2, 90
	case lowest == hit.Medium:
		p.category, p.score = intel.Scanner, 90
	case lowest == hit.Low:
		p.score = 90
	}
	for _, l := range local {
		if lowest == hit.Critical && l.Addr().Is4() && l.Bits() <= 24 { // only what an own host does is that
			a := l.Masked().Addr().As4()
			a[3] = byte(1 + n%250)
			p.src = netip.AddrFrom4(a)
			break
		}
	}
	return p
}

// is reports whether a hit is of this flow.
func (p *planted) is(h *hit.Hit) bool {
	return h.IsTest() && (h.Src == p.src && h.SrcPort == int(p.sport) || h.Dst == p.src && h.DstPort == int(p.sport))
}

// set has the one indicator.
func (p *planted) set() *intel.Set {
	b := intel.NewBuilder(hit.TestFeed)
	b.Add(&intel.Indicator{Prefix: netip.PrefixFrom(p.dst, 32), Category: p.category, Score: p.score, Name: Name})
	return intel.NewSet(b.Block())
}

// datagram is the flow as NetFlow v5: a connection with an answer, a moment ago.
func (p *planted) datagram(now time.Time) []byte {
	b := make([]byte, 24+48)
	be := binary.BigEndian
	be.PutUint16(b[0:], 5)
	be.PutUint16(b[2:], 1)
	be.PutUint32(b[4:], 100_000)            // ms since its boot
	be.PutUint32(b[8:], uint32(now.Unix())) //nolint:gosec // until 2106
	r := b[24:]
	src, dst := p.src.As4(), p.dst.As4()
	copy(r[0:], src[:])
	copy(r[4:], dst[:])
	be.PutUint32(r[16:], 4)      // packets
	be.PutUint32(r[20:], 1200)   // bytes
	be.PutUint32(r[24:], 99_000) // first
	be.PutUint32(r[28:], 99_900) // last
	be.PutUint16(r[32:], p.sport)
	be.PutUint16(r[34:], p.dport)
	r[37], r[38] = 0x1b, 6 // FIN, SYN, PSH, ACK; TCP
	return b
}
