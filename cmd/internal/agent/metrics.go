package agent

import (
	"github.com/prometheus/client_golang/prometheus"
	promcollectors "github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics hands the counters that the stages keep anyway to Prometheus when it
// asks, so that counting costs the flow path nothing.
type metrics struct {
	agent    *Agent
	registry *prometheus.Registry
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("flowhound_"+name, help, labels, nil)
}

var (
	descMutes = desc("muted_total", "Flow records that hit and were muted, by entry.", "mute")
)

func newMetrics(a *Agent) *metrics {
	m := &metrics{
		agent:    a,
		registry: prometheus.NewRegistry(),
	}
	m.registry.MustRegister(m, a.stage, a.sockets, a.exporters, a.templates, a.feeds, a.exports, a.dnsbl, promcollectors.NewGoCollector(), promcollectors.NewProcessCollector(promcollectors.ProcessCollectorOpts{}))
	return m
}

// Describe sends nothing: which series exist depends on what was seen.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect asks every stage for its counters.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for mute, n := range m.muted() {
		counter(descMutes, n, mute)
	}
}

// muted counts by what the entries say: two may say the same, with different ends.
func (m *metrics) muted() map[string]uint64 {
	out := make(map[string]uint64)
	for _, mute := range m.agent.stage.State().Policy.Mutes() {
		out[mute.String()] += mute.Count
	}
	return out
}
