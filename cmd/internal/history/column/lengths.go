package column

import (
	"encoding/binary"
	"fmt"

	"github.com/flowhound/flowhound/cmd/internal/bounded"
)

// Who wants two rows of a row group needs one or two of the sixteen pages of a large column. In
// Parquet only the header of a page says where the next one begins. So a file has a list of how
// long the pages of its large chunks are (0.004 B a flow): without it, three times as much
// would be read of a row group.

// largeChunk is how large a chunk is whose pages are read one by one. Of a smaller one to read
// all takes no longer.
const largeChunk = 32 << 10

// appendLengths appends what the list says of a chunk: nothing, unless it is large, else how
// many rows its pages have, the length of the dictionary and those of the pages.
func appendLengths(to, chunk []byte) []byte {
	if len(chunk) <= largeChunk {
		return binary.AppendUvarint(to, 0)
	}
	step, dictionary := 0, 0
	var pages []byte
	for len(chunk) > 0 {
		p, kind, rest, err := nextPage(chunk)
		switch {
		case err != nil:
			panic(err) // we wrote it
		case kind == dictionaryPage:
			dictionary = len(chunk) - len(rest)
		default:
			step = max(step, p.rows) // the last one has fewer
			pages = binary.AppendUvarint(pages, uint64(len(chunk)-len(rest)))
		}
		chunk = rest
	}
	of := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(step)), uint64(dictionary))
	return append(append(binary.AppendUvarint(to, uint64(len(of)+len(pages))), of...), pages...)
}

var errLengths = fmt.Errorf("%w: its list of the lengths of pages cannot be read", ErrDamaged)

// readLengths returns what the list says of each chunk of each row group; nil: the file has no
// list, as an earlier version wrote it.
func (f *File) readLengths() (lengths [][]byte, err error) {
	where, ok := f.Lookup(metaLengths)
	if !ok {
		return nil, nil
	}
	var place, size int64
	if _, err := fmt.Sscan(where, &place, &size); err != nil {
		return nil, errLengths
	}
	var list []byte
	if list, err = f.pages.read(&list, place, size); err != nil {
		return nil, err
	}
	b := bounded.Reader{B: list}
	for _, g := range f.layout.groups {
		for range g.chunks {
			lengths = append(lengths, b.Prefixed())
		}
	}
	if b.Bad || len(b.B) > 0 {
		return nil, errLengths
	}
	return lengths, nil
}

// lengthsOf returns what the list says of a chunk.
func (f *File) lengthsOf(group, place int) ([]byte, error) {
	all, err := f.lengths()
	if err != nil || all == nil {
		return nil, err
	}
	return all[group*len(f.layout.groups[group].chunks)+place], nil
}

// beginPages is begin for a chunk of which the list tells the lengths: it reads the dictionary
// alone.
func (c *Column) beginPages(id ID, of *checked, at *chunkLayout, lengths []byte, rows int) error {
	list := bounded.Reader{B: lengths}
	step, dictionary, end := list.Uvarint(), int64(list.Uvarint()), at.offset
	if step == 0 || step > uint64(rows) {
		return errLengths
	}
	if dictionary > 0 {
		b, err := of.read(&c.chunk, at.offset, dictionary)
		if err != nil {
			return err
		}
		p, kind, rest, err := nextPage(b)
		if err != nil || kind != dictionaryPage || len(rest) > 0 || p.rows > rows {
			return errLengths
		}
		if err := c.sized(&p); err != nil {
			return err
		}
		end += dictionary
	}
	for first := 0; first < rows; first += int(step) {
		p := page{first: first, rows: min(int(step), rows-first), at: end, length: int64(list.Uvarint())}
		if end += p.length; p.length <= 0 || end > at.offset+at.size || list.Bad {
			return errLengths
		}
		c.pages = append(c.pages, p)
	}
	if len(list.B) > 0 || end != at.offset+at.size {
		return errLengths
	}
	c.of = of
	return c.prepare(id, rows, dictionary > 0)
}

// fetched returns a page whose content is read, unless it was.
func (c *Column) fetched(p *page) (*page, error) {
	if p.length == 0 {
		return p, nil
	}
	b, err := c.of.read(&c.page, p.at, p.length)
	if err != nil {
		return nil, err
	}
	read, kind, rest, err := nextPage(b)
	if err != nil || kind != dataPage && kind != dataPage2 || len(rest) > 0 || read.rows != p.rows {
		return nil, errLengths
	}
	read.first = p.first
	return &read, nil
}
