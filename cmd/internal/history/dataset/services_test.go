package dataset

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

func serviceRows() []CountryHour {
	row := func(hour int64, service uint32, src, dst string, n uint64) CountryHour {
		return CountryHour{Hour: hour, Service: service, Src: [2]byte([]byte(src)), Dst: [2]byte([]byte(dst)), Flows: n, Bytes: 100 * n, Packets: n, RawBytes: n, RawPackets: 1}
	}
	return []CountryHour{
		row(-3600, 6<<16, "NO", "--", 1), row(0, 6<<16|22, "xp", "NO", 5), row(3600*495_000, 6<<16|443, "xp", "NL", 1<<40),
		row(3600*495_000, 6<<16|443, "xp", "NO", math.MaxUint64), row(3600*495_001, 17<<16|53, "NL", "xp", 7),
	}
}

// TestServicesCode: what is written of a roll-up is read as it was.
func TestServicesCode(t *testing.T) {
	rows := serviceRows()
	got, err := decodeServices(encodeServices(rows))
	if err != nil || !reflect.DeepEqual(got, rows) {
		t.Errorf("%+v, %v; want %+v", got, err, rows)
	}
	if got, err := decodeServices(encodeServices(nil)); err != nil || len(got) != 0 {
		t.Errorf("no rows: %v, %v", got, err)
	}
}

// TestSomeSums: whichever sums are read, they are those that reading all gives.
func TestSomeSums(t *testing.T) {
	rows := serviceRows()
	for i := range 200 {
		r := rows[i%len(rows)]
		r.Hour += int64(i) * 3600
		r.Service, r.RawBytes, r.Bytes = uint32(i*i), uint64(i)<<(i%40), uint64(i)<<(i%50)
		rows = append(rows, r)
	}
	only := func(r CountryHour, sums Sums) CountryHour {
		for of, v := range map[Sums]*uint64{Bytes: &r.Bytes, Packets: &r.Packets, RawBytes: &r.RawBytes, RawPackets: &r.RawPackets} {
			if sums&of == 0 {
				*v = 0
			}
		}
		return r
	}
	same := func(name string, sums Sums, got []CountryHour) {
		if len(got) != len(rows) {
			t.Fatalf("%s, sums %b: %d rows, want %d", name, sums, len(got), len(rows))
		}
		for i := range got {
			want := rows[i]
			if name == "countries" {
				want.Service = 0
			}
			if got, want := only(got[i], sums), only(want, sums); got != want {
				t.Fatalf("%s, sums %b: row %d is %+v, want %+v", name, sums, i, got, want)
			}
		}
	}
	var room serviceRoom
	for sums := range AllSums + 1 {
		got, err := room.decode(encodeServices(rows), sums)
		if err != nil {
			t.Fatal(err)
		}
		same("services", sums, got)
		got = nil
		if err := decodeCountries(encodeCountries(rows), Wanted{sums, true, true}, make([]CountryHour, 9), func(some []CountryHour) error { got = append(got, some...); return nil }); err != nil {
			t.Fatal(err)
		}
		same("countries", sums, got)
	}
}

func FuzzServices(f *testing.F) {
	f.Add(encodeServices(serviceRows()))
	f.Add(sectionEncoder.EncodeAll([]byte{200, 200, 200, 200, 1, 0}, nil))
	f.Add([]byte("damaged"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, err := decodeServices(b)
		if err != nil {
			return
		}
		again, err := decodeServices(encodeServices(rows))
		if err != nil || len(again) != len(rows) {
			t.Fatalf("%d rows, then %d: %v", len(rows), len(again), err)
		}
	})
}

