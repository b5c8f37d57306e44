package run

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/alert/output"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/metric"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/host"
)

// State is how one output is doing.
type State struct {
	Name string `json:"name"`
	Type string `json:"type"`
	output.Stats
	// Plugin is "" without a running agent.
	Plugin   string `json:"plugin_version,omitempty"`
	PID      int    `json:"pid,omitempty"`
	Restarts int    `json:"restarts,omitempty"`
	Memory   int64  `json:"memory,omitempty"` // bytes
}

// States returns how the outputs are doing, in the configuration's order.
func (o *Outputs) States() []State {
	running := o.look()
	states := make([]State, len(running))
	for i, d := range running {
		p := d.plugin.State()
		states[i] = State{
			Name: d.cfg.Name, Type: d.cfg.Type, Stats: d.out.Stats(),
			Plugin: p.Version, PID: p.PID, Restarts: p.Restarts, Memory: p.Memory,
		}
	}
	return states
}

// ErrNoOutput says that no output of a name runs.
var ErrNoOutput = errors.New("there is no such output")

// find returns the output of this name.
func (o *Outputs) find(name string) (*delivery, error) {
	running := o.look()
	at := slices.IndexFunc(running, func(d *delivery) bool { return d.cfg.Name == name })
	if at < 0 {
		return nil, ErrNoOutput
	}
	return running[at], nil
}

// Names returns the outputs' names, in the configuration's order.
func (o *Outputs) Names() (names []string) {
	for _, d := range o.look() {
		names = append(names, d.cfg.Name)
	}
	return names
}

// Test has the output of this name deliver TestHit.
func (o *Outputs) Test(ctx context.Context, name string) error {
	d, err := o.find(name)
	if err != nil {
		return err
	}
	if problem := problem(d.plugin); problem != "" {
		return errors.New(problem)
	}
	return d.out.Test(ctx, TestHit(time.Now()))
}

// Setup has the plugin of the output of this name prepare its target.
func (o *Outputs) Setup(ctx context.Context, name string) error {
	d, err := o.find(name)
	if err != nil {
		return err
	}
	c := o.conf()
	return host.Setup(ctx, c.Host(&d.cfg, o.d.Version, o.d.Log))
}

// ReplayDead puts the dead letters of the output of this name into the journal again.
func (o *Outputs) ReplayDead(ctx context.Context, name string) (output.Replayed, error) {
	d, err := o.find(name)
	if err != nil {
		return output.Replayed{}, err
	}
	return d.out.ReplayDead(ctx)
}

// readyTime is how long a test waits for a plugin that was just started.
const readyTime = 15 * time.Second

// TestAlone delivers TestHit by a plugin that is started for it, within timeout.
func TestAlone(ctx context.Context, h host.Options, timeout time.Duration) error {
	p := host.New(h)
	p.Start()
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		_ = p.Stop(closing) // what it says of its end is no answer to the test
	}()
	ready, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for !p.State().Ready {
		select {
		case <-p.Changed():
		case <-ready.Done():
			return errors.New(problem(p))
		}
		if s := p.State(); !s.Ready && s.Problem != "" && s.Restarts > 0 {
			return errors.New(s.Problem)
		}
	}
	writing, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return p.Write(writing, []hit.Hit{*TestHit(time.Now())})
}

// TestHit is what an output is tested with: a hit that nobody takes for a real one.
func TestHit(now time.Time) *hit.Hit {
	now = now.UTC()
	ioc := netip.MustParsePrefix("203.0.113.99/32") // RFC 5737: documentation
	return &hit.Hit{
		Kind: hit.New, Severity: hit.Info, Direction: hit.Outbound, State: hit.Unknown, Category: "other", Feed: "flowhound-test",
		IOC: ioc, Src: netip.MustParseAddr("192.0.2.1"), SrcPort: 50000, Dst: ioc.Addr(), DstPort: 443, Proto: 6,
		Count: 1, Start: now, End: now, First: now, Last: now, Time: now,
		ID: fmt.Sprintf("test%d-1", now.UnixNano()), Name: "Test of this output by flowhound output test",
		Local: netip.MustParseAddr("192.0.2.1"), Remote: ioc.Addr(), Matched: hit.MatchedDst,
		Indicators: []hit.Indicator{{IOC: ioc, Feed: "flowhound-test", Category: "other", Name: "Test of this output by flowhound output test"}},
	}
}

var (
	descHits   = metric.Desc("output_hits_total", "Hits by output and result; retried counts attempts.", "output", "result")
	descOldest = metric.Desc("output_oldest_seconds", "Age of the oldest hit that an output has not delivered.", "output")
	descBytes  = metric.Desc("output_spool_bytes", "Bytes of the journal that wait for an output.", "output")
	descUp     = metric.Desc("output_up", "1 while an output delivers, 0 while it is down.", "output")
	descMemory = metric.Desc("output_memory_bytes", "Resident memory of an output's plugin.", "output")
	descStarts = metric.Desc("output_restarts_total", "Restarts of an output's plugin.", "output")
)

// Describe sends nothing: which series exist depends on the configuration.
func (o *Outputs) Describe(chan<- *prometheus.Desc) {}

// Collect reports how the outputs are doing.
func (o *Outputs) Collect(ch chan<- prometheus.Metric) {
	to := metric.To(ch)
	for _, s := range o.States() {
		for result, n := range map[string]uint64{
			"accepted": s.Accepted, "delivered": s.Delivered, "retried": s.Retried, "dropped": s.Dropped, "dead": s.Dead,
		} {
			to.Counter(descHits, n, s.Name, result)
		}
		to.Gauge(metric.QueueDepth, float64(s.Depth), "output:"+s.Name)
		to.Counter(metric.QueueDropped, s.Dropped, "output:"+s.Name)
		oldest, up := 0.0, 1.0
		if !s.Oldest.IsZero() {
			oldest = time.Since(s.Oldest).Seconds()
		}
		if s.Status == output.Down {
			up = 0
		}
		to.Gauge(descOldest, oldest, s.Name)
		to.Gauge(descUp, up, s.Name)
		to.Gauge(descBytes, float64(s.Bytes), s.Name)
		to.Gauge(descMemory, float64(s.Memory), s.Name)
		to.Counter(descStarts, uint64(s.Restarts), s.Name)
	}
}

// Findings says which outputs deliver and what became of hits that they did not.
func (o *Outputs) Findings(l *finding.List) {
	c, fine := o.conf(), 0
	for _, s := range o.States() {
		tryIt := "flowhound output list; flowhound output test " + s.Name
		switch s.Status {
		case output.OK:
			fine++
		case output.Trying:
			l.Warn(tryIt, "output %s does not deliver at the moment: %s; %d hits wait", s.Name, s.Problem, s.Depth)
		case output.Dropping:
			l.Bad(tryIt, "output %s drops hits: %s; %d are lost and %d dead letters since the start", s.Name, s.Problem, s.Dropped, s.Dead)
		default:
			l.Bad(tryIt, "output %s is %s: %s; %d hits wait, %d are lost", s.Name, s.Status, s.Problem, s.Depth, s.Dropped)
		}
	}
	for _, d := range o.look() {
		if n := d.out.Letters(); n > 0 {
			l.Warn("see why in "+c.DeadDir(d.cfg.Name)+", then: flowhound output replay-dead "+d.cfg.Name,
				"output %s has %d dead letters: hits that its target refused, or could not take for too long", d.cfg.Name, n)
		}
	}
	if fine > 0 {
		l.OK("%d outputs deliver", fine)
	}
}
