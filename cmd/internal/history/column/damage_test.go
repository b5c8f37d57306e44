package column

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// try reads a file to its end and returns what is in it.
func try(b []byte) (records []flow.Record, err error) {
	f, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	for g := range f.Groups {
		if records, err = f.Records(g, records); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// Of 1,000 damaged files none gives a wrong row, makes the program crash or takes much
// memory: each is read as it was, or rejected.
func TestDamagedFiles(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	var records []flow.Record
	for range 2000 {
		c := conversationOf(r)
		records = append(records, c[:]...)
	}
	whole, _ := write(t, records, Options{})
	other, _ := write(t, records[:100], Options{})
	count := map[flow.Record]int{}
	for _, rec := range records {
		count[rec]++
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	harmless := 0
	for i := range 1000 {
		bad := mutate(r, i, slices.Clone(whole), other)
		got, err := try(bad)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("mutation %d: %v does not wrap ErrDamaged", i, err)
			}
			continue
		}
		harmless++
		seen := map[flow.Record]int{}
		for _, rec := range got {
			if seen[rec]++; seen[rec] > count[rec] {
				t.Fatalf("mutation %d: a record came back that was not written", i)
			}
		}
		if len(got) != len(records) {
			t.Fatalf("mutation %d: %d records came back of %d, without an error", i, len(got), len(records))
		}
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.Sys) - int64(before.Sys); grown > 256<<20 {
		t.Errorf("memory grew by %d MB", grown>>20)
	}
	t.Logf("%d of 1,000 were harmless", harmless)
}

// Each byte of a file is under a checksum: Verify names a file in which a bit of one is
// another, also of those that flowhound never reads and other readers do.
func TestEachByteIsChecked(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 9))
	var records []flow.Record
	for range 40 {
		c := conversationOf(r)
		records = append(records, c[:]...)
	}
	b, _ := write(t, records, Options{})
	verify := func() error {
		f, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return err
		}
		return f.Verify()
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] ^= 4
		if err := verify(); !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d of %d: %v", i, len(b), err)
		}
		b[i] ^= 4
	}
}

// mutate damages a file in one of the ways in which files are.
func mutate(r *rand.Rand, i int, b, other []byte) []byte {
	switch i % 6 {
	case 0: // a flipped bit
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	case 1: // cut off
		b = b[:r.IntN(len(b))]
	case 2: // in the footer
		b[len(b)-1-r.IntN(4000)] ^= byte(1 + r.IntN(255))
	case 3: // a block of zeros
		at := r.IntN(len(b) - 4096)
		clear(b[at : at+4096])
	case 4: // pages in another place
		from, to := r.IntN(len(b)/2), len(b)/2+r.IntN(len(b)/2-512)
		copy(b[to:to+512], b[from:from+512])
	default: // the head of one file, the tail of another
		b = append(b[:r.IntN(len(b))], other[r.IntN(len(other)):]...)
	}
	return b
}

// A small file that says it is large is rejected before memory is asked for.
func TestHugeClaim(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, length := range []byte{0x7f, 0xff, 0x0f} {
		b := append([]byte("PAR1"), make([]byte, 461)...)
		b = append(b, 0xff, 0xff, 0xff, length)
		b = append(b, "PAR1"...)
		if _, err := try(b); !errors.Is(err, ErrDamaged) {
			t.Errorf("473 bytes that claim gigabytes: %v", err)
		}
	}
	for _, b := range [][]byte{nil, []byte("PAR1"), []byte("PAR1PAR1"), bytes.Repeat([]byte("PAR1"), 100)} {
		if _, err := try(b); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("%d MB were allocated", grown>>20)
	}
}

func FuzzRead(f *testing.F) {
	r := rand.New(rand.NewPCG(2, 2))
	c := conversationOf(r)
	b, _ := write(f, c[:], Options{})
	f.Add(b)
	f.Add([]byte("PAR1"))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = try(b) })
}

// An exporter whose clock stands in 1970 or 2090 gets its times back as it sent them.
func TestWildTimes(t *testing.T) {
	var records []flow.Record
	for _, start := range []int64{0, 1, 1e9, 3.8e18, 1.7e18, -5e17} {
		for _, received := range []int64{1.795e18, 1.795e18 - 86400e9, 5} {
			records = append(records, flow.Record{Start: start, End: start + 5e9, Received: received, Packets: 1, Has: flow.HasStart | flow.HasEnd})
		}
	}
	b, info := write(t, records, Options{})
	same(t, "wild times", readAll(t, b), records)
	if info.First != 5 || info.Last != 1.795e18 {
		t.Errorf("arrivals from %d to %d", info.First, info.Last)
	}
}
