package dataset

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// indexed reports whether the indexes of a day stand for all its hour files.
func (w *Writer) indexed(day string, m *manifest) bool {
	x, err := openIndex(filepath.Join(w.Dir, day, indexName))
	if err != nil {
		return len(hourFiles(m)) == 0
	}
	defer x.close()
	for _, of := range rollUps {
		if _, err := os.Stat(filepath.Join(w.Dir, day, of.name)); err != nil {
			return false // an earlier version made the others
		}
	}
	return !x.old && slices.Equal(names(x.files), keys(hourFiles(m)))
}

func names(files []indexedFile) (out []string) {
	for _, f := range files {
		out = append(out, f.Key)
	}
	return out
}

// keys are what the address index calls files.
func keys(files []entry) (out []string) {
	for i := range files {
		out = append(out, files[i].key(indexMagic))
	}
	return out
}

func hourFiles(m *manifest) (files []entry) {
	for _, e := range m.Files {
		if n, _ := parseName(e.Name); !n.Part {
			files = append(files, e)
		}
	}
	slices.SortFunc(files, func(a, b entry) int { return strings.Compare(a.Name, b.Name) })
	return files
}

// index makes the indexes of a day anew: the part of files that were in them already is
// copied. A file that is damaged is set aside.
func (w *Writer) index(ctx context.Context, day string) error {
	dir := filepath.Join(w.Dir, day)
	m, _, err := w.manifest(day)
	if err != nil {
		return err
	}
	err = w.indexFiles(ctx, dir, hourFiles(m))
	if bad := (*fileError)(nil); errors.As(err, &bad) && (errors.Is(bad.why, column.ErrDamaged) || errors.Is(bad.why, fs.ErrNotExist)) {
		if err := w.damage(day, bad.file, bad.why); err != nil {
			return err
		}
		return w.index(ctx, day)
	}
	return err
}

// fileError says which of a day's files could not be read.
type fileError struct {
	file entry
	why  error
}

func (e *fileError) Error() string { return e.file.Name + ": " + e.why.Error() }

func (e *fileError) Unwrap() error { return e.why }

func (w *Writer) indexFiles(ctx context.Context, dir string, want []entry) error {
	for _, some := range steps(want, indexedFiles(dir)) {
		if err := w.indexAddresses(ctx, dir, some); err != nil {
			return err
		}
	}
	return w.rollUp(ctx, dir, want)
}

// filesAtOnce is how many files are taken into an index in one step: each takes 15 MB.
const filesAtOnce = 4

// steps cuts the way from an index of the files of have to one of those of want: each
// step has filesAtOnce more. There is one at least.
func steps(want []entry, have []string) (out [][]entry) {
	added := 0
	var some []entry
	for _, e := range want {
		if !slices.Contains(have, e.key(indexMagic)) {
			if added == filesAtOnce {
				out, added = append(out, slices.Clone(some)), 0
			}
			added++
		}
		some = append(some, e)
	}
	return append(out, some)
}

// indexedFiles returns the keys of the files in the index of a day: none where it has none.
func indexedFiles(dir string) []string {
	x, err := openIndex(filepath.Join(dir, indexName))
	if err != nil {
		return nil
	}
	defer x.close()
	return names(x.files)
}

// indexAddresses makes the index of a day's files, from the one that is there unless it
// is damaged.
func (w *Writer) indexAddresses(ctx context.Context, dir string, want []entry) error {
	old, err := openIndex(filepath.Join(dir, indexName))
	if err != nil {
		return writeIndex(ctx, dir, want, nil)
	}
	defer old.close()
	if err = writeIndex(ctx, dir, want, old); errors.Is(err, errIndex) {
		return writeIndex(ctx, dir, want, nil)
	}
	return err
}

