package column

import (
	"encoding/binary"

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

// where appends the rows whose place is marked.
func (p *page) where(by codec, marked []bool, to []int32) ([]int32, error) {
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
		case u.packed == nil:
			if uint32(u.place) >= uint32(len(marked)) {
				return nil, errPlace
			}
			for row := first; marked[u.place] && row < first+u.rows; row++ {
				to = append(to, int32(row))
			}
		case u.width == 16: // of all columns with many values, nearly always
			for i := range u.rows {
				place := binary.LittleEndian.Uint16(u.packed[2*i:])
				if int(place) >= len(marked) {
					return nil, errPlace
				}
				if marked[place] {
					to = append(to, int32(first+i))
				}
			}
		default:
			for i := range u.rows {
				place := u.at(i)
				if uint32(place) >= uint32(len(marked)) {
					return nil, errPlace
				}
				if marked[place] {
					to = append(to, int32(first+i))
				}
			}
		}
		first += u.rows
	}
	return to, nil
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
