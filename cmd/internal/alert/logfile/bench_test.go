package logfile

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
)

// BenchmarkLine is from a hit that is said to its line in the file, with nothing else
// to do: by way of the journal's disk, for each of its Syncs.
func BenchmarkLine(b *testing.B) {
	for _, mode := range []journal.Sync{journal.SyncNever, journal.SyncSecond, journal.SyncAlways} {
		b.Run(string(mode), func(b *testing.B) {
			j, err := journal.Open(journal.Options{Dir: b.TempDir(), Sync: mode})
			if err != nil {
				b.Fatal(err)
			}
			j.Keep(1 << 60)
			f, err := New(Config{Path: filepath.Join(b.TempDir(), "alerts.log")}, Dependencies{Journal: j})
			if err == nil {
				err = f.Start(b.Context())
			}
			if err != nil {
				b.Fatal(err)
			}
			lines := uint64(0)
			for b.Loop() {
				h := numbered(1)
				if _, err := j.Append(&journal.Record{To: []string{Cursor}, Hit: h}); err != nil {
					b.Fatal(err)
				}
				for lines++; f.Stats().Lines < lines; {
					time.Sleep(time.Microsecond)
				}
			}
			if err := f.Stop(b.Context()); err != nil {
				b.Error(err)
			}
			if err := j.Close(b.Context()); err != nil {
				b.Error(err)
			}
		})
	}
}
