package column

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

// File is a file that is open for reading. Its methods may be called concurrently; a
// Column that they fill belongs to one goroutine.
type File struct {
	Info
	file    *os.File // nil: from memory
	layout  *layout
	pages   *checked
	arrived func() (*timeline, error)
	lengths func() ([][]byte, error)

	indexEnd int64  // where Parquet's indexes end, which begin where the pages end
	indexSum uint32 // their checksum; 0: none
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
		return nil, err // callers name the file
	}
	opened.file = f
	return opened, nil
}

// Read opens a file of the given size, which r reads.
//
// A question opens thousands of files, so that this does what all readers need, and no
// more: the list of arrivals waits until it is asked for.
func Read(r io.ReaderAt, size int64) (f *File, err error) {
	defer recovered(&err)
	footer, indexes, err := readFooter(r, size)
	if err != nil {
		return nil, err
	}
	f = &File{indexSum: indexes, indexEnd: size - int64(endSize+len(footer)+tailSize)}
	if f.layout, err = parseFooter(footer); err != nil {
		return nil, err
	}
	if v := f.layout.meta[metaVersion]; string(v) != version {
		return nil, fmt.Errorf("%w: its format is version %q, this program reads %s", ErrDamaged, v, version)
	}
	if f.pages, err = newChecked(r, f.layout.meta[metaSums]); err != nil {
		return nil, err
	}
	if err := f.parse(string(f.layout.meta[metaInfo])); err != nil {
		return nil, err
	}
	f.arrived, f.lengths = sync.OnceValues(f.readTimeline), sync.OnceValues(f.readLengths)
	f.Size, f.Groups = size, len(f.layout.groups)
	return f, nil
}

// readTimeline reads where the times stand at which the file's records arrived.
func (f *File) readTimeline() (*timeline, error) {
	s, _ := scratches.Get().(*scratch)
	defer scratches.Put(s)
	var place, size, directory int64
	if where, ok := f.Lookup(metaTimes); ok {
		if _, err := fmt.Sscan(where, &place, &size, &directory); err != nil {
			return nil, errArrivals
		}
		b, err := f.pages.read(&s.bytes, place+size, directory)
		if err != nil {
			return nil, err
		}
		return readTimeline(b, place, f.readArrivalsOf)
	}
	// An earlier version wrote it.
	var list arrivals
	var err error
	if where, ok := f.Lookup(metaArrived); !ok {
		list, err = decodeArrivals(f.layout.meta[metaArrivals])
	} else if _, err = fmt.Sscan(where, &place, &size); err != nil {
		err = errArrivals
	} else if b, failed := f.pages.read(&s.bytes, place, size); failed != nil {
		err = failed
	} else {
		list, err = unpackArrivals(b)
	}
	if err != nil {
		return nil, err
	}
	return list.whole(), nil
}

// readArrivalsOf reads a block of them.
func (f *File) readArrivalsOf(b *timeBlock) (arrivals, error) {
	s, _ := scratches.Get().(*scratch)
	defer scratches.Put(s)
	packed, err := f.pages.read(&s.bytes, b.offset, b.size)
	if err != nil {
		return nil, err
	}
	return b.unpack(packed)
}

// arrivals returns the times at which the file's records arrived.
func (f *File) arrivals() (arrivals, error) {
	t, err := f.arrived()
	if err != nil {
		return nil, err
	}
	return t.all()
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
	if _, err := f.arrivals(); err != nil {
		return err
	}
	if _, err := f.lengths(); err != nil {
		return err
	}
	if err := f.verifyIndexes(); err != nil {
		return err
	}
	var c Column
	for g := range f.Groups {
		for id := range Columns {
			if err := f.Begin(g, id, &c); err != nil {
				return err
			}
			if err := c.check(); err != nil {
				return fmt.Errorf("column %s: %w", id, err)
			}
		}
	}
	return nil
}

// GroupLen returns how many rows a row group has.
func (f *File) GroupLen(group int) int { return f.layout.groups[group].rows }

// Lookup returns what the metadata of the file says of a key.
func (f *File) Lookup(key string) (string, bool) {
	v, ok := f.layout.meta[key]
	return string(v), ok
}

// recovered makes an error of a panic: of the decoders, which are a library's, one was seen
// to do so with bytes that nobody wrote.
func recovered(err *error) {
	if p := recover(); p != nil {
		if e, ok := p.(error); ok && errors.Is(e, ErrDamaged) {
			*err = e
			return
		}
		*err = fmt.Errorf("%w: %v", ErrDamaged, p)
	}
}