// TestServicesDamaged: verify names a damaged roll-up, a search goes past it, and what an
// earlier version has not made is made.
func TestServicesDamaged(t *testing.T) {
	w, _ := filled(t)
	now := noon.Add(9 * time.Hour)
	if err := w.Tidy(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(w.Dir, dayOf(noon.UnixNano()), servicesName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	covered := func() int {
		files, err := snapshot(t, w.Dir).Services(2, Wanted{Sums: AllSums}, func(int, *File, []CountryHour) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	all := covered()
	if all == 0 {
		t.Fatal("no file is rolled up")
	}
	broken := bytes.Clone(whole)
	broken[len(broken)-3] ^= 1
	if err := os.WriteFile(path, broken, 0o600); err != nil {
		t.Fatal(err)
	}
	if n := covered(); n != all-1 {
		t.Errorf("%d of %d files are rolled up, one of which is damaged", n, all)
	}
	if err := verifyServices(path, &manifest{}); err == nil {
		t.Error("a damaged roll-up is whole")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := w.Tidy(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, whole) || verifyServices(path, &manifest{}) != nil {
		t.Errorf("it is not made again: %v", err)
	}
}

func TestServiceOfRecord(t *testing.T) {
	for _, c := range []struct {
		proto uint8
		a, b  uint16
		want  uint32
	}{
		{6, 50000, 443, 443}, {6, 443, 50000, 443}, {6, 3389, 50000, 3389}, {6, 40000, 50000, 0}, {6, 0, 50000, 0}, {6, 443, 80, 80}, {6, 0, 443, 443},
		{17, 53, 53, 53}, {1, 0, 2048, 0}, {47, 22, 22, 0}, {6, 65535, 1023, 1023},
	} {
		if got := column.Service(c.proto, c.a, c.b); got != uint32(c.proto)<<16|c.want {
			t.Errorf("protocol %d, ports %d and %d: %#x, want port %d", c.proto, c.a, c.b, got, c.want)
		}
	}
}

// TestCountriesCode: what is written of a roll-up is read as it was, whatever sizes numbers
// have, and half a section is refused or has the first of its rows.
func TestCountriesCode(t *testing.T) {
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 6))
	number := func() uint64 { return rnd.Uint64() >> rnd.IntN(64) }
	var rows []CountryHour
	for range 3 * rowsAtOnce / 2 {
		c := CountryHour{Hour: 3600 * int64(rnd.IntN(1000)), Src: [2]byte{'N', 'O'}, Dst: [2]byte{'-', byte(len(rows))}, Flows: number() >> 40, Bytes: number(), Packets: number(), RawBytes: number(), RawPackets: number()}
		if rnd.IntN(2) == 0 { // as nearly all are
			c.Bytes, c.RawBytes, c.Packets, c.RawPackets = c.Bytes>>40, c.RawBytes>>40, c.Packets>>55, c.RawPackets>>55
		}
		rows = append(rows, c)
	}
	b := encodeCountries(rows)
	for n := 0; n <= len(b); n += 1 + len(b)/300 {
		var got []CountryHour
		err := decodeCountries(b[:n:n], Wanted{AllSums, true, true}, make([]CountryHour, 7), func(some []CountryHour) error { got = append(got, some...); return nil })
		if n == len(b) && err != nil || len(got) > len(rows) || !slices.Equal(got, rows[:len(got)]) {
			t.Fatalf("%d of %d bytes: %d rows, %v", n, len(b), len(got), err)
		}
	}
	var got []CountryHour
	if err := decodeCountries(b, Wanted{AllSums, true, true}, make([]CountryHour, rowsAtOnce), func(some []CountryHour) error { got = append(got, some...); return nil }); err != nil || !slices.Equal(got, rows) {
		t.Errorf("%d rows, %v; want %d", len(got), err, len(rows))
	}
}

// What is of several countries, and not told apart, is added up; sums stop at the top.
func TestCountriesAddedUp(t *testing.T) {
	var rows []CountryHour
	for i := range 600 {
		rows = append(rows, CountryHour{Hour: 3600 * int64(i/200), Src: [2]byte{'A', byte('A' + i/20%10)}, Dst: [2]byte{'B', byte(i % 20)}, Flows: uint64(i) + 1, RawBytes: math.MaxUint64 / 20, Bytes: 1})
	}
	b := encodeCountries(rows)
	for _, want := range []Wanted{{}, {Src: true}, {Dst: true}, {RawBytes | Bytes, true, true}, {Sums: RawBytes}, {Bytes | RawBytes, true, false}} {
		expect, got := map[serviceKey]CountryHour{}, map[serviceKey]CountryHour{}
		add := func(to map[serviceKey]CountryHour, c CountryHour) {
			key := serviceKey{hour: c.Hour}
			if want.Src {
				key.src = c.Src
			}
			if want.Dst {
				key.dst = c.Dst
			}
			s := to[key]
			s.Flows += c.Flows
			if want.Sums&RawBytes != 0 {
				s.RawBytes = flow.Sum(s.RawBytes, c.RawBytes)
			}
			if want.Sums&Bytes != 0 {
				s.Bytes += c.Bytes
			}
			to[key] = s
		}
		for _, c := range rows {
			add(expect, c)
		}
		given := 0
		if err := decodeCountries(b, want, make([]CountryHour, 9), func(some []CountryHour) error {
			given += len(some)
			for _, c := range some {
				add(got, c)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, expect) {
			t.Errorf("%+v: other sums than adding up all rows makes", want)
		}
		if most := len(expect) + len(rows)/9; !want.Dst && given > most {
			t.Errorf("%+v: %d rows were given, want %d at most", want, given, most)
		}
	}
}

func countryRows() (rows []CountryHour) {
	for i := range 4000 {
		n := uint64(i%97) + 1
		rows = append(rows, CountryHour{Hour: 3600 * 495_000, Src: [2]byte{'A', byte('A' + i/200)}, Dst: [2]byte{'B', byte(i % 200)}, Flows: n, Bytes: n * n * n * 700, Packets: n * n, RawBytes: n * n * n * 700, RawPackets: n * n})
	}
	return rows
}

// BenchmarkCountries reads the rows of an hour.
func BenchmarkCountries(b *testing.B) {
	rows := encodeCountries(countryRows())
	room := make([]CountryHour, rowsAtOnce)
	for b.Loop() {
		if err := decodeCountries(rows, Wanted{AllSums, true, true}, room, func([]CountryHour) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/4000, "ns/row")
}

// Sums of any bytes are read as the library's reader of numbers reads them, or refused.
func FuzzCountries(f *testing.F) {
	f.Add(encodeCountries([]CountryHour{{Hour: 3600, Src: [2]byte{'N', 'O'}, Dst: [2]byte{'-', '-'}, Flows: 3, Bytes: 1 << 40, Packets: 9, RawBytes: 1 << 33, RawPackets: 9}, {Hour: 0}}))
	f.Add(encodeCountries(countryRows()[:5]))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c CountryHour
		size := c.addSums(b, AllSums)
		rest, got := b, [5]uint64{c.Flows, c.RawBytes, c.RawPackets, c.Bytes, c.Packets}
		for i := range got {
			v, n := binary.Uvarint(rest)
			if n <= 0 {
				if size != 0 {
					t.Fatalf("%x: %d bytes of sums", b, size)
				}
				break
			}
			if rest = rest[n:]; size != 0 && got[i] != v {
				t.Fatalf("%x: sum %d is %d, want %d", b, i, got[i], v)
			}
		}
		if size != 0 && size != len(b)-len(rest) {
			t.Fatalf("%x: sums take %d bytes, want %d", b, size, len(b)-len(rest))
		}
		_ = decodeCountries(b, Wanted{AllSums, true, true}, make([]CountryHour, 3), func([]CountryHour) error { return nil })
	})
}
