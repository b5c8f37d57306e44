package dataset

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// addressIndex is the address index of a day that is open for reading.
type addressIndex struct {
	f   *os.File
	dir directory
}

func openIndex(path string) (*addressIndex, error) {
	f, st, err := file.Open(path)
	if err != nil {
		return nil, err
	}
	x := &addressIndex{f: f}
	if err := x.readDirectory(st.Size()); err != nil {
		_ = f.Close()
		return nil, err
	}
	return x, nil
}

func (x *addressIndex) close() { _ = x.f.Close() }

func (x *addressIndex) readDirectory(size int64) error {
	end := make([]byte, indexEnd)
	if size < int64(len(indexMagic)+indexEnd) || size > indexLimit {
		return errIndex
	}
	if _, err := x.f.ReadAt(end, size-int64(indexEnd)); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(end))
	if string(end[8:]) != indexMagic || n > size-int64(indexEnd) {
		return errIndex
	}
	b := make([]byte, n)
	if _, err := x.f.ReadAt(b, size-int64(indexEnd)-n); err != nil {
		return err
	}
	if crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(end[4:]) || json.Unmarshal(b, &x.dir) != nil {
		return errIndex
	}
	return nil
}

// renumbered gives the addresses with the row groups of files that base has, counted
// from there on.
func (x *addressIndex) renumbered(base map[string]uint32) *stream {
	const gone = 1<<32 - 1
	var to []uint32
	for _, f := range x.dir.Files {
		from, ok := base[f.Name]
		for g := range f.Groups {
			if !ok {
				to = append(to, gone)
			} else {
				to = append(to, from+g)
			}
		}
	}
	next := 0          // block
	var some []indexed // of the last block, those that are left
	var all []uint32   // their groups
	take := func(a flow.Addr, groups []uint32) {
		first := len(all)
		for _, g := range groups {
			if g < uint32(len(to)) && to[g] != gone {
				all = append(all, to[g])
			}
		}
		if len(all) > first {
			some = append(some, indexed{a, all[first:]})
		}
	}
	return &stream{next: func(s *stream) error {
		for len(some) == 0 && next < len(x.dir.Blocks) {
			some, all = some[:0], all[:0]
			if err := x.block(next, take); err != nil {
				return fmt.Errorf("the old index: %w", err)
			}
			next++
		}
		if s.ok = len(some) > 0; s.ok {
			s.now, some = some[0], some[1:]
		}
		return nil
	}}
}

func (x *addressIndex) block(i int, each func(flow.Addr, []uint32)) error {
	b := &x.dir.Blocks[i]
	content := make([]byte, b.Length)
	if _, err := x.f.ReadAt(content, b.Offset); err != nil {
		return err
	}
	return b.decode(content, each)
}

// find returns which row groups hold an address of ranges, which are sorted and do not
// overlap.
func (x *addressIndex) find(ranges []flow.Range) (groups []bool, err error) {
	n := uint32(0)
	for _, f := range x.dir.Files {
		n += f.Groups
	}
	groups = make([]bool, n)
	next := 0
	for i := range x.dir.Blocks {
		for next < len(ranges) && ranges[next].Last.Compare(x.dir.Blocks[i].First) < 0 {
			next++
		}
		if next == len(ranges) {
			break
		}
		if i+1 < len(x.dir.Blocks) && ranges[next].First.Compare(x.dir.Blocks[i+1].First) >= 0 {
			continue
		}
		at := next
		err := x.block(i, func(a flow.Addr, in []uint32) {
			for at < len(ranges) && ranges[at].Last.Compare(a) < 0 {
				at++
			}
			if at < len(ranges) && ranges[at].First.Compare(a) <= 0 {
				for _, g := range in {
					if g < n {
						groups[g] = true
					}
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return groups, nil
}

// Select returns the row groups of files that can hold one of the addresses, as source,
// destination or behind a NAT. Files that are not in the map are in no index: all of
// their groups can. Ranges are sorted and do not overlap. A damaged index is as none.
func (s *Snapshot) Select(ranges []flow.Range) map[*File][]int {
	out := map[*File][]int{}
	byName := map[string]map[string]*File{}
	for _, f := range s.Files {
		if byName[f.Day] == nil {
			byName[f.Day] = map[string]*File{}
		}
		byName[f.Day][f.Name] = f
	}
	for day, files := range byName {
		x, err := openIndex(filepath.Join(s.dir, day, indexName))
		if err != nil {
			continue
		}
		if groups, err := x.find(ranges); err == nil {
			base := 0
			for _, f := range x.dir.Files {
				if file := files[f.Name]; file != nil && file.Groups == int(f.Groups) {
					out[file] = []int{}
					for g := range int(f.Groups) {
						if groups[base+g] {
							out[file] = append(out[file], g)
						}
					}
				}
				base += int(f.Groups)
			}
		}
		x.close()
	}
	return out
}
