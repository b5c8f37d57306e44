package query

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// TestUnreadFilesCount: the first and last of all records, and how many there are, are those of
// reading every file, of which most stay closed.
func TestUnreadFilesCount(t *testing.T) {
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 7))
	for _, inOrder := range []bool{true, false} {
		var records []flow.Record
		for hour := range int64(10) {
			for _, r := range traffic(rnd, 60) {
				if begun := r.Has&flow.HasStart != 0 && r.Start >= traffic0; inOrder && !begun {
					continue // a record without times is in the first or the last place
				}
				for _, at := range []*int64{&r.Start, &r.End, &r.Received} {
					*at += hour * 3600e9
				}
				records = append(records, r)
			}
		}
		testUnread(t, kept(t, records), traffic(rnd, 40), inOrder)
	}
}

// traffic0 is when traffic begins.
const traffic0 = 1_780_000_000e9

func testUnread(t *testing.T, dir string, recent []flow.Record, inOrder bool) {
	d, closed, err := Open(dir, time.Time{}, time.Time{}, places)
	if err != nil {
		t.Fatal(err)
	}
	defer closed()
	d.Recent = func(_ context.Context, each func([]flow.Record) error) error { return each(slices.Clone(recent)) }
	var opened atomic.Int64
	for i := range d.Files {
		open := d.Files[i].Open
		d.Files[i].Open = func() (*column.File, error) { opened.Add(1); return open() }
	}
	// All records too, but nobody knows that without looking at them.
	slow, err := Parse("port 7 or not port 7", Env{})
	if err != nil || slow.All() {
		t.Fatalf("it accepts all: %v, %v", slow.All(), err)
	}
	first := time.Unix(0, traffic0)
	for _, span := range [][2]time.Time{{}, {first.Add(90 * time.Minute)}, {{}, first.Add(300 * time.Minute)}, {first.Add(time.Hour), first.Add(7 * time.Hour)}, {first.Add(200 * time.Hour)}} {
		for _, sort := range []string{"start", "-start", "bytes"} {
			for _, biflow := range []bool{false, true} {
				for _, limit := range []int{1, 5000} {
					by, err := ParseSort(sort)
					if err != nil {
						t.Fatal(err)
					}
					ask := func(f Filter) (n uint64, keys, all []string, files int64) {
						opened.Store(0)
						o := RecordOptions{Sort: by, Limit: limit, Biflow: biflow}
						n, err := d.Records(t.Context(), Question{Filter: f, Start: span[0], End: span[1]}, o, func(r *Found) error {
							keys = append(keys, fmt.Sprint(by.key(r, false)))
							all = append(all, fmt.Sprintf("%+v %+v", r.Record, r.Conversation))
							return nil
						})
						if err != nil {
							t.Fatal(err)
						}
						return n, keys, all, opened.Load()
					}
					n, keys, all, files := ask(Filter{})
					wantN, wantKeys, wantAll, of := ask(slow)
					name := fmt.Sprintf("%v, sort %s, biflow %v, limit %d", span, sort, biflow, limit)
					if n != wantN || !slices.Equal(keys, wantKeys) {
						t.Errorf("%s: %d records, of which %d; want %d, of which %d", name, n, len(keys), wantN, len(wantKeys))
					}
					if !slices.Equal(all, wantAll) && limit > 20 { // of equal ones any may be the last
						t.Errorf("%s: the records differ", name)
					}
					if inOrder && sort != "bytes" && limit == 1 && of > 4 && files > of/2 {
						t.Errorf("%s: %d of %d files are opened", name, files, of)
					}
				}
			}
		}
	}
}

// Of the files whose records all come after those that a limit wants, the ones that a filter
// accepts are counted and not read, in both orders.
func TestLateFilesAreOnlyCounted(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 7))
	var records []flow.Record
	const hours = 12
	for hour := range int64(hours) {
		for _, r := range traffic(rnd, 60) {
			if r.Has&flow.HasStart == 0 || r.Start < traffic0 {
				continue
			}
			for _, at := range []*int64{&r.Start, &r.End, &r.Received} {
				*at += hour * 3600e9
			}
			records = append(records, r)
		}
	}
	d, closed, err := Open(kept(t, records), time.Time{}, time.Time{}, places)
	if err != nil {
		t.Fatal(err)
	}
	defer closed()
	filter, err := Parse("port 7 or not port 7", Env{})
	if err != nil {
		t.Fatal(err)
	}
	read := make([]int64, len(d.Files))
	for i := range d.Files {
		b, err := os.ReadFile(d.Files[i].Path)
		if err != nil {
			t.Fatal(err)
		}
		d.Files[i].Open = func() (*column.File, error) {
			return column.Read(&counted{bytes.NewReader(b), &read[i]}, int64(len(b)))
		}
	}
	for _, down := range []bool{false, true} {
		for _, biflow := range []bool{false, true} {
			ask := func(limit int) (n uint64, first Record, of []int64) {
				clear(read)
				o := RecordOptions{Sort: &Sort{Start: true, Down: down}, Limit: limit, Biflow: biflow}
				begun := false
				n, err := d.Records(t.Context(), Question{Filter: filter, Workers: 1}, o, func(r *Found) error {
					if !begun {
						first, begun = r.Record, true
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				return n, first, slices.Clone(read)
			}
			all, want, most := ask(len(records))
			n, got, least := ask(1)
			if n != all || got != want {
				t.Errorf("down %v, biflow %v: %d records, %d with a limit of 1; the first is %+v, want %+v", down, biflow, all, n, got, want)
			}
			less := 0
			for i := range least {
				if least[i] < most[i] {
					less++
				}
			}
			if less < len(least)-2 {
				t.Errorf("down %v, biflow %v: of %d files, less is read of %d for a limit of 1: %d, of %d bytes", down, biflow, len(least), less, least, most)
			}
		}
	}
}

// counted counts what is read.
type counted struct {
	of *bytes.Reader
	n  *int64
}

func (c *counted) ReadAt(b []byte, at int64) (int, error) {
	*c.n += int64(len(b))
	return c.of.ReadAt(b, at)
}
