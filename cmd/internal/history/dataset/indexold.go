package dataset

import (
	"encoding/binary"
	"encoding/json"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// The first version of the address index, of which the writer makes one of today when it
// next tidies up. Its directory is JSON, and each address stands beside its row groups.
const oldIndexMagic = "FHADDR01"

func (x *addressIndex) oldDirectory(b []byte) error {
	var d struct {
		Files  []indexedFile `json:"files"`
		Blocks []struct {
			First  flow.Addr `json:"first"`
			Offset int64     `json:"offset"`
			Length int       `json:"length"`
			Sum    uint32    `json:"sum"`
		} `json:"blocks"`
	}
	if json.Unmarshal(b, &d) != nil {
		return errIndex
	}
	x.files = d.Files
	for _, o := range d.Blocks {
		if o.Length < 0 {
			return errIndex
		}
		x.blocks = append(x.blocks, block{first: o.First, addresses: part{o.Offset, o.Length, o.Sum}})
	}
	return nil
}

// oldBlock gives the addresses of a block to each, with their row groups.
func oldBlock(content []byte, each func(a flow.Addr, groups []uint32)) error {
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

func (f *finding) oldBlock(i int, ranges []flow.Range, each func(flow.Addr)) error {
	return f.x.block(i, func(a flow.Addr, in []uint32) {
		for len(ranges) > 0 && ranges[0].Last.Compare(a) < 0 {
			ranges = ranges[1:]
		}
		if len(ranges) > 0 && ranges[0].First.Compare(a) <= 0 {
			each(a)
			f.mark(in)
		}
	})
}
