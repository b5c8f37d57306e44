package query

import (
	"context"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

// Snapshot returns a snapshot of a data set as what questions are asked of. places says
// where the addresses of records are that are in no file yet; nil: nobody knows. The
// snapshot must stay open while questions are asked.
func Snapshot(snap *dataset.Snapshot, places column.Places) *Data {
	d := &Data{Places: places, Aside: snap.Damaged, Recent: func(ctx context.Context, each func([]flow.Record) error) error { return snap.Recent(ctx, each) }}
	for _, f := range snap.Files {
		d.Files = append(d.Files, Part{Path: f.Path, Info: f.Info, Open: f.Open})
	}
	stands := func(covered map[*dataset.File]bool) []bool {
		out := make([]bool, len(snap.Files))
		for i, f := range snap.Files {
			out[i] = covered[f]
		}
		return out
	}
	number := make(map[*dataset.File]int, len(snap.Files))
	for i, f := range snap.Files {
		number[f] = i
	}
	numbered := func(each func(worker, file int, rows []CountryHour) error) func(int, *dataset.File, []CountryHour) error {
		return func(worker int, f *dataset.File, rows []CountryHour) error { return each(worker, number[f], rows) }
	}
	d.Countries = func(workers int, want dataset.Wanted, each func(int, int, []CountryHour) error) ([]bool, error) {
		covered, err := snap.Countries(workers, want, numbered(each))
		return stands(covered), err
	}
	d.Services = func(workers int, want dataset.Wanted, each func(int, int, []CountryHour) error) ([]bool, error) {
		covered, err := snap.Services(workers, want, numbered(each))
		return stands(covered), err
	}
	d.Largest = func(side dataset.Side, raw bool, wanted func([2]byte) bool, each func(int, *EndList) error) ([]bool, error) {
		covered, err := snap.Largest(side, raw, wanted, func(f *dataset.File, l *EndList) error { return each(number[f], l) })
		return stands(covered), err
	}
	d.Select = func(set *AddrSet, workers int) ([][]int, *AddrSet) { return selected(snap, set, workers) }
	return d
}

// selected asks the address index. A file that has none is searched whole, and for all.
func selected(snap *dataset.Snapshot, set *AddrSet, workers int) (groups [][]int, there *AddrSet) {
	found := snap.Select(set.ranges, workers)
	groups = make([][]int, len(snap.Files))
	for i, f := range snap.Files {
		if some, indexed := found.Groups[f]; indexed {
			groups[i] = append([]int{}, some...)
		}
	}
	if len(found.Addresses) > 0 && len(found.Addresses) < len(set.ranges) {
		there = NewAddrSet(found.Addresses)
	}
	return groups, there
}

// Open opens the history in a folder for questions about flows that began between two
// times; the zero time is no bound. Close ends it.
func Open(dir string, start, end time.Time, places column.Places) (d *Data, closed func(), err error) {
	set, err := dataset.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	snap, err := set.Snapshot(start, end)
	if err != nil {
		return nil, nil, err
	}
	return Snapshot(snap, places), snap.Close, nil
}

// Extent returns when the first flow in the files of a history began and the last one
// ended; zero times when it has none.
func Extent(dir string) (first, last time.Time, err error) {
	d, closed, err := Open(dir, time.Time{}, time.Time{}, nil)
	if err != nil {
		return first, last, err
	}
	defer closed()
	for _, f := range d.Files {
		if t := time.Unix(0, f.Info.Start); first.IsZero() || t.Before(first) {
			first = t
		}
		if t := time.Unix(0, f.Info.End); t.After(last) {
			last = t
		}
	}
	return first, last, nil
}
