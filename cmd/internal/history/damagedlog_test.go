package history

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/cmd/internal/history/wal"
)

// A log that a killed process has left and that is damaged before its end is set aside
// and named; the flows in its other blocks are kept.
func TestDamagedLog(t *testing.T) {
	dir := t.TempDir()
	w, err := dataset.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := wal.NewWriter(dataset.LogDir(dir), w.LogID()).Create(1)
	if err != nil {
		t.Fatal(err)
	}
	var hit int64
	for n := range 3 {
		hit = s.Size + 40
		if _, err := s.Append(numbered(n*wal.MaxBlock, wal.MaxBlock).Records); err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			b, err := os.ReadFile(wal.Path(dataset.LogDir(dir), 1))
			if err != nil {
				t.Fatal(err)
			}
			b[hit] ^= 1
			if err := os.WriteFile(wal.Path(dataset.LogDir(dir), 1), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var told []string
	if _, bad, err := dataset.VerifyAll(t.Context(), dir, func(name string, _ error) { told = append(told, name) }); err != nil || bad != 1 {
		t.Errorf("verify names %q: %v", told, err)
	}
	h, _, heard := started(t, config(dir), 0)
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sum, err := dataset.Summarize(dir); err != nil || sum.Flows != 2*wal.MaxBlock || sum.LogBytes != 0 {
		t.Errorf("%+v, %v", sum, err)
	}
	aside := filepath.Join(dataset.DamagedDir(dir), "log-0000000001.wal")
	if _, err := os.Stat(aside); err != nil || !strings.Contains(heard.all(), "log/0000000001.wal, which is damaged: ") {
		t.Errorf("%v; said %q", err, heard.all())
	}
}
