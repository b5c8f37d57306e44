package dataset

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

var (
	mutations    = flag.Int("mutations", 20, "how often TestMutations damages each kind of file")
	mutationSeed = flag.Uint64("mutation-seed", 8, "another number damages them in other ways")
)

// TestMutations damages each kind of file of a day in many ways. Nothing that is answered
// then is wrong: an index that is damaged names every row group that has an address, or
// none of its file at all; sums are right or missing; records are right or the file is
// rejected. verify names what is damaged, but for a roll-up that ends with a section.
func TestMutations(t *testing.T) {
	w, want := filled(t)
	if err := w.Tidy(t.Context(), noon.AddDate(0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	if err := w.ForgetOld(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(w.Dir, dayOf(noon.UnixNano()))
	whole := answersOf(t, w.Dir)
	for _, r := range want {
		if whole.records[r] == 0 {
			t.Fatal("a record is missing before anything is damaged")
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		rnd := rand.New(rand.NewPCG(8, *mutationSeed))
		path := filepath.Join(dir, e.Name())
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		other, err := os.ReadFile(filepath.Join(dir, entries[(i+1)%len(entries)].Name()))
		if err != nil {
			t.Fatal(err)
		}
		for n := range *mutations {
			bad, how := mutate(rnd, content, other, n)
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("%s, %s", e.Name(), how)
			whole.hold(t, what, answersOf(t, w.Dir))
			_, damaged, err := VerifyAll(t.Context(), w.Dir, func(string, error) {})
			shorter := bytes.HasPrefix(content, bad) && !strings.HasSuffix(e.Name(), ".parquet") // may be of fewer files
			if err != nil || damaged == 0 && !shorter && !slices.Equal(bad, content) {
				t.Errorf("%s: verify names %d damaged files: %v", what, damaged, err)
			}
			if t.Failed() {
				t.FailNow()
			}
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// mutate damages content: bits, a piece that is zero, missing, twice or of another file.
func mutate(rnd *rand.Rand, content, other []byte, n int) (bad []byte, how string) {
	at := rnd.IntN(len(content))
	piece := at + rnd.IntN(min(len(content)-at, 64)+1)
	switch n % 7 {
	case 0:
		return content[:at], fmt.Sprintf("cut at %d", at)
	case 1:
		bad = slices.Clone(content)
		clear(bad[at:piece])
		return bad, fmt.Sprintf("zero from %d to %d", at, piece)
	case 2:
		return slices.Concat(content[:at], content[piece:]), fmt.Sprintf("without %d to %d", at, piece)
	case 3:
		return slices.Concat(content[:piece], content[at:]), fmt.Sprintf("with %d to %d twice", at, piece)
	case 4:
		return slices.Concat(content[:at], other[min(at, len(other)):]), fmt.Sprintf("another file from %d on", at)
	default:
		bad = slices.Clone(content)
		bit := rnd.IntN(8)
		bad[at] ^= 1 << bit
		return bad, fmt.Sprintf("bit %d of byte %d", bit, at)
	}
}

// answers are what a day says.
type answers struct {
	records  map[flow.Record]int
	flows    map[string]uint64 // by hour and countries
	services map[string]uint64
	ends     map[string]uint64
	groups   map[string][]int // by file, of one address
}

// asked is an address of the day.
var asked = []flow.Range{{First: flow.Addr4(0x0a000003), Last: flow.Addr4(0x0a000004)}}

func answersOf(t *testing.T, dir string) *answers {
	t.Helper()
	a := &answers{map[flow.Record]int{}, map[string]uint64{}, map[string]uint64{}, map[string]uint64{}, map[string][]int{}}
	snap := snapshot(t, dir)
	defer snap.Close() // of many
	for _, file := range snap.Files {
		got, err := recordsOf(file)
		if err != nil {
			continue // said by verify
		}
		for _, r := range got {
			a.records[r]++
		}
	}
	if _, err := snap.Countries(1, Wanted{AllSums, true, true}, func(_ int, _ *File, rows []CountryHour) error {
		for _, c := range rows {
			a.flows[fmt.Sprint(c)]++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := snap.Services(1, Wanted{Sums: AllSums}, func(_ int, _ *File, rows []CountryHour) error {
		for _, h := range rows {
			a.services[fmt.Sprint(h)]++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := snap.Largest(Sent, false, func([2]byte) bool { return true }, func(f *File, l *EndList) error {
		a.ends[f.Name+fmt.Sprint(*l)]++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for f, groups := range snap.Select(asked, 1).Groups {
		a.groups[f.Name] = groups
	}
	return a
}

// recordsOf returns the records of a file that can be read to its end.
func recordsOf(file *File) (out []flow.Record, err error) {
	f, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	for g := range f.Groups {
		if out, err = f.Records(g, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// hold tells of what a damaged day says that a whole one does not.
func (a *answers) hold(t *testing.T, what string, got *answers) {
	t.Helper()
	for r, n := range got.records {
		if n > a.records[r] {
			t.Errorf("%s: a record is wrong or there twice: %+v", what, r)
			break
		}
	}
	for kind, pair := range map[string][2]map[string]uint64{"countries": {a.flows, got.flows}, "services": {a.services, got.services}, "largest": {a.ends, got.ends}} {
		for key, n := range pair[1] {
			if n > pair[0][key] {
				t.Errorf("%s: %s has %s", what, kind, key)
				break
			}
		}
	}
	for name, groups := range got.groups {
		if !slices.Equal(groups, a.groups[name]) {
			t.Errorf("%s: the index has row groups %v of %s, want %v", what, groups, name, a.groups[name])
		}
	}
}
