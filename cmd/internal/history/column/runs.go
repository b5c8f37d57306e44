package column

import (
	"encoding/binary"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/bounded"
)

// runs reads the places in a dictionary that a page holds, for who wants few of them: runs
// of one place, and groups of eight places in as few bits as they need. See
// https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE.
type runs struct {
	bounded.Reader
	width int // of a place, in bits
	left  int // rows
}

// run is places that follow each other.
type run struct {
	rows   int
	place  int32  // of all rows, unless they are packed
	packed []byte // with padding behind it
	width  int
}

// next returns the next run. There is one while rows are left.
func (r *runs) next() (out run, err error) {
	for out.rows == 0 {
		out = run{width: r.width}
		if head := r.Uvarint(); head&1 == 0 {
			for i, b := range r.Take(uint64(r.width+7) / 8) {
				out.place |= int32(b) << (8 * i)
			}
			out.rows = int(min(head>>1, uint64(r.left)))
		} else {
			groups := min(head>>1, uint64(r.left+7)/8) // what is beyond is of no row
			out.packed = r.Take(groups * uint64(r.width))
			out.rows = int(min(8*groups, uint64(r.left)))
		}
		if r.Bad {
			return run{}, errFew
		}
	}
	r.left -= out.rows
	return out, nil
}

// at returns the place in a row of the run.
func (u *run) at(row int) int32 {
	if u.packed == nil {
		return u.place
	}
	bit := row * u.width
	eight := binary.LittleEndian.Uint64(u.packed[bit/8:][:8])
	return int32(eight >> (bit % 8) & (1<<u.width - 1))
}

// runsOf returns the runs of a page of places.
func (p *page) runsOf(by codec, s *scratch) (runs, error) {
	b, err := p.unpackPlaces(by, s)
	if err != nil {
		return runs{}, err
	}
	if len(b) == 0 || b[0] > 32 {
		return runs{}, errFew
	}
	return runs{bounded.Reader{B: b[1:]}, int(b[0]), p.rows}, nil
}

// where appends the rows that have one of some places.
func (p *page) where(by codec, places []int32, to []int32) ([]int32, error) {
	s, _ := scratches.Get().(*scratch)
	defer scratches.Put(s)
	r, err := p.runsOf(by, s)
	if err != nil {
		return nil, err
	}
	for first := p.first; r.left > 0; {
		u, err := r.next()
		if err != nil {
			return nil, err
		}
		switch {
		case u.packed != nil:
			to = u.where(places, first, to)
		case slices.Contains(places, u.place):
			for row := first; row < first+u.rows; row++ {
				to = append(to, int32(row))
			}
		}
		first += u.rows
	}
	return to, nil
}

// where is that of a page for packed places, the first of which is a row's. Large dictionaries
// have places of 16 bits, of which four are compared at once: hardly any is wanted.
func (u *run) where(places []int32, first int, to []int32) []int32 {
	const ones, tops = 0x0001_0001_0001_0001, 0x8000_8000_8000_8000
	for i := 0; i < u.rows; i++ {
		if u.width == 16 && i+4 <= u.rows {
			four, any := binary.LittleEndian.Uint64(u.packed[2*i:]), uint64(0)
			for _, place := range places {
				other := four ^ uint64(place)*ones // 0 where it is the place
				any |= (other - ones) &^ other & tops
			}
			if any == 0 {
				i += 3
				continue
			}
		}
		if slices.Contains(places, u.at(i)) {
			to = append(to, int32(first+i))
		}
	}
	return to
}

// placesOf is places for some rows, which stand in ascending order.
func (p *page) placesOf(by codec, rows []int32, to []int64, values int) error {
	s, _ := scratches.Get().(*scratch)
	defer scratches.Put(s)
	r, err := p.runsOf(by, s)
	if err != nil {
		return err
	}
	for first := p.first; len(rows) > 0; {
		u, err := r.next()
		if err != nil {
			return err
		}
		for ; len(rows) > 0 && int(rows[0]) < first+u.rows; rows, to = rows[1:], to[1:] {
			place := u.at(int(rows[0]) - first)
			if uint32(place) >= uint32(values) {
				return errPlace
			}
			to[0] = int64(place)
		}
		first += u.rows
	}
	return nil
}
