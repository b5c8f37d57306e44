package dataset

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// Rewrite writes a file of a snapshot anew without the records for which keep is false,
// and returns how many these are. The old file, and the indexes that speak of it, are
// gone from the disk when it returns: nobody who reads it meanwhile is spared. A file
// that is not there any more is fs.ErrNotExist: take another snapshot.
func (w *Writer) Rewrite(ctx context.Context, f *File, keep func(*flow.Record) bool) (forgotten int64, err error) {
	w.work.Lock()
	defer w.work.Unlock()
	dir := filepath.Join(w.Dir, f.Day)
	name, _ := parseName(f.Name)
	opened, err := open(filepath.Join(dir, f.Name), f.Info)
	if err != nil {
		return 0, err
	}
	defer func() { _ = opened.Close() }()
	m, _, err := w.manifest(f.Day)
	if err != nil {
		return 0, err
	}
	own := markOf(opened.Lookup)
	if !own.of(w.log, f.Day) {
		own = mark{log: w.log, day: f.Day}
	}
	var made []entry
	var files column.Writer
	flush := func(records []flow.Record) error {
		name.Again++
		name = freeName(dir, m, name, own)
		e, err := commit(dir, name, func(p *file.Pending) (column.Info, error) {
			return files.Write(p, records, column.Options{Level: column.Better, Places: w.Places, Metadata: map[string]string{metaReplaces: f.Name, metaFiled: own.String()}})
		})
		made = append(made, e)
		return err
	}
	var kept []flow.Record
	for g := range opened.Groups {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		first := len(kept)
		if kept, err = opened.Records(g, kept); err != nil {
			return 0, err
		}
		n := first
		for i := first; i < len(kept); i++ {
			if keep(&kept[i]) {
				kept[n] = kept[i]
				n++
			}
		}
		forgotten += int64(len(kept) - n)
		if kept = kept[:n]; n >= column.PartRecords {
			if err := flush(kept); err != nil {
				return 0, err
			}
			kept = kept[:0]
		}
	}
	if forgotten == 0 {
		w.discard(dir, made)
		return 0, nil
	}
	if len(kept) > 0 {
		if err := flush(kept); err != nil {
			return 0, err
		}
	}
	if err := w.swap(f.Day, []string{f.Name}, made); err != nil {
		return 0, err
	}
	if err := remove(filepath.Join(dir, f.Name+oldSuffix)); err != nil {
		return 0, err
	}
	return forgotten, w.index(ctx, f.Day)
}

// discard removes files that no manifest lists.
func (w *Writer) discard(dir string, made []entry) {
	for _, e := range made {
		_ = remove(filepath.Join(dir, e.Name)) // the next start does
	}
}

// ForgetOld removes at once what was replaced and kept for those who read it.
func (w *Writer) ForgetOld() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, r := range w.old {
		errs = append(errs, remove(r.path))
	}
	w.old = nil
	return errors.Join(errs...)
}
