package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/wal"
)

// Files that somebody puts into a day while it is written, whatever their names say,
// cost no flow, and a segment that is filed twice stands there once.
func TestForeignFiles(t *testing.T) {
	w := create(t, t.TempDir())
	dir := filepath.Join(w.Dir, dayOf(noon.UnixNano()))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile("../column/testdata/version1.parquet")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"00-h0000000780.parquet": old, "00-h0000000781.parquet": old[:9000], "00-h0000000782.parquet": {}, "00-h0000000783.parquet": []byte("of another kind")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := conversations(200, noon)
	for number := range uint64(2) {
		for range 2 {
			if err := w.Part(number+1, slices.Clone(want[100*number:100*number+100])); err != nil {
				t.Fatal(err)
			}
		}
	}
	snap := snapshot(t, w.Dir)
	if len(snap.Files) != 3 || len(snap.Damaged) != 3 {
		t.Errorf("%d files, %q are damaged", len(snap.Files), snap.Damaged)
	}
	var got []flow.Record
	for _, r := range records(t, snap) {
		if r.Received >= noon.Add(-time.Hour).UnixNano() && r.Received <= noon.Add(time.Hour).UnixNano() {
			got = append(got, r)
		}
	}
	same(t, "beside foreign files", got, want)
}

// logged writes records as a segment of a data set's log.
func logged(t *testing.T, w *Writer, number uint64, records []flow.Record) {
	t.Helper()
	s, err := wal.NewWriter(LogDir(w.Dir), w.LogID()).Create(number)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(records); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// copyDay copies the files of a day to another data set, or another day; with is which.
func copyDay(t *testing.T, from, to string, with func(name string) bool) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(to, 0o750); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err == nil && with(e.Name()) {
			err = os.WriteFile(filepath.Join(to, e.Name()), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The files of another history, or of another day, say nothing of the segments of this
// log: with their manifest and without, before the writer is killed and after it starts
// again, each record is seen once, and theirs are taken in where the day was new.
func TestForeignDay(t *testing.T) {
	today := dayOf(noon.UnixNano())
	for _, c := range []struct {
		name     string
		manifest bool
		from     time.Time // when theirs arrived
		same     bool      // they are of another day of the same history
	}{
		{"with their manifest", true, noon, false},
		{"without it", false, noon, false},
		{"another day's, with its manifest", true, noon.AddDate(0, 0, -1), true},
		{"another day's", false, noon.AddDate(0, 0, -1), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := create(t, t.TempDir())
			other := w
			if !c.same {
				other = create(t, t.TempDir())
			}
			theirs := conversations(40, c.from)
			for number := range uint64(3) { // more segments than ours
				if err := other.Part(number+1, slices.Clone(theirs)); err != nil {
					t.Fatal(err)
				}
			}
			theirs = slices.Concat(theirs, theirs, theirs)
			ours := conversations(60, noon.Add(time.Hour))
			logged(t, w, 2, ours)
			copyDay(t, filepath.Join(other.Dir, dayOf(c.from.UnixNano())), filepath.Join(w.Dir, today), func(name string) bool { return c.manifest || name != manifestName })
			want := slices.Concat(ours, theirs)
			if c.same {
				want = append(want, theirs...)
			}
			same(t, "before a kill", all(t, w.Dir, time.Time{}, time.Time{}), want)
			if err := w.Close(); err != nil { // without filing
				t.Fatal(err)
			}
			w = create(t, w.Dir)
			same(t, "after a start", all(t, w.Dir, time.Time{}, time.Time{}), want)
			for range 2 {
				if err := w.Part(2, slices.Clone(ours)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Remove(wal.Path(LogDir(w.Dir), 2)); err != nil {
				t.Fatal(err)
			}
			same(t, "filed", all(t, w.Dir, time.Time{}, time.Time{}), want)
			if err := w.Tidy(t.Context(), noon.AddDate(0, 0, 2)); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			w = create(t, w.Dir)
			same(t, "in the end", all(t, w.Dir, time.Time{}, time.Time{}), want)
		})
	}
}

// A segment of two hours of which one was filed when the writer was killed is filed once,
// whether the manifest is there or made anew.
func TestHalfFiled(t *testing.T) {
	for _, lost := range []bool{false, true} {
		w := create(t, t.TempDir())
		want := conversations(200, noon.Add(58*time.Minute))
		logged(t, w, 7, want)
		if err := w.Part(7, slices.Clone(want)); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(w.Dir, dayOf(noon.UnixNano()))
		if err := w.change(dayOf(noon.UnixNano()), func(m *manifest) { m.Files, m.Filed.segment = nil, 0 }); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "13-p0000000007.parquet")); err != nil {
			t.Fatal(err)
		}
		if lost {
			if err := os.Remove(filepath.Join(dir, manifestName)); err != nil {
				t.Fatal(err)
			}
		}
		same(t, "read", all(t, w.Dir, time.Time{}, time.Time{}), want)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		w = create(t, w.Dir)
		same(t, "after a start", all(t, w.Dir, time.Time{}, time.Time{}), want)
		if err := w.Part(7, slices.Clone(want)); err != nil {
			t.Fatal(err)
		}
		same(t, "filed", all(t, w.Dir, time.Time{}, time.Time{}), want)
	}
}

// Files without a place in the manifest of a day are no loss: those of another are set
// aside, said and never removed; those that a kill has left are removed if their records
// stand elsewhere.
func TestUnlistedFiles(t *testing.T) {
	w, other := create(t, t.TempDir()), create(t, t.TempDir())
	ours := conversations(100, noon)
	if err := w.Part(1, slices.Clone(ours)); err != nil {
		t.Fatal(err)
	}
	if err := other.Part(9, conversations(20, noon)); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(w.Dir, dayOf(noon.UnixNano()))
	copyDay(t, filepath.Join(other.Dir, filepath.Base(dir)), dir, func(name string) bool { return name != manifestName })
	more := conversations(30, noon.Add(time.Minute))
	logged(t, w, 2, more)
	if err := w.Part(2, slices.Clone(more)); err != nil {
		t.Fatal(err)
	}
	if err := w.change(filepath.Base(dir), func(m *manifest) { m.Files, m.Filed.segment = m.Files[:1], 1 }); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w = create(t, w.Dir)
	var said []string
	w.Warn(func(text string) { said = append(said, text) })
	if len(said) != 1 || !strings.Contains(said[0], "p0000000009.parquet") || !strings.Contains(said[0], "this history did not write it") {
		t.Errorf("said %q", said)
	}
	aside, _ := filepath.Glob(filepath.Join(DamagedDir(w.Dir), "*"))
	if len(aside) != 1 || !strings.HasSuffix(aside[0], "12-p0000000009.parquet") {
		t.Errorf("set aside %q", aside)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.parquet")); len(left) != 1 {
		t.Errorf("%q are left", left)
	}
	same(t, "ours", all(t, w.Dir, time.Time{}, time.Time{}), slices.Concat(ours, more))
}

// A name that another's file has is not taken from it.
func TestNamesAreFree(t *testing.T) {
	w, other := create(t, t.TempDir()), create(t, t.TempDir())
	theirs, ours := conversations(20, noon), conversations(100, noon.Add(5*time.Minute))
	if err := other.Part(1, slices.Clone(theirs)); err != nil {
		t.Fatal(err)
	}
	day := dayOf(noon.UnixNano())
	copyDay(t, filepath.Join(other.Dir, day), filepath.Join(w.Dir, day), func(string) bool { return true })
	if err := w.Part(1, slices.Clone(ours)); err != nil {
		t.Fatal(err)
	}
	same(t, "both", all(t, w.Dir, time.Time{}, time.Time{}), slices.Concat(theirs, ours))
	if err := w.Tidy(t.Context(), noon.AddDate(0, 0, 2)); err != nil {
		t.Fatal(err)
	}
	same(t, "made one", all(t, w.Dir, time.Time{}, time.Time{}), slices.Concat(theirs, ours))
}

// Flows that a replay adds beside a log that another process has left do not stand for
// the segments there.
func TestAddBesideLog(t *testing.T) {
	w := create(t, t.TempDir())
	first, waiting, added := conversations(10, noon), conversations(20, noon.Add(time.Minute)), conversations(30, noon.Add(2*time.Minute))
	if err := w.Part(4, slices.Clone(first)); err != nil {
		t.Fatal(err)
	}
	logged(t, w, 5, waiting)
	if err := w.Add(added); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(first, waiting, added)
	same(t, "read", all(t, w.Dir, time.Time{}, time.Time{}), want)
	w = create(t, w.Dir)
	if err := w.Part(5, slices.Clone(waiting)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(wal.Path(LogDir(w.Dir), 5)); err != nil {
		t.Fatal(err)
	}
	same(t, "filed", all(t, w.Dir, time.Time{}, time.Time{}), want)
}
