// Package metric is what the collectors of all parts share: the prefix of names,
// and the two families that have a series for every queue, whosever it is.
package metric

import "github.com/prometheus/client_golang/prometheus"

// The families that every part with a queue reports.
var (
	QueueDepth   = Desc("queue_depth", "Entries waiting, by queue.", "queue")
	QueueDropped = Desc("dropped_total", "Entries lost because a queue was full, by queue.", "queue")
)

// Desc describes the family flowhound_name.
func Desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("flowhound_"+name, help, labels, nil)
}

// To sends metrics to where a Collector has to.
type To chan<- prometheus.Metric

// Counter sends a count that only grows.
func (t To) Counter(d *prometheus.Desc, v uint64, labels ...string) {
	t <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

// Gauge sends a value.
func (t To) Gauge(d *prometheus.Desc, v float64, labels ...string) {
	t <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}
