package dataset

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

func anyCountry([2]byte) bool { return true }

func someLists() []EndList {
	seen := NewEndSketch()
	for i := range 1000 {
		seen.Add(EndHash(flow.Addr4(uint32(i)), 443))
	}
	return []EndList{
		{Hour: 3600 * 495_000, Country: [2]byte{'N', 'O'}, Side: Sent, Flows: 7, Bytes: 1 << 50, Rest: 12, Seen: seen, Ends: []End{
			{flow.Addr4(1), 443, 5}, {flow.Addr4(1), 444, 1 << 49}, {flow.Addr4(9), 0, 1}, {flow.Addr{Hi: 1 << 61, Lo: 1}, 65535, 7}, {flow.Addr{Hi: 1 << 61, Lo: 1 << 63}, 1, 7},
		}},
		{Country: [2]byte{'N', 'L'}, Side: Sent},
		{Hour: -3600, Country: [2]byte{'x', 'p'}, Side: Received, Flows: 1, Seen: append(Sketch{1, 2}, NewEndSketch()[2:]...), Ends: []End{}},
		{Hour: 0, Country: [2]byte{'-', '-'}, Side: Either, Flows: 1, Rest: 1, Seen: NewEndSketch(), Ends: []End{{flow.Addr4(2), 1, 1}}},
	}
}

// TestLargestCode: what is written of lists is read as it was.
func TestLargestCode(t *testing.T) {
	lists := someLists()
	b := encodeLargest(lists, listsSampled)
	var got []EndList
	for side := range sides {
		some, kind, err := decodeLargest(b, side, anyCountry)
		if err != nil || kind != listsSampled {
			t.Fatal(kind, err)
		}
		got = append(got, some...)
	}
	if !reflect.DeepEqual(got, lists) {
		t.Errorf("%+v, want %+v", got, lists)
	}
	if n := lists[0].Seen.Estimate(); n < 930 || n > 1070 {
		t.Errorf("1000 ends are estimated to be %d", n)
	}
	one, _, err := decodeLargest(b, Sent, func(c [2]byte) bool { return c[1] == 'O' })
	if err != nil || !reflect.DeepEqual(one, lists[:1]) {
		t.Errorf("of one country %+v, %v", one, err)
	}
	if _, _, err := decodeLargest([]byte{listsNone}, Sent, anyCountry); err == nil {
		t.Error("a section without lists stands for its file")
	}
}

func FuzzLargest(f *testing.F) {
	f.Add(encodeLargest(someLists(), listsPlain), byte(0))
	f.Add([]byte{0, 1, 2}, byte(1))
	f.Fuzz(func(t *testing.T, b []byte, n byte) {
		side := Side(n) % sides
		lists, _, err := decodeLargest(b, side, anyCountry)
		if err != nil {
			return
		}
		again, _, err := decodeLargest(encodeLargest(lists, listsPlain), side, anyCountry)
		if err != nil || len(again) != len(lists) {
			t.Fatalf("%d lists, then %d: %v", len(lists), len(again), err)
		}
	})
}

