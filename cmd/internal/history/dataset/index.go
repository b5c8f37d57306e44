package dataset

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// The address index of a day says for every address of its hour files in which row
// groups it stands, as source, destination or behind a NAT: 10 bytes an address, and
// a search for one address reads one row group of a day in place of 300.
//
//	magic, blocks of 1,024 addresses, directory, its length and CRC-32C, magic
const (
	indexName  = "addresses"
	indexMagic = "FHADDR01"
	indexBlock = 1024
	indexEnd   = 8 + len(indexMagic)
	indexLimit = 4 << 30
)

// indexed is an address and the row groups that have it.
type indexed struct {
	address flow.Addr
	groups  []uint32 // numbered over all files of the index
}

// directory is how an index begins to be read.
type directory struct {
	Files     []indexedFile `json:"files"`
	Addresses int           `json:"addresses"`
	Blocks    []block       `json:"blocks"`
}

type indexedFile struct {
	Name   string `json:"name"`
	Groups uint32 `json:"groups"`
}

type block struct {
	First  flow.Addr `json:"first"`
	Offset int64     `json:"offset"`
	Length int       `json:"length"`
	Sum    uint32    `json:"sum"`
}

// indexWriter writes addresses that come in order.
type indexWriter struct {
	out    *bufio.Writer
	dir    directory
	offset int64
	block  []byte
	n      int // addresses in block
	before flow.Addr
}

func (w *indexWriter) add(x indexed) error {
	if w.n == 0 {
		w.dir.Blocks = append(w.dir.Blocks, block{First: x.address, Offset: w.offset})
		w.before = flow.Addr{}
	}
	head := uint64(len(x.groups)) << 1
	if x.address.Hi == w.before.Hi {
		w.block = binary.AppendUvarint(w.block, head)
		w.block = binary.AppendUvarint(w.block, x.address.Lo-w.before.Lo)
	} else {
		w.block = binary.AppendUvarint(w.block, head|1)
		w.block = binary.AppendUvarint(w.block, x.address.Hi-w.before.Hi)
		w.block = binary.BigEndian.AppendUint64(w.block, x.address.Lo)
	}
	w.before = x.address
	last := uint32(0)
	for _, g := range x.groups {
		w.block = binary.AppendUvarint(w.block, uint64(g-last))
		last = g
	}
	w.dir.Addresses++
	if w.n++; w.n == indexBlock {
		return w.flush()
	}
	return nil
}

func (w *indexWriter) flush() error {
	if w.n == 0 {
		return nil
	}
	b := &w.dir.Blocks[len(w.dir.Blocks)-1]
	b.Length, b.Sum = len(w.block), crc32.Checksum(w.block, castagnoli)
	w.offset += int64(len(w.block))
	_, err := w.out.Write(w.block)
	w.block, w.n = w.block[:0], 0
	return err
}

func (w *indexWriter) close() error {
	if err := w.flush(); err != nil {
		return err
	}
	b, err := json.Marshal(w.dir)
	if err != nil {
		return err
	}
	end := binary.LittleEndian.AppendUint32(b, uint32(len(b)))
	end = binary.LittleEndian.AppendUint32(end, crc32.Checksum(b, castagnoli))
	if _, err := w.out.Write(append(end, indexMagic...)); err != nil {
		return err
	}
	return w.out.Flush()
}

var errIndex = errors.New("the address index is damaged")

// decode gives the addresses of a block to each.
func (b *block) decode(content []byte, each func(a flow.Addr, groups []uint32)) error {
	if crc32.Checksum(content, castagnoli) != b.Sum {
		return errIndex
	}
	var a flow.Addr
	var groups []uint32
	for len(content) > 0 {
		head, n := binary.Uvarint(content)
		d, m := binary.Uvarint(content[max(n, 0):])
		if n <= 0 || m <= 0 {
			return errIndex
		}
		content = content[n+m:]
		if head&1 == 0 {
			a.Lo += d
		} else {
			if len(content) < 8 {
				return errIndex
			}
			a.Hi, a.Lo = a.Hi+d, binary.BigEndian.Uint64(content)
			content = content[8:]
		}
		groups = groups[:0]
		last := uint32(0)
		for range head >> 1 {
			d, n := binary.Uvarint(content)
			if n <= 0 {
				return errIndex
			}
			last += uint32(d)
			groups = append(groups, last)
			content = content[n:]
		}
		each(a, groups)
	}
	return nil
}

// indexed reports whether the indexes of a day stand for all its hour files.
func (w *Writer) indexed(day string, m *manifest) bool {
	x, err := openIndex(filepath.Join(w.Dir, day, indexName))
	if err != nil {
		return len(hourFiles(m)) == 0
	}
	defer x.close()
	if _, err := os.Stat(filepath.Join(w.Dir, day, servicesName)); err != nil {
		return false // an earlier version made the others
	}
	return slices.Equal(names(x.dir.Files), hourFiles(m))
}

func names(files []indexedFile) (out []string) {
	for _, f := range files {
		out = append(out, f.Name)
	}
	return out
}

func hourFiles(m *manifest) (names []string) {
	for _, e := range m.Files {
		if n, _ := parseName(e.Name); !n.Part {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	return names
}

// index makes the indexes of a day anew: the part of files that were in them already is
// copied.
func (w *Writer) index(ctx context.Context, day string) error {
	dir := filepath.Join(w.Dir, day)
	m, _, err := readManifest(dir)
	if err != nil {
		return err
	}
	want := hourFiles(m)
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
func steps(want, have []string) (out [][]string) {
	added := 0
	var some []string
	for _, name := range want {
		if !slices.Contains(have, name) {
			if added == filesAtOnce {
				out, added = append(out, slices.Clone(some)), 0
			}
			added++
		}
		some = append(some, name)
	}
	return append(out, some)
}

// indexedFiles returns the files in the index of a day: none where it has none.
func indexedFiles(dir string) []string {
	x, err := openIndex(filepath.Join(dir, indexName))
	if err != nil {
		return nil
	}
	defer x.close()
	return names(x.dir.Files)
}

// indexAddresses makes the index of a day's files, from the one that is there unless it
// is damaged.
func (w *Writer) indexAddresses(ctx context.Context, dir string, want []string) error {
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

func writeIndex(ctx context.Context, dir string, want []string, old *addressIndex) error {
	path := filepath.Join(dir, indexName)
	p, err := file.Create(path)
	if err != nil {
		return err
	}
	defer p.Discard()
	out := &indexWriter{out: bufio.NewWriterSize(p, 64<<10), offset: int64(len(indexMagic))}
	_, _ = out.out.WriteString(indexMagic)
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
func (w *indexWriter) sources(ctx context.Context, dir string, want []string, old *addressIndex) (sources []*stream, err error) {
	base := map[string]uint32{}
	next := uint32(0)
	for _, name := range want {
		f, err := column.Open(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		groups := uint32(f.Groups)
		base[name] = next
		if old == nil || !slices.Contains(names(old.dir.Files), name) {
			var s *stream
			if s, err = addressesOf(ctx, f, next); err == nil {
				sources = append(sources, s)
			}
		}
		_ = f.Close()
		if err != nil {
			return nil, err
		}
		w.dir.Files = append(w.dir.Files, indexedFile{name, groups})
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
