package column

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"
)

// placesPage makes a page that begins in row first.
func placesPage(content []byte, first, rows int) page {
	return page{first: first, rows: rows, coding: format.RLEDictionary, stored: true, content: content, size: len(content)}
}

// Of some rows the same is read as of all, whatever the width of places and the runs.
func TestPlacesOf(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		width := 1 + r.IntN(24)
		if r.IntN(2) == 0 {
			width = 16 // read in a way of its own
		}
		values := 1 + r.IntN(1<<width)
		all := make([]int32, 1+r.IntN(500))
		for i := range all {
			all[i] = int32(r.IntN(values))
			if i > 0 && r.IntN(4) > 0 && r.IntN(200) < i {
				all[i] = all[i-1]
			}
		}
		coding := rle.Encoding{BitWidth: width}
		packed, err := coding.EncodeInt32(nil, all)
		if err != nil {
			t.Fatal(err)
		}
		first := r.IntN(3) * 4096
		p := placesPage(append([]byte{byte(width)}, packed...), first, len(all))
		var rows []int32
		var want []int64
		for i, v := range all {
			if r.IntN(3) == 0 {
				rows, want = append(rows, int32(first+i)), append(want, int64(v))
			}
		}
		got := make([]int64, len(rows))
		if err := p.placesOf(zstded, rows, got, values); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%d rows of places of %d bits: %v: got %v, want %v", len(all), width, err, got, want)
		}
		places := []int32{all[r.IntN(len(all))], all[r.IntN(len(all))], int32(r.IntN(values))}
		var which []int32
		for i, v := range all {
			if slices.Contains(places, v) {
				which = append(which, int32(first+i))
			}
		}
		if got, err := p.where(zstded, places, nil); err != nil || !slices.Equal(got, which) {
			t.Fatalf("%d rows of places of %d bits: %v: rows %v have %v, want %v", len(all), width, err, got, places, which)
		}
		if most := slices.Max(all); len(want) > 0 && slices.Contains(want, int64(most)) {
			if err := p.placesOf(zstded, rows, got, int(most)); !errors.Is(err, ErrDamaged) {
				t.Fatalf("place %d of a dictionary of %[1]d: %v", most, err)
			}
		}
	}
}

// Runs of no rows are passed over; what ends too early is damaged.
func TestPlacesOfOddRuns(t *testing.T) {
	t.Parallel()
	// No rows packed, none of one place, then one of place 3, and eight packed.
	odd := []byte{4, 1, 0, 9, 2, 3, 3, 0x10, 0x32, 0x54, 0x76}
	for size := range len(odd) + 1 {
		p := placesPage(odd[:size], 0, 9)
		got := make([]int64, 3)
		err := p.placesOf(stored, []int32{0, 1, 8}, got, 8)
		if size < len(odd) {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("the first %d bytes: %v", size, err)
			}
		} else if err != nil || !slices.Equal(got, []int64{3, 0, 7}) {
			t.Errorf("got %v: %v", got, err)
		}
	}
	p := placesPage([]byte{33, 2, 0}, 0, 1)
	if err := p.placesOf(stored, []int32{0}, make([]int64, 1), 8); !errors.Is(err, ErrDamaged) {
		t.Errorf("places of 33 bits: %v", err)
	}
}

// No content of a page makes the reader of some rows crash, or gives a place that is not in
// the dictionary.
func FuzzPlacesOf(f *testing.F) {
	f.Add([]byte{2, 3, 0x1b, 0xe4}, uint16(16), uint16(7))
	f.Add([]byte{8, 200, 1, 9}, uint16(100), uint16(99))
	f.Add(append([]byte{32}, binary.AppendUvarint(nil, 1<<63+1)...), uint16(9), uint16(8))
	f.Fuzz(func(t *testing.T, content []byte, rows, row uint16) {
		p := placesPage(content, 0, int(rows)+1)
		wanted, got := []int32{0, int32(min(row, rows))}, make([]int64, 2)
		if wanted[1] == 0 {
			wanted = wanted[:1]
		}
		const values = 1000
		if which, err := p.where(stored, []int32{0, 7, 300}, nil); err == nil && len(which) > p.rows {
			t.Errorf("%d rows of %d", len(which), p.rows)
		}
		if p.placesOf(stored, wanted, got, values) == nil && (got[0]|got[1] < 0 || max(got[0], got[1]) >= values) {
			t.Errorf("places %d", got)
		}
	})
}