func writeIndex(ctx context.Context, dir string, want []entry, old *addressIndex) error {
	path := filepath.Join(dir, indexName)
	p, err := file.Create(path)
	if err != nil {
		return err
	}
	defer p.Discard()
	out := newIndexWriter(p)
	sources, err := out.sources(ctx, dir, want, old)
	if err != nil {
		return err
	}
	if err := mergeStreams(sources, out.add); err != nil {
		return err
	}
	if err := out.close(); err != nil {
		return err
	}
	if err := p.Chmod(0o640); err != nil {
		return err
	}
	return p.Commit()
}

// sources are where the addresses of a new index come from: what the old one has of
// files that are still there, and the files that are new.
func (w *indexWriter) sources(ctx context.Context, dir string, want []entry, old *addressIndex) (sources []*stream, err error) {
	base := map[string]uint32{}
	next := uint32(0)
	for _, e := range want {
		f, err := open(filepath.Join(dir, e.Name), e.Info)
		if err != nil {
			return nil, &fileError{e, err}
		}
		groups, key := uint32(f.Groups), e.key(indexMagic)
		base[key] = next
		if old == nil || !slices.Contains(names(old.files), key) {
			var s *stream
			if s, err = addressesOf(ctx, f, next); err == nil {
				sources = append(sources, s)
			}
		}
		_ = f.Close()
		if err != nil {
			return nil, &fileError{e, err}
		}
		w.files = append(w.files, indexedFile{key, groups})
		next += groups
	}
	if old != nil {
		sources = append(sources, old.renumbered(base))
	}
	return sources, nil
}

// stream gives addresses in order, with the row groups that have them.
type stream struct {
	now  indexed // valid until the next call of next
	ok   bool    // there is one
	next func(*stream) error
}

// addressesOf gives the addresses of a file, with its row groups counted from base on.
// It reads dictionaries alone.
func addressesOf(ctx context.Context, f *column.File, base uint32) (*stream, error) {
	var pairs []addressIn
	var c column.Column
	for g := range f.Groups {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, id := range []column.ID{column.Src, column.Dst, column.NATSrc, column.NATDst} {
			if err := f.Column(g, id, &c); err != nil {
				return nil, err
			}
			for i := range len(c.Bytes) / 16 {
				if a := flow.AddrFrom16(c.Bytes[16*i:]); a != (flow.Addr{}) {
					pairs = append(pairs, addressIn{a, base + uint32(g)})
				}
			}
		}
	}
	slices.SortFunc(pairs, func(a, b addressIn) int {
		if c := a.address.Compare(b.address); c != 0 {
			return c
		}
		return int(a.group) - int(b.group)
	})
	pairs = slices.Compact(pairs)
	return &stream{next: func(s *stream) error {
		if s.ok = len(pairs) > 0; !s.ok {
			return nil
		}
		s.now.address, s.now.groups = pairs[0].address, s.now.groups[:0]
		for len(pairs) > 0 && pairs[0].address == s.now.address {
			s.now.groups = append(s.now.groups, pairs[0].group)
			pairs = pairs[1:]
		}
		return nil
	}}, nil
}

type addressIn struct {
	address flow.Addr
	group   uint32
}

// mergeStreams gives the addresses of several sources to each, in order; the groups are
// valid during the call.
func mergeStreams(sources []*stream, each func(indexed) error) error {
	for _, s := range sources {
		if err := s.next(s); err != nil {
			return err
		}
	}
	var groups []uint32
	for {
		var least *stream
		for _, s := range sources {
			if s.ok && (least == nil || s.now.address.Compare(least.now.address) < 0) {
				least = s
			}
		}
		if least == nil {
			return nil
		}
		address := least.now.address
		groups = groups[:0]
		for _, s := range sources {
			if s.ok && s.now.address == address {
				groups = append(groups, s.now.groups...)
				if err := s.next(s); err != nil {
					return err
				}
			}
		}
		slices.Sort(groups)
		if err := each(indexed{address, groups}); err != nil {
			return err
		}
	}
}
