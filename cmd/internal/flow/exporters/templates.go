package exporters

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/metric"
)

// saveEvery is how far the file may be behind what exporters sent: so little that even
// kill -9 costs no blind minutes.
const saveEvery = time.Second

// Templates keeps the templates that exporters sent over a restart, from Start to
// Stop. All but those two may be called concurrently.
type Templates struct {
	path string
	say  func(trouble string)

	store   *netflow.Store
	unsaved finding.Trouble
	damage  string // what of the file could not be read
	started time.Time
	stop    func()
}

// NewTemplates returns Templates that have read nothing yet. say writes a line about
// trouble; it must not wait.
func NewTemplates(path string, say func(trouble string)) *Templates {
	return &Templates{path: path, say: say, unsaved: finding.Trouble{
		Fails: "templates cannot be saved", Costs: "after a restart, flows cannot be read until exporters send their templates again",
		Report: func(_, msg string) { say(msg) },
	}}
}

// Start reads the file and begins to save. Damage costs the exporters that it hit some
// minutes, never the start.
func (t *Templates) Start(context.Context) error {
	var err error
	t.started = time.Now()
	if t.store, err = netflow.OpenStore(t.path); err != nil {
		t.damage = err.Error()
		t.say(t.damage)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		t.save(ctx)
	}()
	return nil
}

// Stop saves what changed. It may be called again, and without Start.
func (t *Templates) Stop(context.Context) error {
	if t.stop == nil {
		return nil
	}
	t.stop()
	t.stop = nil
	return t.store.Close()
}

// Store is for the decoders, after Start.
func (t *Templates) Store() *netflow.Store { return t.store }

// save writes what changed, and says when that begins to fail.
func (t *Templates) save(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.store.Changed():
		}
		t.unsaved.Note(t.store.Save())
		select {
		case <-ctx.Done():
			return
		case <-time.After(saveEvery):
		}
	}
}

// Findings says what is amiss with the file. Damage is until exporters have sent their
// templates again.
func (t *Templates) Findings(l *finding.List) {
	if t.store == nil {
		return
	}
	const again = 30 * time.Minute
	if t.damage != "" && time.Since(t.started) < again {
		l.Bad("make exporters send their templates every minute; check the disk: dmesg | tail", "%s", t.damage)
	}
	t.unsaved.Find(l.Bad, "free space in "+t.path+"'s folder, or see why it cannot be written")
}

var (
	descFile    = metric.Desc("templates_file_bytes", "Size of the template file, which keeps templates over a restart.")
	descWritten = metric.Desc("templates_written_bytes_total", "Bytes written to the template file.")
	descDamaged = metric.Desc("templates_damaged_bytes_total", "Damaged bytes found when the template file was read.")
	descFailed  = metric.Desc("templates_save_failures_total", "Failures to write the template file.")
)

// Describe sends nothing: the series are those of Collect.
func (t *Templates) Describe(chan<- *prometheus.Desc) {}

// Collect reports on the file.
func (t *Templates) Collect(ch chan<- prometheus.Metric) {
	if t.store == nil {
		return
	}
	to, s := metric.To(ch), t.store.Stats()
	to.Gauge(descFile, float64(s.Bytes))
	to.Counter(descWritten, s.Written)
	to.Counter(descDamaged, uint64(s.Lost))
	to.Counter(descFailed, s.Failures)
}