// TestLargestDamaged: verify names a damaged roll-up, a search goes past it, and what an
// earlier version has not made is made.
func TestLargestDamaged(t *testing.T) {
	w, _ := filled(t)
	now := noon.AddDate(0, 0, 1)
	if err := w.Tidy(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(w.Dir, dayOf(noon.UnixNano()), largestName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	covered := func() int {
		files, err := snapshot(t, w.Dir).Largest(Sent, false, func([2]byte) bool { return false }, nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	all := covered()
	if all == 0 || verifyLargest(path, &manifest{}) != nil {
		t.Fatal("no file has lists")
	}
	broken := bytes.Clone(whole)
	broken[len(broken)-3] ^= 1
	if err := os.WriteFile(path, broken, 0o600); err != nil {
		t.Fatal(err)
	}
	if n := covered(); n != all-1 || verifyLargest(path, &manifest{}) == nil {
		t.Errorf("%d of %d files have lists, one of which is damaged", n, all)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := w.Tidy(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, whole) {
		t.Errorf("it is not made again: %v", err)
	}
}

// TestNth finds how large the nth is.
func TestNth(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	all := rnd.Perm(100)
	numbers := make([]uint64, len(all))
	for i, n := range all {
		numbers[i] = uint64(n)
	}
	for n, want := range map[int]uint64{1: 99, 10: 90, 99: 1, 100: 1, 1000: 1} {
		if got := nth(numbers, n); got != want {
			t.Errorf("the %dth largest of 0 to 99 is %d, want %d", n, got, want)
		}
	}
}

// listed is a writer whose one hour has enough flows for lists, in which an address sends
// most.
func listed(t *testing.T, loud flow.Addr) *Writer {
	t.Helper()
	w, _ := filled(t)
	records := make([]flow.Record, 20_000)
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range records {
		at := noon.Add(8*time.Hour + time.Duration(rnd.Int64N(int64(time.Hour)))).UnixNano()
		records[i] = flow.Record{
			Received: at, Start: at, End: at, Src: flow.Addr4(20<<24 | rnd.Uint32N(1<<16)), SrcPort: uint16(rnd.IntN(3)), Dst: flow.Addr4(10 << 24), DstPort: uint16(i), Proto: 6,
			Bytes: rnd.Uint64N(1000), Packets: 1, Sampling: 1, Has: flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets,
		}
		if i%100 == 0 {
			records[i].Src, records[i].SrcPort, records[i].Bytes = loud, 443, 10_000
		}
	}
	for _, err := range []error{w.Add(records), w.Flush(), w.Tidy(t.Context(), noon.AddDate(0, 0, 2))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// TestLargest: the list of a country in an hour has its largest ends, and says how many there
// are, and what the others have at most. What is forgotten is in no list.
func TestLargest(t *testing.T) {
	loud := flow.Addr4(20<<24 | 1<<17)
	w := listed(t, loud)
	find := func() (lists []EndList) {
		_, err := snapshot(t, w.Dir).Largest(Sent, false, func(c [2]byte) bool { return c == [2]byte{'N', 'O'} }, func(_ *File, l *EndList) error {
			lists = append(lists, *l)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return lists
	}
	lists := find()
	if len(lists) != 1 || lists[0].Flows != 20_000 || !lists[0].has(loud, 443) || lists[0].has(loud, 80) {
		t.Fatalf("%d lists", len(lists))
	}
	l := &lists[0]
	if n := len(l.Ends); n < listLength || n > 2*listLength {
		t.Errorf("%d ends are listed", n)
	}
	least := l.Bytes
	for _, e := range l.Ends {
		if least = min(least, e.Bytes); e.Addr == loud && e.Bytes != 200*10_000 {
			t.Errorf("%+v", e)
		}
	}
	if l.Rest == 0 || l.Rest > 5*least {
		t.Errorf("an end that is listed has %d bytes, another one %d at most", least, l.Rest)
	}
	if n := l.Seen.Estimate(); n < 16_500 || n > 20_000 { // 18,900 of 196,608
		t.Errorf("%d different ends", n)
	}
	out, err := w.Forget(t.Context(), []flow.Range{{First: loud, Last: loud}}, nil)
	if err != nil || out.Records != 200 {
		t.Fatal(out, err)
	}
	if lists = find(); len(lists) != 1 || lists[0].Flows != 19_800 || lists[0].has(loud, 443) {
		t.Errorf("after it was forgotten: %d lists", len(lists))
	}
	if _, bad, err := VerifyAll(t.Context(), w.Dir, func(name string, err error) { t.Errorf("%s: %v", name, err) }); bad > 0 || err != nil {
		t.Error(bad, err)
	}
}

// TestTooManyHours: a file with flows of many hours, of a clock that was wrong, has no
// lists, and is not called damaged.
func TestTooManyHours(t *testing.T) {
	w, _ := filled(t)
	records := make([]flow.Record, 20_000)
	for i := range records {
		at := noon.Add(-time.Duration(i%20) * time.Hour).UnixNano()
		records[i] = flow.Record{Received: noon.Add(9 * time.Hour).UnixNano(), Start: at, End: at, Src: flow.Addr4(20 << 24), Dst: flow.Addr4(10 << 24), Bytes: 1, Packets: 1, Sampling: 1, Has: flow.HasStart | flow.HasEnd | flow.HasBytes | flow.HasPackets}
	}
	for _, err := range []error{w.Add(records), w.Flush(), w.Tidy(t.Context(), noon.AddDate(0, 0, 2))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	covered, err := snapshot(t, w.Dir).Largest(Sent, false, anyCountry, func(*File, *EndList) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for f := range covered {
		if f.Flows >= int64(len(records)) {
			t.Errorf("%s has lists", f.Name)
		}
	}
	if err := verifyLargest(filepath.Join(w.Dir, dayOf(noon.UnixNano()), largestName), &manifest{}); err != nil {
		t.Error(err)
	}
}

func (l *EndList) has(a flow.Addr, port uint16) bool {
	return slices.ContainsFunc(l.Ends, func(e End) bool { return e.Addr == a && e.Port == port })
}
