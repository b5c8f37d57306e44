package query

import (
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

// Who asks for the first of all records, or the last, is told how many there are, too. Of
// most files that is known without reading them: of conversations from the manifest, of
// records from the roll-up, in which one that counted both directions is two. So a file is
// read only if one of its records can be among the wanted ones, or the question's time cuts
// it.

// unread are the files of a question for all records, in the order of their start.
type unread struct {
	f     *finder
	parts []Part
	known map[string]uint64 // how many records those files have that may stay unread

	mu   sync.Mutex
	done map[int]bool // parts that were decided about: whether they are skipped
}

// count counts what is in files.
func (u *unread) count(d *Data) error {
	u.known, u.done = map[string]uint64{}, map[int]bool{}
	o, q := u.f.o, u.f.q
	flows := make([]uint64, len(d.Files))
	covered := make([]bool, len(d.Files))
	if !o.Biflow && d.Countries != nil && len(u.parts) > 1 {
		var mu sync.Mutex
		var err error
		covered, err = d.Countries(q.workers(), dataset.Wanted{}, func(_, file int, rows []CountryHour) error {
			n := uint64(0)
			for i := range rows {
				n += rows[i].Flows
			}
			mu.Lock()
			defer mu.Unlock()
			flows[file] += n
			return nil
		})
		if err != nil {
			return err
		}
	}
	from, to := q.bounds()
	for i := range d.Files {
		switch p := &d.Files[i]; {
		case !p.inside(from, to):
		case o.Biflow:
			u.known[p.Path] = uint64(p.Info.Rows)
		case covered[i]:
			u.known[p.Path] = flows[i]
		}
	}
	return nil
}

// inside reports whether all flows of the file began from from on and before to, in Unix
// milliseconds.
func (p *Part) inside(from, to int64) bool {
	return from <= floorMillis(p.Info.Start) && floorMillis(p.Info.End) < to
}

// skip reports whether a part stays unread, and counts its records if so. A file is read
// whole or not at all.
func (u *unread) skip(part int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	skipped, decided := u.done[part]
	if decided {
		return skipped
	}
	p, f := &u.parts[part], u.f
	records, known := u.known[p.Path]
	f.mu.Lock()
	defer f.mu.Unlock()
	if skipped = known && f.beyond(p); skipped {
		f.records += records
	}
	u.done[part] = skipped
	return skipped
}
