package journal

import (
	"net/netip"
	"os"
	"testing"

	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/plugintest"
)

// TestJournalOfJSON: what a version that kept hits as JSON has left (testdata/json: two
// hits for log and siem, a line for log) is delivered, and the journal goes on.
func TestJournalOfJSON(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/json")); err != nil {
		t.Fatal(err)
	}
	j := open(t, dir, Options{})
	log, siem := j.Cursor("log", 0), j.Cursor("siem", 0)
	r, err := log.Next()
	if err != nil || r == nil || r.Hit == nil {
		t.Fatalf("%+v, %v", r, err)
	}
	h, want := r.Hit, netip.MustParseAddr("198.51.100.7")
	if h.ID != "7k3m9q2v8w1xz-1" || h.Dst != want || h.Severity != hit.High || h.DstPort != 443 || h.Name != "Emotet wave 3" || r.At.UnixNano() != h.Time.UnixNano() {
		t.Errorf("%+v at %s", h, r.At)
	}
	add(t, j, 4, 4, "log", "siem")
	wantIDs(t, "log", take(t, log, true), []string{"7k3m9q2v8w1xz-2", "from yesterday", "4"})
	wantIDs(t, "siem", take(t, siem, true), []string{"7k3m9q2v8w1xz-1", "7k3m9q2v8w1xz-2", "4"})
	if s := j.Stats(); s.Damaged > 0 || len(s.Damage) > 0 {
		t.Errorf("%+v", s)
	}
	shut(t, j)
}

func BenchmarkRecord(b *testing.B) {
	h := plugintest.Hits(1)[0]
	r := &Record{To: []string{"log", "siem"}, Hit: &h}
	if err := r.encode(); err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := r.encode(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(r.payload)), "bytes")
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var got Record
			kind, body, err := got.decode(r.payload)
			if got.fill(kind, body); err != nil || got.Hit == nil {
				b.Fatal(err)
			}
		}
	})
}
