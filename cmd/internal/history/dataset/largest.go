package dataset

import (
	"cmp"
	"encoding/binary"
	"errors"

	"github.com/flowhound/flowhound/cmd/internal/bounded"
	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// The third roll-up of a day names the ends (an address and its port) that sent or
// received the most, for each large country and hour: the millions of ends behind a
// country of the map are then known without reading a file. A list has some hundred
// ends, and says how much any other end has at most. So whoever merges lists can tell
// whether the answer is exact. A section takes a hundredth of its file.
const (
	largestName  = "largest"
	largestMagic = "FHLARG01"
)

// Side says of which flows and ends a list is.
type Side uint8

// The sides.
const (
	Sent     Side = iota // flows from the country, by source
	Received             // flows to it, by destination
	Either               // flows from or to it, by either end, wherever that end is
	sides
)

// End is an address with a port, and what it sent or received in an hour.
type End struct {
	Addr  flow.Addr
	Port  uint16
	Bytes uint64 // multiplied by sampling
}

// EndList is the largest ends of a country in an hour: of flows that began in it.
type EndList struct {
	Hour    int64 // Unix seconds
	Country [2]byte
	Side    Side
	Flows   uint64 // of all ends
	Bytes   uint64
	Ends    []End  // in the order of addresses and ports
	Rest    uint64 // bytes that an end has at most which is not in Ends
	Seen    Sketch // of all ends
}

// compare orders ends by address and port.
func (e *End) compare(o *End) int {
	return cmp.Or(e.Addr.Compare(o.Addr), cmp.Compare(e.Port, o.Port))
}

// Largest gives each the lists of one side, and returns the files of the snapshot that
// they stand for: all flows of the countries that are wanted. Bytes as exported are not
// listed: with raw, files with sampled flows are left out.
func (s *Snapshot) Largest(side Side, raw bool, wanted func(country [2]byte) bool, each func(*File, *EndList) error) (covered map[*File]bool, err error) {
	return s.rolledUp(largestName, largestMagic, 1, func(_ int, f *File, content []byte) (bool, error) {
		lists, kind, err := decodeLargest(content, side, wanted)
		if err != nil || kind == listsSampled && raw {
			return false, nil //nolint:nilerr // damaged: its file is read
		}
		for i := range lists {
			if lists[i].unlisted() {
				return false, nil
			}
		}
		for i := range lists {
			if err := each(f, &lists[i]); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// unlisted reports whether the country is too small for a list.
func (l *EndList) unlisted() bool { return l.Flows == 0 }

var errLargest = errors.New("the roll-up of the largest ends is damaged")

// A section is a byte that says what its lists are, then for each side the heads of the
// lists, their ends and their sketches: three blocks, each with its length and
// compressed by itself. A country without a list has a head with 0 flows.
const (
	listsPlain   = iota
	listsSampled // there are sampled flows
	listsNone    // there are no lists: the file has flows of too many hours
)

const blocksOfSide = 3

func encodeLargest(lists []EndList, kind byte) []byte {
	out := []byte{kind}
	for side := range sides {
		var blocks [blocksOfSide][]byte
		for i := range lists {
			if lists[i].Side == side {
				lists[i].appendTo(&blocks)
			}
		}
		for _, b := range blocks {
			packed := sectionEncoder.EncodeAll(b, nil)
			out = append(binary.AppendUvarint(out, uint64(len(packed))), packed...)
		}
	}
	return out
}

// appendTo appends a list to the blocks of its side.
func (l *EndList) appendTo(blocks *[blocksOfSide][]byte) {
	b := binary.AppendVarint(blocks[0], l.Hour/3600)
	b = append(b, l.Country[:]...)
	b = binary.AppendUvarint(b, l.Flows)
	if !l.unlisted() {
		before := len(blocks[1])
		blocks[1] = appendEnds(blocks[1], l.Ends)
		for _, n := range []uint64{l.Bytes, l.Rest, uint64(len(l.Ends)), uint64(len(blocks[1]) - before)} {
			b = binary.AppendUvarint(b, n)
		}
		blocks[2] = append(blocks[2], l.Seen...)
	}
	blocks[0] = b
}

// appendEnds appends ends column by column, addresses as the difference to the one before.
func appendEnds(b []byte, ends []End) []byte {
	var before flow.Addr
	for i := range ends {
		b = appendStep(b, before, ends[i].Addr)
		before = ends[i].Addr
	}
	for i := range ends {
		b = binary.AppendUvarint(b, uint64(ends[i].Port))
	}
	for i := range ends {
		b = binary.AppendUvarint(b, ends[i].Bytes)
	}
	return b
}

// decodeLargest returns the lists of one side, of the countries that are wanted.
func decodeLargest(content []byte, side Side, wanted func([2]byte) bool) (lists []EndList, kind byte, err error) {
	if len(content) == 0 || content[0] > listsSampled {
		return nil, listsNone, errLargest
	}
	r := numbers{bounded.Reader{B: content[1:]}}
	for range blocksOfSide * int(side) {
		r.Prefixed()
	}
	var blocks [blocksOfSide]numbers
	for i := range blocks {
		blocks[i].B = r.unpacked()
	}
	for heads := &blocks[0]; len(heads.B) > 0 && !r.Bad; {
		l := EndList{Side: side}
		n, ends := l.readHead(&blocks)
		for i := range blocks {
			r.Bad = r.Bad || blocks[i].Bad
		}
		if r.Bad || !wanted(l.Country) {
			continue
		}
		if one := (numbers{bounded.Reader{B: ends}}); !l.unlisted() {
			l.Ends = one.ends(n)
			r.Bad = one.Bad || len(one.B) > 0
		}
		lists = append(lists, l)
	}
	if r.Bad {
		return nil, listsNone, errLargest
	}
	return lists, content[0], nil
}

// readHead reads a list but for its ends, of which it returns the number and the bytes.
func (l *EndList) readHead(blocks *[blocksOfSide]numbers) (n uint64, ends []byte) {
	head := &blocks[0]
	l.Hour = unzigzag(head.Uvarint()) * 3600
	copy(l.Country[:], head.Take(2))
	if l.Flows = head.Uvarint(); l.unlisted() {
		return 0, nil
	}
	l.Bytes, l.Rest, n = head.Uvarint(), head.Uvarint(), head.Uvarint()
	ends = blocks[1].Take(head.Uvarint())
	l.Seen = blocks[2].Take(sketchSize)
	return n, ends
}

// numbers reads a section.
type numbers struct{ bounded.Reader }

// unpacked returns bytes that are compressed, and whose length stands before them.
func (r *numbers) unpacked() []byte {
	b, err := sectionDecoder.DecodeAll(r.Prefixed(), nil)
	r.Bad = r.Bad || err != nil
	return b
}

func (r *numbers) ends(n uint64) []End {
	if r.Bad = r.Bad || n > uint64(len(r.B)); r.Bad {
		return nil
	}
	ends := make([]End, n)
	var a flow.Addr
	for i := range ends {
		if d := r.Uvarint(); d == 0 {
			a.Lo += r.Uvarint()
		} else if lo := r.Take(8); lo != nil {
			a = flow.Addr{Hi: a.Hi + d, Lo: binary.BigEndian.Uint64(lo)}
		}
		ends[i].Addr = a
	}
	for i := range ends {
		ends[i].Port = uint16(r.Uvarint())
	}
	for i := range ends {
		ends[i].Bytes = r.Uvarint()
	}
	return ends
}
