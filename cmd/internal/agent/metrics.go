package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promcollectors "github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/flowhound/flowhound/cmd/internal/alert/output"
	"github.com/flowhound/flowhound/plugin/hit"
)

// metrics hands the counters that the stages keep anyway to Prometheus when it
// asks, so that counting costs the flow path nothing.
type metrics struct {
	agent    *Agent
	registry *prometheus.Registry
	hits     *prometheus.CounterVec
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("flowhound_"+name, help, labels, nil)
}

var (
	descFolded    = desc("hits_folded_total", "Flow records that hit and were folded into a later line.")
	descMuted     = desc("hits_below_severity_total", "Hits below alert.min_severity.")
	descMutes     = desc("muted_total", "Flow records that hit and were muted, by entry.", "mute")
	descKeys      = desc("fold_keys", "Keys in the table that folds hits.")
	descDepth     = desc("queue_depth", "Entries waiting, by queue.", "queue")
	descDropped   = desc("dropped_total", "Entries lost because a queue was full, by queue.", "queue")
	descOutHits   = desc("output_hits_total", "Hits by output and what became of them; retried counts attempts.", "output", "result")
	descOutOldest = desc("output_oldest_seconds", "How long the oldest hit that an output has not delivered waits.", "output")
	descOutBytes  = desc("output_spool_bytes", "Bytes of an output's spool.", "output")
	descOutUp     = desc("output_up", "1 while an output delivers, 0 while it is down.", "output")
	descOutMemory = desc("output_memory_bytes", "Resident memory of an output's plugin.", "output")
	descOutStarts = desc("output_restarts_total", "How often an output's plugin was started again.", "output")
	descLogErrors = desc("log_errors_total", "Failed writes of the alert log.")
)

func newMetrics(a *Agent) *metrics {
	m := &metrics{
		agent:    a,
		registry: prometheus.NewRegistry(),
		hits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowhound_hits_total", Help: "Hits reported, by kind, severity and direction.",
		}, []string{"kind", "severity", "direction"}),
	}
	m.registry.MustRegister(m, m.hits, a.stage, a.sockets, a.exporters, a.feeds, a.exports, a.dnsbl, promcollectors.NewGoCollector(), promcollectors.NewProcessCollector(promcollectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) countHit(h *hit.Hit) {
	m.hits.WithLabelValues(string(h.Kind), h.Severity.String(), string(h.Direction)).Inc()
}

// Describe sends nothing: which series exist depends on what was seen.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect asks every stage for its counters.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	a := m.agent
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	table := a.alerts.stats.Load()
	counter(descFolded, table.Folded)
	counter(descMuted, table.Muted)
	for mute, n := range m.muted() {
		counter(descMutes, n, mute)
	}
	gauge(descKeys, float64(table.Keys))
	gauge(descDepth, float64(len(a.alerts.queue)), "alerts")
	counter(descDropped, a.alerts.lost(), "alerts")
	logged := a.file.Load().Stats()
	gauge(descDepth, float64(logged.QueueDepth), "log")
	counter(descDropped, logged.Dropped, "log")
	counter(descLogErrors, logged.Errors)

	m.collectOutputs(counter, gauge)
}

// muted counts by what the entries say: two may say the same, with different ends.
func (m *metrics) muted() map[string]uint64 {
	out := make(map[string]uint64)
	for _, mute := range m.agent.stage.State().Policy.Mutes() {
		out[mute.String()] += mute.Count
	}
	return out
}

// collectOutputs reports how the outputs are doing.
func (m *metrics) collectOutputs(counter func(*prometheus.Desc, uint64, ...string), gauge func(*prometheus.Desc, float64, ...string)) {
	for _, o := range m.agent.outputs.states() {
		counter(descOutHits, o.Accepted, o.Name, "accepted")
		counter(descOutHits, o.Delivered, o.Name, "delivered")
		counter(descOutHits, o.Retried, o.Name, "retried")
		counter(descOutHits, o.Dropped, o.Name, "dropped")
		counter(descOutHits, o.Dead, o.Name, "dead")
		gauge(descDepth, float64(o.Depth), "output:"+o.Name)
		counter(descDropped, o.Dropped, "output:"+o.Name)
		oldest, up := 0.0, 1.0
		if !o.Oldest.IsZero() {
			oldest = time.Since(o.Oldest).Seconds()
		}
		if o.Status == output.Down {
			up = 0
		}
		gauge(descOutOldest, oldest, o.Name)
		gauge(descOutUp, up, o.Name)
		gauge(descOutBytes, float64(o.Bytes), o.Name)
		gauge(descOutMemory, float64(o.Memory), o.Name)
		counter(descOutStarts, uint64(o.Restarts), o.Name)
	}
}
