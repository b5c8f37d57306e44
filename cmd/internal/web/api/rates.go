package api

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

const (
	lookEvery = 5 * time.Second
	slotTime  = 15 * time.Minute
	slots     = 96 // a day
	// mostRates bounds the counters whose past is kept, 800 B each.
	mostRates = 2048
)

// watched are the counters whose pace is shown, and the label that tells one from
// another.
var watched = map[string]string{
	"flowhound_records_total":               "",
	"flowhound_exporter_records_total":      "exporter",
	"flowhound_exporter_gap_total":          "exporter",
	"flowhound_output_hits_total":           "output",
	"flowhound_udp_drops_total":             "",
	"flowhound_dropped_total":               "queue",
	"flowhound_sets_without_template_total": "",
}

// rates looks at the agent's own metrics every few seconds, so that pages show what
// /metrics says, and how it moves.
type rates struct {
	metrics prometheus.Gatherer

	mu     sync.Mutex
	all    map[string]*rate
	gauges map[string]float64
}

// rate is the pace of one counter.
type rate struct {
	now    float64 // a second, over the last few
	last   float64 // the counter
	at     time.Time
	slot   int64          // number of the newest slot since 1970
	counts [slots]float64 // what came in each slot
	first  int64          // number of the first slot
}

func newRates(g prometheus.Gatherer) *rates {
	return &rates{metrics: g, all: map[string]*rate{}, gauges: map[string]float64{}}
}

func (x *rates) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		x.look(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look takes over what the counters are now.
func (x *rates) look(now time.Time) {
	families, _ := x.metrics.Gather() // what can be had
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range families {
		label, ok := watched[f.GetName()]
		if !ok {
			if m := f.GetMetric(); f.GetType() == dto.MetricType_GAUGE && len(m) == 1 && len(m[0].GetLabel()) == 0 {
				x.gauges[f.GetName()] = m[0].GetGauge().GetValue()
			}
			continue
		}
		sums := map[string]float64{}
		for _, m := range f.GetMetric() {
			if f.GetName() == "flowhound_output_hits_total" && labelOf(m, "result") != "delivered" {
				continue
			}
			sums[f.GetName()+" "+labelOf(m, label)] += m.GetCounter().GetValue() + m.GetUntyped().GetValue()
		}
		for key, v := range sums {
			x.note(key, v, now)
		}
	}
}

func labelOf(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// note takes a counter's value. mu is held.
func (x *rates) note(key string, v float64, now time.Time) {
	slot := now.UnixNano() / int64(slotTime)
	r := x.all[key]
	if r == nil {
		if len(x.all) < mostRates {
			x.all[key] = &rate{last: v, at: now, slot: slot, first: slot}
		}
		return
	}
	for ; r.slot < slot; r.slot++ {
		r.counts[(r.slot+1)%slots] = 0
		if slot-r.slot > slots {
			r.slot = slot - slots
		}
	}
	if d := v - r.last; d >= 0 {
		r.counts[slot%slots] += d
		if s := now.Sub(r.at).Seconds(); s > 0 {
			r.now = d / s
		}
	}
	r.last, r.at = v, now
}

// of returns a counter's pace a second now, and its mean in each quarter of an hour of
// the last day, the oldest first, nil before it was known.
func (x *rates) of(name, label string, now time.Time) (rate float64, day []*float64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.all[name+" "+label]
	if r == nil {
		return 0, []*float64{}
	}
	newest := now.UnixNano() / int64(slotTime)
	for i := newest - slots + 1; i <= newest; i++ {
		if i < r.first || i > r.slot {
			day = append(day, nil)
			continue
		}
		seconds := slotTime.Seconds()
		if i == newest {
			seconds = max(lookEvery.Seconds(), float64(now.UnixNano()%int64(slotTime))/1e9)
		}
		v := r.counts[i%slots] / seconds
		day = append(day, &v)
	}
	return r.now, day
}

// recent returns what a counter gained within the last hour, to a quarter of one.
func (x *rates) recent(name, label string, now time.Time) (n float64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.all[name+" "+label]
	if r == nil {
		return 0
	}
	newest := now.UnixNano() / int64(slotTime)
	for i := newest - 3; i <= newest; i++ {
		if i >= r.first && i <= r.slot {
			n += r.counts[i%slots]
		}
	}
	return n
}

// value returns a counter as it is, or a gauge.
func (x *rates) value(name string) float64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r := x.all[name+" "]; r != nil {
		return r.last
	}
	return x.gauges[name]
}

// sum adds up what counters of a name are, of the labels that are wanted.
func (x *rates) sum(name string, want func(label string) bool) (n float64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for key, r := range x.all {
		if label, ok := strings.CutPrefix(key, name+" "); ok && want(label) {
			n += r.last
		}
	}
	return n
}
