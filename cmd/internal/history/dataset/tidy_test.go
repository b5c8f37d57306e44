package dataset

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// filled makes a data set with several parts in each of some hours.
func filled(t *testing.T) (w *Writer, want []flow.Record) {
	t.Helper()
	w = create(t, t.TempDir())
	w.Places = func(a flow.Addr, _ int64) (cc [2]byte, as uint32) {
		if a.V4()>>24 == 10 {
			return [2]byte{'x', 'p'}, 0
		}
		return [2]byte{'N', 'O'}, 64500
	}
	number := uint64(0)
	for h := range 3 {
		for part := range 4 {
			records := conversations(200, noon.Add(time.Duration(h)*time.Hour+time.Duration(part)*5*time.Minute))
			want = append(want, records...)
			number++
			if err := w.Part(number, records); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w, want
}

func snapshot(t *testing.T, dir string) *Snapshot {
	t.Helper()
	set, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := set.Snapshot(time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(snap.Close)
	return snap
}

// Hours that are over become one file; a snapshot from before is readable all the time,
// and the hour that goes on is left alone.
func TestTidy(t *testing.T) {
	w, want := filled(t)
	before := snapshot(t, w.Dir)
	if len(before.Files) != 12 {
		t.Fatalf("%d parts", len(before.Files))
	}
	now := noon.Add(2*time.Hour + 30*time.Minute)
	if err := w.Tidy(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	after := snapshot(t, w.Dir)
	if len(after.Files) != 2+4 {
		t.Errorf("%d files after, want two hours and four parts", len(after.Files))
	}
	same(t, "after", records(t, after), want)
	same(t, "before", records(t, before), want)
	if err := w.Tidy(t.Context(), now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if last := snapshot(t, w.Dir); len(last.Files) != 3 {
		t.Errorf("%d files in the end, want 3", len(last.Files))
	}
	// What was late joins its hour.
	late := conversations(50, noon.Add(10*time.Minute))
	want = append(want, late...)
	if err := w.Part(99, late); err != nil {
		t.Fatal(err)
	}
	if err := w.Tidy(t.Context(), now.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	last := snapshot(t, w.Dir)
	if len(last.Files) != 3 {
		t.Errorf("%d files with the late ones, want 3", len(last.Files))
	}
	same(t, "late", records(t, last), want)
	if _, err := before.Files[0].Open(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ten minutes later the old file is there still: %v", err)
	}
}

// The index finds every address in every file, also after files changed.
func TestSelect(t *testing.T) {
	w, want := filled(t)
	for range 2 {
		if err := w.Tidy(t.Context(), noon.Add(9*time.Hour)); err != nil {
			t.Fatal(err)
		}
		snap := snapshot(t, w.Dir)
		found := snap.Select([]flow.Range{{First: flow.Addr4(0x0a000003), Last: flow.Addr4(0x0a000004)}, {First: flow.Addr4(0xff000000), Last: flow.Addr4(0xff000001)}}, 2).Groups
		if len(found) != 3 {
			t.Fatalf("%d files are in the index, want 3", len(found))
		}
		for f, groups := range found {
			if len(groups) != 1 {
				t.Errorf("%s: groups %v", f.Name, groups)
			}
		}
		for f, groups := range snap.Select([]flow.Range{{First: flow.Addr4(0x0a010000), Last: flow.Addr4(0x0affffff)}, {First: flow.Addr4(0xc6336408), Last: flow.Addr{Hi: 1}}}, 2).Groups {
			if len(groups) != 0 {
				t.Errorf("%s: groups %v for addresses that are not there", f.Name, groups)
			}
		}
		if err := w.Part(100, conversations(50, noon.Add(10*time.Minute))); err != nil {
			t.Fatal(err)
		}
	}
	_ = want
	if err := os.WriteFile(filepath.Join(w.Dir, dayOf(noon.UnixNano()), indexName), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found := snapshot(t, w.Dir).Select([]flow.Range{{First: flow.Addr{}, Last: flow.Addr{Hi: 1 << 63}}}, 2).Groups; len(found) != 0 {
		t.Errorf("a damaged index says %v", found)
	}
}

// The roll-up counts what the records say.
func TestCountries(t *testing.T) {
	w, want := filled(t)
	if err := w.Tidy(t.Context(), noon.Add(9*time.Hour)); err != nil {
		t.Fatal(err)
	}
	type sums struct{ flows, bytes, packets uint64 }
	expect, got := map[serviceKey]sums{}, map[serviceKey]sums{}
	for i := range want {
		r := &want[i]
		key := serviceKey{hour: r.Start / 3600e9 * 3600, src: [2]byte{'x', 'p'}, dst: [2]byte{'N', 'O'}}
		if r.Src.V4()>>24 != 10 {
			key.src, key.dst = key.dst, key.src
		}
		s := expect[key]
		expect[key] = sums{s.flows + 1, s.bytes + r.Bytes, s.packets + r.Packets}
	}
	snap := snapshot(t, w.Dir)
	covered, err := snap.Countries(1, Wanted{AllSums, true, true}, func(_ int, _ *File, rows []CountryHour) error {
		for _, c := range rows {
			key := serviceKey{hour: c.Hour, src: c.Src, dst: c.Dst}
			s := got[key]
			got[key] = sums{s.flows + c.Flows, s.bytes + c.Bytes, s.packets + c.Packets}
		}
		return nil
	})
	if err != nil || len(covered) != len(snap.Files) {
		t.Fatalf("%d files are covered, %v", len(covered), err)
	}
	for key, s := range expect {
		if got[key] != s {
			t.Errorf("%v: %v, want %v", key, got[key], s)
		}
	}
	if len(got) != len(expect) {
		t.Errorf("%d sums, want %d", len(got), len(expect))
	}
}

func TestExpire(t *testing.T) {
	w, _ := filled(t)
	if err := w.Part(50, conversations(100, noon.AddDate(0, 0, -3))); err != nil {
		t.Fatal(err)
	}
	if err := w.Tidy(t.Context(), noon.Add(9*time.Hour)); err != nil {
		t.Fatal(err)
	}
	gone, err := w.Expire(Limits{Now: noon.Add(9 * time.Hour), Keep: 48 * time.Hour, MaxSize: 1 << 40})
	if err != nil || gone.Flows != 100 {
		t.Errorf("by age: %+v, %v", gone, err)
	}
	if days, _ := Days(w.Dir); len(days) != 1 {
		t.Errorf("days %v are left", days)
	}
	left := snapshot(t, w.Dir).Files
	gone, err = w.Expire(Limits{Now: noon, Keep: 48 * time.Hour, MaxSize: left[2].Size + left[1].Size})
	if err != nil || gone.Files != 1 || gone.Flows != 800 {
		t.Errorf("by size: %+v, %v", gone, err)
	}
	if now := snapshot(t, w.Dir).Files; len(now) != 2 || now[0].Name != left[1].Name {
		t.Errorf("%d files are left, the oldest should have gone", len(now))
	}
}

// A damaged file is set aside, and the rest of its hour made one.
func TestDamagedFile(t *testing.T) {
	w, want := filled(t)
	var warned []string
	w.Warn(func(text string) { warned = append(warned, text) })
	bad := snapshot(t, w.Dir).Files[1]
	b, err := os.ReadFile(bad.Path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/3] ^= 4
	if err := os.WriteFile(bad.Path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Verify(bad.Path); !errors.Is(err, column.ErrDamaged) {
		t.Errorf("verify: %v", err)
	}
	for range 2 { // found in the first round, made one in the second
		if err := w.Tidy(t.Context(), noon.Add(9*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	snap := snapshot(t, w.Dir)
	same(t, "the rest", records(t, snap), slices.Delete(slices.Clone(want), 200, 400))
	if len(warned) != 1 || len(snap.Damaged) != 1 || len(snap.Files) != 3 {
		t.Errorf("warned %q, damaged %q, %d files", warned, snap.Damaged, len(snap.Files))
	}
	if aside, _ := filepath.Glob(filepath.Join(DamagedDir(w.Dir), "*")); len(aside) != 1 {
		t.Errorf("set aside: %v", aside)
	}
}

// What is forgotten is in no file any more.
func TestRewrite(t *testing.T) {
	w, want := filled(t)
	if err := w.Tidy(t.Context(), noon.Add(9*time.Hour)); err != nil {
		t.Fatal(err)
	}
	person := flow.Addr4(0x0a000005)
	keep := func(r *flow.Record) bool { return r.Src != person && r.Dst != person }
	total := int64(0)
	for _, f := range snapshot(t, w.Dir).Files {
		n, err := w.Rewrite(t.Context(), f, keep)
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if err := w.ForgetOld(); err != nil {
		t.Fatal(err)
	}
	same(t, "the others", records(t, snapshot(t, w.Dir)), slices.DeleteFunc(slices.Clone(want), func(r flow.Record) bool { return !keep(&r) }))
	if total != 24 {
		t.Errorf("%d records were forgotten, want 24", total)
	}
	address := column.Key(person)
	err := filepath.WalkDir(w.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, address[:]) {
			t.Errorf("%s has the address still", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for f, groups := range snapshot(t, w.Dir).Select([]flow.Range{{First: person, Last: person}}, 2).Groups {
		if len(groups) > 0 {
			t.Errorf("the index finds it in %s", f.Name)
		}
	}
}

// TestForget: what is forgotten is in no file, in no index and in no sum any more, in
// parts and hour files, also behind address translation; all else is as it was.
func TestForget(t *testing.T) {
	dir := t.TempDir()
	w := create(t, dir)
	person, other, second := flow.Addr4(0x0a000207), flow.Addr4(0x0a000009), flow.Addr4(0x0a000003)
	records := slices.Concat(conversations(4000, noon), conversations(3000, noon.Add(26*time.Hour)))
	nat := conversations(2, noon.Add(27*time.Hour))
	nat[0].Src, nat[0].NATSrc, nat[0].Has = other, person, nat[0].Has|flow.HasNATSrc
	records = append(records, nat...)
	if err := w.Add(records); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := w.Tidy(t.Context(), noon.Add(12*time.Hour)); err != nil { // the first day is made hour files, the second stays parts
		t.Fatal(err)
	}
	holds := func(r *flow.Record) bool {
		return r.Src == person || r.Dst == person || r.NATSrc == person || r.NATDst == person || r.Src == second || r.Dst == second
	}
	var want []flow.Record
	for _, r := range records {
		if !holds(&r) {
			want = append(want, r)
		}
	}
	one := []flow.Range{{First: person, Last: person}, {First: second, Last: second}, {First: person, Last: person}} // in any order, and twice
	out, err := w.Forget(t.Context(), one, nil)
	if err != nil || out.Records != int64(len(records)-len(want)) || out.Records == 0 || out.Files < 3 || out.Days != 2 {
		t.Errorf("%+v, %v, of %d records", out, err, len(records)-len(want))
	}
	same(t, "the rest", all(t, dir, time.Time{}, time.Time{}), want)
	snap := snapshot(t, dir)
	for f, groups := range snap.Select([]flow.Range{one[1], one[0]}, 2).Groups {
		if len(groups) > 0 {
			t.Errorf("the index of %s knows the address", f.Path)
		}
	}
	forgotten(t, snap, person, second)
	err = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, oldSuffix) {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if out, err := w.Forget(t.Context(), one, nil); err != nil || out != (Forgotten{}) {
		t.Errorf("again: %+v, %v", out, err)
	}
}

// forgotten looks for addresses in all values of all address columns, used or not. That
// the lists of the largest have none is TestLargest's.
func forgotten(t *testing.T, snap *Snapshot, addresses ...flow.Addr) {
	t.Helper()
	values := 0
	for _, file := range snap.Files {
		f, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		var c column.Column
		for g := range f.Groups {
			for _, id := range []column.ID{column.Src, column.Dst, column.NATSrc, column.NATDst, column.Exporter} {
				if err := f.Column(g, id, &c); err != nil {
					t.Fatal(err)
				}
				for value := range slices.Chunk(c.Bytes, 16) {
					values++
					if slices.Contains(addresses, flow.AddrFrom16(value)) {
						t.Errorf("%s has the address among the values of %s", file.Path, id)
					}
				}
			}
		}
		_ = f.Close()
	}
	if values == 0 {
		t.Error("there are no values")
	}
}
