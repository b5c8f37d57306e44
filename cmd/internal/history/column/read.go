package column

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

// File is a file that is open for reading. Its methods may be called concurrently; a
// Column that they fill belongs to one goroutine.
type File struct {
	Info
	file     *os.File // nil: from memory
	parquet  *parquet.File
	place    [Columns]int // of each column in the file, -1 where it has none
	arrivals arrivals
}

// Open opens a file that Writer wrote. An error wraps ErrDamaged where the content is
// to blame.
func Open(path string) (*File, error) {
	f, st, err := file.Open(path)
	if err != nil {
		return nil, err
	}
	opened, err := Read(f, st.Size())
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	opened.file = f
	return opened, nil
}

// Read opens a file of the given size, which r reads.
func Read(r io.ReaderAt, size int64) (f *File, err error) {
	defer recovered(&err)
	if err := checkFooter(r, size); err != nil {
		return nil, err
	}
	f = &File{}
	from := &source{footer: r}
	f.parquet, err = parquet.OpenFile(from, size, parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true), parquet.ReadBufferSize(64<<10))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if v, _ := f.parquet.Lookup(metaVersion); v != version {
		return nil, fmt.Errorf("%w: its format is version %q, this program reads %s", ErrDamaged, v, version)
	}
	sums, _ := f.parquet.Lookup(metaSums)
	if from.pages, err = newChecked(r, sums); err != nil {
		return nil, err
	}
	text, _ := f.parquet.Lookup(metaInfo)
	if err := f.parse(text); err != nil {
		return nil, err
	}
	at, _ := f.parquet.Lookup(metaArrivals)
	if f.arrivals, err = decodeArrivals(at); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	f.Size, f.Groups = size, len(f.parquet.RowGroups())
	return f, f.locate()
}

// source reads pages with checks, once their checksums are known, and what stands
// behind them without.
type source struct {
	pages  *checked
	footer io.ReaderAt
}

// ReadAt implements io.ReaderAt.
func (s *source) ReadAt(b []byte, at int64) (int, error) {
	if s.pages != nil && at < s.pages.size {
		return s.pages.ReadAt(b, at)
	}
	return s.footer.ReadAt(b, at)
}

// locate finds the columns.
func (f *File) locate() error {
	s := f.parquet.Schema()
	for id := range Columns {
		f.place[id] = -1
		leaf, ok := s.Lookup(id.String())
		if !ok {
			continue // of a later version of this program: its default
		}
		kind := map[Kind]parquet.Kind{Int32: parquet.Int32, Int64: parquet.Int64, Address: parquet.FixedLenByteArray, Country: parquet.ByteArray}[id.Kind()]
		if leaf.Node.Type().Kind() != kind || leaf.MaxDefinitionLevel != 0 || leaf.MaxRepetitionLevel != 0 {
			return fmt.Errorf("%w: column %s has another type", ErrDamaged, id)
		}
		f.place[id] = leaf.ColumnIndex
	}
	return nil
}

// Close closes the file.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// Verify reads all of the file, which checks it.
func (f *File) Verify() error {
	var c Column
	for g := range f.Groups {
		for id := range Columns {
			if err := f.Column(g, id, &c); err != nil {
				return err
			}
		}
	}
	return nil
}

// GroupLen returns how many rows a row group has.
func (f *File) GroupLen(group int) int { return int(f.parquet.RowGroups()[group].NumRows()) }

// Lookup returns what the metadata of the file says of a key.
func (f *File) Lookup(key string) (string, bool) { return f.parquet.Lookup(key) }

// recovered makes an error of a panic: of all damaged files that were tried one made
// the library panic.
func recovered(err *error) {
	if p := recover(); p != nil {
		if e, ok := p.(error); ok && errors.Is(e, ErrDamaged) {
			*err = e
			return
		}
		*err = fmt.Errorf("%w: %v", ErrDamaged, p)
	}
}
