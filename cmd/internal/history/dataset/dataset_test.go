package dataset

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/wal"
)

var noon = time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)

// conversations makes n records, two of each conversation, that arrive from a time on,
// a second apart.
func conversations(n int, from time.Time) []flow.Record {
	var out []flow.Record
	for i := range n {
		at := from.Add(time.Duration(i) * time.Second).UnixNano()
		r := flow.Record{
			Src: flow.Addr4(0x0a000000 | uint32(i/2)), Dst: flow.Addr4(0xc6336407), SrcPort: uint16(40000 + i/2), DstPort: 443,
			Exporter: flow.Addr4(0xc0000201), Received: at, Start: at - 2e9 - int64(i), End: at - 1e9, Bytes: uint64(i), Packets: 1, Proto: 6,
			Version: 9, Sampling: 1, InIf: 1, OutIf: 2,
			Has: flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets,
		}
		if i%2 == 1 {
			r.Src, r.Dst, r.SrcPort, r.DstPort, r.InIf, r.OutIf = r.Dst, r.Src, r.DstPort, r.SrcPort, r.OutIf, r.InIf
			r.Start += 1e9
		}
		out = append(out, r)
	}
	return out
}

func create(t *testing.T, dir string) *Writer {
	t.Helper()
	w, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// all returns the records of a data set, in no order.
func all(t *testing.T, dir string, from, to time.Time) []flow.Record {
	t.Helper()
	set, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := set.Snapshot(from, to)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	return records(t, snap)
}

func records(t *testing.T, snap *Snapshot) (out []flow.Record) {
	t.Helper()
	for _, file := range snap.Files {
		f, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		for g := range f.Groups {
			if out, err = f.Records(g, out); err != nil {
				t.Fatal(err)
			}
		}
		_ = f.Close()
	}
	err := snap.Recent(t.Context(), func(r []flow.Record) error {
		out = append(out, r...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// same reports what differs between records, whatever their order.
func same(t *testing.T, what string, got, want []flow.Record) {
	t.Helper()
	count := map[flow.Record]int{}
	for _, r := range want {
		count[r]++
	}
	for _, r := range got {
		count[r]--
	}
	missing, extra := 0, 0
	for _, n := range count {
		missing += max(n, 0)
		extra += max(-n, 0)
	}
	if missing != 0 || extra != 0 {
		t.Errorf("%s: %d records are missing and %d are too many, of %d", what, missing, extra, len(want))
	}
}

func TestAddAndRead(t *testing.T) {
	dir := t.TempDir()
	w := create(t, dir)
	want := slices.Concat(conversations(9000, noon.Add(11*time.Hour)), conversations(100, noon), conversations(50, noon.AddDate(0, 0, -9)))
	if err := w.Add(want); err != nil {
		t.Fatal(err)
	}
	if got := all(t, dir, time.Time{}, time.Time{}); len(got) != 0 {
		t.Errorf("%d records are there before Flush", len(got))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	same(t, "all", all(t, dir, time.Time{}, time.Time{}), want)
	same(t, "a time", all(t, dir, noon.AddDate(0, 0, -10), noon.AddDate(0, 0, -8)), conversations(50, noon.AddDate(0, 0, -9)))
	if _, err := Create(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("a second writer: %v, want %v", err, ErrLocked)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again := create(t, dir)
	if err := again.Add(conversations(10, noon)); err != nil {
		t.Fatal(err)
	}
	if err := again.Flush(); err != nil {
		t.Fatal(err)
	}
	same(t, "more", all(t, dir, time.Time{}, time.Time{}), slices.Concat(want, conversations(10, noon)))
}

// A record is in the log or in a file, and seen once, whenever the writer died.
func TestLogAndParts(t *testing.T) {
	dir := t.TempDir()
	w := create(t, dir)
	want := slices.Concat(conversations(500, noon), conversations(500, noon.AddDate(0, 0, 1)))
	s, err := wal.NewWriter(LogDir(dir), w.LogID()).Create(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(want); err != nil {
		t.Fatal(err)
	}
	same(t, "in the log", all(t, dir, time.Time{}, time.Time{}), want)
	if err := w.partOfDay(1, 1, byHour(slices.Clone(want[:500]))); err != nil {
		t.Fatal(err)
	}
	same(t, "one day in a file", all(t, dir, time.Time{}, time.Time{}), want)
	if err := w.Part(1, slices.Clone(want)); err != nil {
		t.Fatal(err)
	}
	same(t, "both days in files", all(t, dir, time.Time{}, time.Time{}), want)
}

// A manifest that is damaged or gone is made anew from the files.
func TestManifestIsRebuilt(t *testing.T) {
	dir := t.TempDir()
	w := create(t, dir)
	want := conversations(9000, noon)
	if err := w.Add(want); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, dayOf(noon.UnixNano()), manifestName)
	for _, damage := range []func(){
		func() { _ = os.Remove(path) },
		func() { _ = os.WriteFile(path, []byte("{}"), 0o600) },
		func() { _ = os.Truncate(path, 40) },
	} {
		damage()
		same(t, "read only", all(t, dir, time.Time{}, time.Time{}), want)
		if err := create(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
		if _, rebuilt, err := readManifest(dir, dayOf(noon.UnixNano()), logID(dir)); err != nil || rebuilt {
			t.Errorf("the writer left it: %v", err)
		}
		same(t, "repaired", all(t, dir, time.Time{}, time.Time{}), want)
	}
}

func TestNames(t *testing.T) {
	for _, n := range []Name{{3, true, 12, 0}, {23, false, 1 << 40, 2}} {
		if got, ok := parseName(n.String()); !ok || got != n {
			t.Errorf("%s is read as %+v", n, got)
		}
	}
	for _, s := range []string{"", "manifest", "03-p12.parquet", "03-p0000000012.parquet.old", "x3-p0000000012.parquet", "03-x0000000012.parquet", "../03-p0000000012.parquet"} {
		if _, ok := parseName(s); ok {
			t.Errorf("%q is taken for a file of history", s)
		}
	}
}
