package journal

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/metric"
)

var (
	descBytes    = metric.Desc("journal_bytes", "Bytes of the journal on disk.")
	descMemory   = metric.Desc("journal_memory_bytes", "Bytes of records that wait in memory for the disk.")
	descAppended = metric.Desc("journal_records_total", "Records that were put into the journal.")
	descDirect   = metric.Desc("journal_from_memory_total", "Records that were delivered from memory, because the disk could not be written or did not answer.")
	descLost     = metric.Desc("journal_lost_total", "Records of the journal that are lost, by reason.", "reason")
	descErrors   = metric.Desc("journal_errors_total", "Failed attempts to write or sync the journal.")
)

// Describe sends nothing.
func (j *Journal) Describe(chan<- *prometheus.Desc) {}

// Collect reports the counts.
func (j *Journal) Collect(ch chan<- prometheus.Metric) {
	s, to := j.Stats(), metric.To(ch)
	to.Gauge(descBytes, float64(s.Bytes))
	to.Gauge(descMemory, float64(s.Waiting))
	to.Counter(descAppended, s.Appended)
	to.Counter(descDirect, s.Memory)
	to.Counter(descLost, s.Evicted, "memory")
	to.Counter(descLost, s.Damaged, "damaged")
	to.Counter(descErrors, s.Errors)
}

// Findings says what is wrong.
func (j *Journal) Findings(l *finding.List) {
	s, fix := j.Stats(), "df -h "+j.o.Dir+"; df -i "+j.o.Dir
	if s.Write != "" {
		l.Bad(fix, "data_dir cannot be written: %s; hits are delivered from memory, and a crash would lose those that wait (%d bytes)", s.Write, s.Waiting)
	}
	j.unsyncable.Find(l.Bad, "dmesg | tail")
	if s.Late {
		l.Warn("iostat -x 1; dmesg | tail", "the disk of data_dir does not answer: hits are delivered from memory")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.cursors {
		c.unsaved.Find(l.Bad, fix)
	}
}
