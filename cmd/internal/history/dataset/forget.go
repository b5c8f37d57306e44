package dataset

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// Forgotten says what Forget removed.
type Forgotten struct {
	Records int64 // flow records
	Files   int   // that were written anew
	Days    int   // whose files those are
}

// maxPasses is how often Forget looks again, because files were made one meanwhile.
const maxPasses = 5

var errMoving = errors.New("the files change too quickly; try again")

// Forget removes all flows of which an address, before or after translation, lies in the
// ranges: from the files, the address indexes and the sums by country. Files that were
// replaced and kept for readers go too. What stands in the log alone it does not see. A
// file that is damaged is set aside as it is; those that were are left alone. After
// an error some files may still hold what was to be forgotten.
func (w *Writer) Forget(ctx context.Context, ranges []flow.Range, progress func(done, total int)) (out Forgotten, err error) {
	ranges = flow.Merge(slices.Clone(ranges))
	set := &Set{w.Dir}
	days := map[string]bool{}
	for range maxPasses {
		again, err := w.forgetPass(ctx, set, ranges, &out, days, progress)
		if err != nil {
			return out, err
		}
		if !again {
			out.Days = len(days)
			return out, w.ForgetOld()
		}
	}
	return out, errMoving
}

// forgetPass goes through the files that there are. again says that some have changed
// their names meanwhile.
func (w *Writer) forgetPass(ctx context.Context, set *Set, ranges []flow.Range, out *Forgotten, days map[string]bool, progress func(done, total int)) (again bool, err error) {
	snap, err := set.Snapshot(time.Time{}, time.Time{})
	if err != nil {
		return false, err
	}
	defer snap.Close()
	groups := snap.Select(ranges, 1).Groups
	keep := func(r *flow.Record) bool {
		return !inRanges(ranges, r.Src) && !inRanges(ranges, r.Dst) && !inRanges(ranges, r.NATSrc) && !inRanges(ranges, r.NATDst)
	}
	for i, f := range snap.Files {
		if progress != nil {
			progress(i, len(snap.Files))
		}
		if some, indexed := groups[f]; indexed && len(some) == 0 {
			continue
		}
		n, err := w.Rewrite(ctx, f, keep)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			again = true
		case errors.Is(err, column.ErrDamaged):
			if err := w.setAsideFile(f, err); err != nil {
				return false, err
			}
		case err != nil:
			return false, err
		case n > 0:
			out.Records += n
			out.Files++
			days[f.Day] = true
		}
	}
	return again, nil
}

// setAsideFile takes a damaged file of a snapshot out of its day.
func (w *Writer) setAsideFile(f *File, why error) error {
	w.work.Lock()
	defer w.work.Unlock()
	return w.damage(f.Day, entry{f.Name, f.Info}, why)
}

// inRanges reports whether an address lies in one of a few ranges. The zero address,
// which stands for none, never does.
func inRanges(ranges []flow.Range, a flow.Addr) bool {
	if a == (flow.Addr{}) {
		return false
	}
	return slices.ContainsFunc(ranges, func(r flow.Range) bool { return r.Contains(a) })
}
