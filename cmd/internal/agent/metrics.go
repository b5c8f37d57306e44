package agent

import (
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promcollectors "github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/flowhound/flowhound/cmd/internal/alert/output"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/plugin/hit"
)

// maxExporterLabels bounds the series; what comes after is labelled "other".
const maxExporterLabels = 1024

// metrics hands the counters that the stages keep anyway to Prometheus when it
// asks, so that counting costs the flow path nothing.
type metrics struct {
	agent    *Agent
	registry *prometheus.Registry
	mu       sync.Mutex
	labels   map[netip.Addr]string // of the first exporters
	hits     *prometheus.CounterVec
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("flowhound_"+name, help, labels, nil)
}

var (
	descDatagrams  = desc("datagrams_total", "Datagrams received, by protocol version.", "version")
	descRecords    = desc("records_total", "Flow records decoded, by protocol version.", "version")
	descDrops      = desc("udp_drops_total", "Datagrams that the kernel dropped because a socket buffer was full.")
	descRefused    = desc("datagrams_refused_total", "Datagrams of exporters that exporters.allow does not name.")
	descMalformed  = desc("malformed_total", "Parts of datagrams that could not be read, by reason.", "reason")
	descGap        = desc("exporter_gap_total", "Flows (v5), datagrams (v9) or records (IPFIX) missing by the exporter's sequence numbers.", "exporter")
	descNoTemplate = desc("sets_without_template_total", "Sets that came before their template.", "exporter")
	descExpDgrams  = desc("exporter_datagrams_total", "Datagrams received, by exporter.", "exporter")
	descExpRecords = desc("exporter_records_total", "Flow records decoded, by exporter.", "exporter")
	descTemplates  = desc("templates", "Templates held, by exporter.", "exporter")
	descForgotten  = desc("exporters_forgotten_total", "Exporters that had to make room for others.")
	descAddrless   = desc("records_without_address_total", "Data records without any address.")
	descLookups    = desc("lookups_total", "Addresses looked up.")
	descFolded     = desc("hits_folded_total", "Flow records that hit and were folded into a later line.")
	descMuted      = desc("hits_below_severity_total", "Hits below alert.min_severity.")
	descMutes      = desc("muted_total", "Flow records that hit and were muted, by entry.", "mute")
	descKeys       = desc("fold_keys", "Keys in the table that folds hits.")
	descDepth      = desc("queue_depth", "Entries waiting, by queue.", "queue")
	descDropped    = desc("dropped_total", "Entries lost because a queue was full, by queue.", "queue")
	descOutHits    = desc("output_hits_total", "Hits by output and what became of them; retried counts attempts.", "output", "result")
	descOutOldest  = desc("output_oldest_seconds", "How long the oldest hit that an output has not delivered waits.", "output")
	descOutBytes   = desc("output_spool_bytes", "Bytes of an output's spool.", "output")
	descOutUp      = desc("output_up", "1 while an output delivers, 0 while it is down.", "output")
	descOutMemory  = desc("output_memory_bytes", "Resident memory of an output's plugin.", "output")
	descOutStarts  = desc("output_restarts_total", "How often an output's plugin was started again.", "output")
	descLogErrors  = desc("log_errors_total", "Failed writes of the alert log.")
)

func newMetrics(a *Agent) *metrics {
	m := &metrics{
		agent:    a,
		registry: prometheus.NewRegistry(),
		labels:   map[netip.Addr]string{},
		hits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flowhound_hits_total", Help: "Hits reported, by kind, severity and direction.",
		}, []string{"kind", "severity", "direction"}),
	}
	m.registry.MustRegister(m, m.hits, a.feeds, a.exports, a.dnsbl, promcollectors.NewGoCollector(), promcollectors.NewProcessCollector(promcollectors.ProcessCollectorOpts{}))
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
	m.collectFlows(counter, gauge)

	counter(descDrops, a.kernelDrops())
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

// collectFlows reports what the workers count.
func (m *metrics) collectFlows(counter func(*prometheus.Desc, uint64, ...string), gauge func(*prometheus.Desc, float64, ...string)) {
	var total netflow.Counters
	var forgotten uint64
	stats := m.agent.decoderStats()
	for i := range stats {
		total.Add(&stats[i].Total)
		forgotten += stats[i].Forgotten
	}
	counts := m.agent.counts()
	for i, v := range netflow.Versions {
		counter(descDatagrams, total.Datagrams[i], v)
		counter(descRecords, total.Records[i], v)
	}
	for r := range netflow.NumReasons {
		counter(descMalformed, total.Malformed[r], netflow.Reason(r).String())
	}
	counter(descAddrless, total.Addressless)
	counter(descLookups, counts.Lookups)
	counter(descRefused, counts.Refused)
	counter(descForgotten, forgotten)

	byLabel := map[string]*netflow.ExporterStats{}
	for _, s := range exportersOf(stats) {
		gather(byLabel, m.label(s.Exporter), s)
	}
	for l, s := range byLabel {
		counter(descExpDgrams, sum(s.Datagrams), l)
		counter(descExpRecords, sum(s.Records), l)
		counter(descGap, sum(s.Lost), l)
		counter(descNoTemplate, s.SetsWithoutTemplate, l)
		gauge(descTemplates, float64(s.Templates), l)
	}
}

func (m *metrics) label(exporter netip.Addr) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l, ok := m.labels[exporter]; ok {
		return l
	}
	if len(m.labels) >= maxExporterLabels {
		return "other"
	}
	l := exporter.String()
	m.labels[exporter] = l
	return l
}
