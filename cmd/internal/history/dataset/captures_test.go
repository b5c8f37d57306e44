package dataset

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/printed"
	"github.com/flowhound/flowhound/cmd/internal/history/foreign"
	"github.com/flowhound/flowhound/cmd/internal/history/wal"
)

var captures = flag.String("captures", "../../../../testdata/pcap/*.pcap.gz", "which captures TestCaptures takes")

// What real exporters sent comes back, with every field: from the log, from parts, and
// from the files that hours are made of.
func TestCaptures(t *testing.T) {
	paths, err := filepath.Glob(*captures)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: no capture, %v", *captures, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var want []flow.Record
			if _, err := foreign.NewReader(printed.Options{}).Read(t.Context(), f, func(b []flow.Record) error {
				want = append(want, b...)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if len(want) == 0 {
				return // traffic without NetFlow, or templates alone
			}
			w := create(t, t.TempDir())
			segment, err := wal.NewWriter(LogDir(w.Dir), w.LogID()).Create(1)
			if err != nil {
				t.Fatal(err)
			}
			for rest := want; len(rest) > 0; rest = rest[min(len(rest), 100):] {
				if _, err := segment.Append(rest[:min(len(rest), 100)]); err != nil {
					t.Fatal(err)
				}
			}
			if err := segment.Close(); err != nil {
				t.Fatal(err)
			}
			same(t, "the log", all(t, w.Dir, time.Time{}, time.Time{}), want)
			if err := w.Part(1, append([]flow.Record(nil), want...)); err != nil {
				t.Fatal(err)
			}
			same(t, "parts", all(t, w.Dir, time.Time{}, time.Time{}), want)
			if err := w.Tidy(t.Context(), time.Unix(0, want[len(want)-1].Received).AddDate(0, 0, 2)); err != nil {
				t.Fatal(err)
			}
			same(t, "hours", all(t, w.Dir, time.Time{}, time.Time{}), want)
		})
	}
}
