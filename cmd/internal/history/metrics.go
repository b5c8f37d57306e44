package history

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/cmd/internal/metric"
	"github.com/flowhound/flowhound/plugin/text"
)

var (
	descBytes   = metric.Desc("history_bytes", "Bytes of the flows that are kept.")
	descRecords = metric.Desc("history_records_total", "Flow records written to the history.")
)

// queue is the label of the lanes in the families that all queues share.
const queue = "history"

// Describe sends nothing: the families are known when they are collected.
func (h *History) Describe(chan<- *prometheus.Desc) {}

// Collect is a prometheus.Collector.
func (h *History) Collect(ch chan<- prometheus.Metric) {
	to := metric.To(ch)
	depth, dropped := h.Queue()
	to.Gauge(metric.QueueDepth, float64(depth), queue)
	to.Counter(metric.QueueDropped, dropped, queue)
	to.Counter(descRecords, h.totals.records.Load())
	if r := h.live.Load(); r != nil {
		if w := r.writer.Load(); w != nil {
			to.Gauge(descBytes, float64(w.Size()))
		}
	}
}

// Queue returns how many flows wait to be written, and how many were dropped.
func (h *History) Queue() (depth int, dropped uint64) {
	for _, e := range h.lanes {
		depth += e.lane.Depth()
	}
	return depth, h.totals.dropped.Load() + h.tooFast()
}

// Health tells /healthz what keeps flows from being kept.
func (h *History) Health(l *finding.List) {
	h.findTroubles(l)
}

// Findings tells doctor how the history is.
func (h *History) Findings(l *finding.List) {
	if off := h.off.Load(); off != nil {
		if h.config.Load().Enabled {
			l.Warn("set history.dir to a larger disk, or history.enabled to false", "%s", *off)
		} else {
			l.OK("%s", *off)
		}
		return
	}
	if h.findTroubles(l) {
		return
	}
	dir := h.config.Load().Dir
	s, err := dataset.Summarize(dir)
	if err != nil {
		l.Bad("", "history: %v", err)
		return
	}
	if len(s.Damaged) > 0 {
		l.Warn("flowhound history verify", "history: %d damaged files were set aside in %s, the first is %s", len(s.Damaged), dataset.DamagedDir(dir), s.Damaged[0])
	}
	if n := h.tooFast(); n > 0 {
		l.Warn(fixTooFast, "history: %s not kept since the start: %s", text.Count(n, "flow was", "flows were"), whyTooFast)
	}
	if last := time.Unix(0, s.Last); last.After(h.now().Add(day)) {
		l.Warn("stop flowhound, and rm -r the folders of days to come in "+dir, "history: flows arrived until %s by a clock that was wrong; they are kept until that time is older than history.keep",
			last.UTC().Format(time.RFC3339))
	}
	if held := h.held.Load(); held != nil {
		l.Warn("timedatectl", "history: %s", *held)
	}
	l.OK("history keeps %d flows in %d MB in %s", s.Flows, s.Bytes/1_000_000, dir)
}
