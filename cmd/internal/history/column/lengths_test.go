package column

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/bounded"
)

// Of two rows of a large chunk the pages that have them are read, wherever they stand.
func TestPagesAreReadOneByOne(t *testing.T) {
	t.Parallel()
	b := contents(t)[3] // of 20,000 rows
	n := int64(0)
	f, err := Read(&countedReads{bytes.NewReader(b), &n}, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.lengths(); err != nil {
		t.Fatal(err)
	}
	large := 0
	for id := range Columns {
		at := f.layout.groups[0].chunks[f.layout.place[id]]
		if at.size <= 2*largeChunk || id.Dict() { // a dictionary of noise is most of its chunk
			continue
		}
		large++
		var c Column
		n = 0
		if err := errors.Join(f.BeginRows(0, id, &c, 2), c.some([]int32{7, 5000}, make([]int64, 2))); err != nil {
			t.Fatal(err)
		}
		if n > at.size*3/4 {
			t.Errorf("%s: %d bytes are read for two rows of %d bytes", id, n, at.size)
		}
	}
	if large == 0 {
		t.Error("no column is large")
	}
}

// countedReads counts what is read.
type countedReads struct {
	of *bytes.Reader
	n  *int64
}

func (c *countedReads) ReadAt(b []byte, at int64) (int, error) {
	*c.n += int64(len(b))
	return c.of.ReadAt(b, at)
}

// A list of lengths that is not that of the chunk is rejected.
func TestWrongLengths(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 4))
	b := contents(t)[3]
	f, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	rejected := 0
	for _, id := range []ID{Start, Dur, Bytes, Src} {
		place := f.layout.place[id]
		list, err := f.lengthsOf(0, place)
		if err != nil || len(list) == 0 {
			t.Fatalf("%s has no lengths: %v", id, err)
		}
		right := make([]int64, 1)
		rows := []int32{int32(f.GroupLen(0) - 1)}
		var c Column
		if err := errors.Join(f.begin(0, id, &c, false), c.some(rows, right)); err != nil {
			t.Fatal(err)
		}
		for range 500 {
			bad := bytes.Clone(list)
			if i := r.IntN(len(bad)); r.IntN(3) == 0 {
				bad = bad[:i]
			} else {
				bad[i] ^= 1 << r.IntN(8)
			}
			got, err := underList(f, id, bad, rows)
			if err == nil && got != right[0] {
				t.Fatalf("%s: %d, want %d", id, got, right[0])
			}
			if err != nil {
				if rejected++; !errors.Is(err, ErrDamaged) {
					t.Fatalf("%s: %v does not wrap ErrDamaged", id, err)
				}
			}
		}
	}
	if rejected < 1000 {
		t.Errorf("%d of 2,000 were rejected", rejected)
	}
}

// underList reads a row of a column whose lengths are said to be others.
func underList(f *File, id ID, list []byte, rows []int32) (got int64, err error) {
	defer recovered(&err)
	at := &f.layout.groups[0].chunks[f.layout.place[id]]
	var c Column
	c.reset(id)
	c.codec = at.codec
	to := make([]int64, 1)
	if err := c.beginPages(id, f.pages, at, list, f.GroupLen(0)); err != nil {
		return 0, err
	}
	err = c.some(rows, to)
	return to[0], err
}

func FuzzLengths(f *testing.F) {
	b := contents(f)[3]
	file, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		f.Fatal(err)
	}
	for _, id := range []ID{Start, Bytes, Src} {
		list, err := file.lengthsOf(0, file.layout.place[id])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(id), uint16(9000), list)
	}
	f.Fuzz(func(t *testing.T, of uint8, row uint16, list []byte) {
		if r := (bounded.Reader{B: list}); r.Uvarint() < 16 { // a page for each row takes its time
			return
		}
		if _, err := underList(file, ID(of)%Columns, list, []int32{int32(int(row) % file.GroupLen(0))}); err != nil && !errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
	})
}
