package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// settled is how long after its end an hour is compacted: what was on its way then
// has arrived and stands in parts.
const settled = 10 * time.Minute

// Tidy makes one file of the parts of each hour that is over, brings the indexes up to
// date, and removes what was replaced a while ago. A damaged file is set aside and the
// rest goes on.
func (w *Writer) Tidy(ctx context.Context, now time.Time) error {
	w.sweepOld(now)
	days, err := Days(w.Dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, day := range days {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := w.tidyDay(ctx, day, now); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", day, err))
		}
	}
	return errors.Join(errs...)
}

func (w *Writer) tidyDay(ctx context.Context, day string, now time.Time) error {
	w.work.Lock()
	defer w.work.Unlock()
	m, rebuilt, err := w.manifest(day)
	if err == nil && rebuilt { // somebody has put the day here, or has removed its manifest
		err = w.change(day, func(n *manifest) { m = n })
	}
	if err != nil {
		return err
	}
	changed := false
	for _, group := range mergeable(m, day, now) {
		if err := w.compact(ctx, day, group); err != nil {
			return err
		}
		changed = true
	}
	if changed || !w.indexed(day, m) {
		return w.index(ctx, day)
	}
	return nil
}

// mergeable returns groups of a day's files to be merged: those of an hour that is
// over, in which there is a part, in portions that Merge can take.
func mergeable(m *manifest, day string, now time.Time) (groups [][]entry) {
	begin, _ := time.Parse(dayFormat, day)
	byHour := map[int][]entry{}
	for _, e := range m.Files {
		n, _ := parseName(e.Name)
		byHour[n.Hour] = append(byHour[n.Hour], e)
	}
	for h, files := range byHour {
		// An hour of the future is of a clock that was wrong: it is over.
		end := begin.Add(time.Duration(h+1) * time.Hour)
		if over := end.Add(settled); now.Before(over) && now.After(begin.Add(time.Duration(h)*time.Hour)) {
			continue
		}
		slices.SortFunc(files, func(a, b entry) int { return strings.Compare(a.Name, b.Name) })
		groups = append(groups, portions(files)...)
	}
	slices.SortFunc(groups, func(a, b []entry) int { return strings.Compare(a[0].Name, b[0].Name) })
	return groups
}

// portions cuts the files of an hour into groups to be merged. What needs no merging,
// an hour's file that is full already or alone, is in none.
func portions(files []entry) (groups [][]entry) {
	var group []entry
	rows := int64(0)
	end := func() {
		part := slices.ContainsFunc(group, func(e entry) bool { n, _ := parseName(e.Name); return n.Part })
		if part {
			groups = append(groups, group)
		}
		group, rows = nil, 0
	}
	for _, e := range files {
		if rows+e.Rows > column.MergeRows && len(group) > 0 {
			end()
		}
		if e.Rows > column.MergeRows {
			continue
		}
		group = append(group, e)
		rows += e.Rows
	}
	if len(group) > 0 {
		end()
	}
	return groups
}

// compact makes one file of several.
func (w *Writer) compact(ctx context.Context, day string, group []entry) error {
	dir := filepath.Join(w.Dir, day)
	files, good, err := w.openAll(day, group)
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	if err != nil || len(files) == 0 {
		return err
	}
	names := make([]string, len(good))
	var name Name
	own := mark{log: w.log, day: day}
	for i, e := range good {
		names[i] = e.Name
		n, _ := parseName(e.Name)
		name.Hour, name.Number = n.Hour, max(name.Number, n.Number)
		if at := markOf(files[i].Lookup); at.of(w.log, day) {
			own.segment = max(own.segment, at.segment)
		}
	}
	m, _, err := w.manifest(day)
	if err != nil {
		return err
	}
	made, err := w.merged(ctx, dir, freeName(dir, m, name, own), files, map[string]string{metaReplaces: strings.Join(names, " "), metaFiled: own.String()})
	if errors.Is(err, column.ErrDamaged) {
		return w.findDamaged(day, good)
	}
	if err != nil {
		return err
	}
	return w.swap(day, names, []entry{made})
}

// openAll opens files; those that are damaged are set aside.
func (w *Writer) openAll(day string, group []entry) (files []*column.File, good []entry, err error) {
	for _, e := range group {
		f, err := open(filepath.Join(w.Dir, day, e.Name), e.Info)
		switch {
		case errors.Is(err, column.ErrDamaged), errors.Is(err, fs.ErrNotExist):
			if err := w.damage(day, e, err); err != nil {
				return files, nil, err
			}
			continue
		case err != nil:
			return files, nil, err
		}
		files, good = append(files, f), append(good, e)
	}
	return files, good, nil
}

// findDamaged sets aside those of several files that cannot be read to their end.
func (w *Writer) findDamaged(day string, group []entry) error {
	for _, e := range group {
		err := Verify(filepath.Join(w.Dir, day, e.Name))
		if errors.Is(err, column.ErrDamaged) || errors.Is(err, fs.ErrNotExist) {
			err = w.damage(day, e, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// damage takes a damaged file out of its day.
func (w *Writer) damage(day string, e entry, why error) error {
	path := filepath.Join(w.Dir, day, e.Name)
	err := w.change(day, func(m *manifest) {
		m.Files = slices.DeleteFunc(m.Files, func(x entry) bool { return x.Name == e.Name })
		m.Damaged = append(m.Damaged, damaged{Name: e.Name, Why: why.Error(), Flows: e.Flows})
	})
	if err != nil {
		return err
	}
	if err := w.SetAside(path, why); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (w *Writer) merged(ctx context.Context, dir string, name Name, files []*column.File, metadata map[string]string) (entry, error) {
	return commit(dir, name, func(p *file.Pending) (column.Info, error) {
		return column.Merge(ctx, p, files, column.Options{Level: column.Better, Metadata: metadata})
	})
}

// swap puts files in the place of others, in one step.
func (w *Writer) swap(day string, names []string, made []entry) error {
	err := w.change(day, func(m *manifest) {
		m.Files = slices.DeleteFunc(m.Files, func(e entry) bool { return slices.Contains(names, e.Name) })
		m.add(made)
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.retire(filepath.Join(w.Dir, day), names, time.Now())
	return nil
}
