package dataset

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

func serviceRows() []ServiceHour {
	row := func(hour int64, service uint32, src, dst string, n uint64) ServiceHour {
		return ServiceHour{CountryHour{Hour: hour, Src: [2]byte([]byte(src)), Dst: [2]byte([]byte(dst)), Flows: n, Bytes: 100 * n, Packets: n, RawBytes: n, RawPackets: 1}, service}
	}
	return []ServiceHour{
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
		files, err := snapshot(t, w.Dir).Services(2, func(int, *ServiceHour) error { return nil })
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

// Sums of any bytes are read or refused.
func FuzzCountries(f *testing.F) {
	f.Add(encodeCountries([]CountryHour{{Hour: 3600, Src: [2]byte{'N', 'O'}, Dst: [2]byte{'-', '-'}, Flows: 3, Bytes: 1 << 40, Packets: 9, RawBytes: 1 << 33, RawPackets: 9}, {Hour: 0}}))
	f.Fuzz(func(_ *testing.T, b []byte) { _ = decodeCountries(b, func(*CountryHour) error { return nil }) })
}
