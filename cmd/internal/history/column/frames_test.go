package column

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// What is read of some rows alone is what all rows have there, and of a large dictionary of
// numbers not all is unpacked for a few.
func TestSomeRows(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(6, 4))
	inFrames := 0
	for n, b := range contents(t) {
		f, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		var whole, some Column
		for g := range f.Groups {
			for id := range Columns {
				if err := f.Column(g, id, &whole); err != nil {
					t.Fatal(err)
				}
				if err := f.begin(g, id, &some, r.IntN(2) == 0); err != nil {
					t.Fatal(err)
				}
				frames := len(some.frames)
				for range 3 {
					rows := chosen(r, f.GroupLen(g))
					got := make([]int64, len(rows))
					if err := some.some(rows, got); err != nil {
						t.Fatal(err)
					}
					for i, row := range rows {
						if !sameValue(&whole, &some, row, got[i]) {
							t.Fatalf("file %d, group %d, %s, row %d: %d", n, g, id, row, got[i])
						}
					}
				}
				checkWhere(t, r, f, g, id, &whole)
				if frames > 1 && id.Kind() == Int64 {
					inFrames++
					row := []int32{int32(r.IntN(f.GroupLen(g)))}
					if err := errors.Join(f.begin(g, id, &some, r.IntN(2) == 0), some.some(row, make([]int64, 1))); err != nil {
						t.Fatal(err)
					}
					unpacked := 0
					for i := range some.frames {
						if some.frames[i].content == nil {
							unpacked++
						}
					}
					if unpacked != 1 {
						t.Errorf("file %d, %s: %d of %d frames were unpacked for one row", n, id, unpacked, frames)
					}
				}
			}
		}
	}
	if inFrames == 0 {
		t.Error("no dictionary has several frames")
	}
}

// checkWhere looks for some places of a dictionary in a column of which none, some or all pages
// were read.
func checkWhere(t *testing.T, r *rand.Rand, f *File, group int, id ID, whole *Column) {
	t.Helper()
	if whole.Index == nil {
		return
	}
	var places []int32
	for range 4 {
		places = append(places, int32(r.IntN(whole.values())))
	}
	var want []int32
	for row, at := range whole.Index {
		if slices.Contains(places, at) {
			want = append(want, int32(row))
		}
	}
	var c Column
	if err := f.Begin(group, id, &c); err != nil {
		t.Fatal(err)
	}
	for _, rows := range [][]int32{nil, chosen(r, f.GroupLen(group)), chosen(r, f.GroupLen(group))} {
		if err := c.Need(rows); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Where(places, nil); err != nil || !slices.Equal(got, want) {
			t.Fatalf("group %d, %s: %d rows have one of four values, want %d, %v", group, id, len(got), len(want), err)
		}
	}
}

// sameValue reports whether what was read of a row is what the whole column has there.
func sameValue(whole, some *Column, row int32, got int64) bool {
	switch whole.kind {
	case Address:
		return some.Address(int32(got)) == whole.Address(whole.Index[row])
	case Country:
		return some.Country(int32(got)) == whole.Country(whole.Index[row])
	}
	return got == whole.Value(int(row))
}

// A page is cut where its frames end; one that is damaged, or whose frames cut a value in two,
// is left whole, so that unpacking it says what is wrong.
func TestFrames(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(6, 5))
	encoder := newZstd(zstd.SpeedFastest)
	pack := func(pieces ...[]byte) (p page) {
		for _, b := range pieces {
			p.content = encoder.EncodeAll(b, p.content)
			p.size += len(b)
		}
		p.rows = p.size / 8
		return p
	}
	noise := make([]byte, 200<<10) // of several blocks, which cannot be compressed
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	pieces := [][]byte{make([]byte, 4096), noise, bytes.Repeat([]byte("eight by"), 300), {1, 2, 3, 4, 5, 6, 7, 8}}
	p := pack(pieces...)
	frames := p.frames(zstded, 8, nil)
	if len(frames) != len(pieces) {
		t.Fatalf("%d frames of %d", len(frames), len(pieces))
	}
	first := 0
	for i, f := range frames {
		b, err := f.unpack(zstded, nil)
		if err != nil || !bytes.Equal(b, pieces[i]) || f.first != first || f.rows != len(pieces[i])/8 {
			t.Errorf("frame %d: %d bytes from value %d on, %v", i, len(b), f.first, err)
		}
		first += f.rows
	}
	for what, bad := range map[string]page{
		"a value in two frames":      pack(make([]byte, 12), make([]byte, 12)),
		"a frame without a value":    pack(nil, make([]byte, 16)),
		"more than the header says":  {content: p.content, size: p.size - 8, rows: p.rows - 1},
		"less than the header says":  {content: p.content, size: p.size + 8, rows: p.rows + 1},
		"bytes that are not a frame": {content: append(slices.Clone(p.content), 1, 2, 3), size: p.size, rows: p.rows},
	} {
		if got := bad.frames(zstded, 8, nil); len(got) != 1 || got[0].size != bad.size || len(got[0].content) != len(bad.content) {
			t.Errorf("%s: %d frames", what, len(got))
		}
	}
	for cut := range 3000 {
		bad := page{content: p.content[:cut], size: p.size, rows: p.rows}
		if got := bad.frames(zstded, 8, nil); len(got) != 1 {
			t.Fatalf("cut off after %d bytes it has %d frames", cut, len(got))
		}
	}
}

func FuzzFrame(f *testing.F) {
	encoder := newZstd(zstd.SpeedFastest)
	f.Add(encoder.EncodeAll([]byte("a frame"), encoder.EncodeAll(make([]byte, 1<<20), nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, size := frame(b)
		if n < 0 || n > len(b) || size < 0 || size > maxPage {
			t.Errorf("%d of %d bytes, %d unpacked", n, len(b), size)
		}
	})
}
