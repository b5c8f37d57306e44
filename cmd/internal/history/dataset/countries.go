package dataset

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// The roll-up of a day says for each of its hour files what went from country to
// country in each hour: a month is read in 30 ms.
//
//	magic, then a section a file: length, CRC-32C, name, rows
const (
	countriesName  = "countries"
	countriesMagic = "FHCTRY01"
	countriesLimit = 1 << 30
)

// CountryHour is what one country sent to another in flows that began in an hour: each
// direction of a conversation is a flow of its own.
type CountryHour struct {
	Hour                 int64   // Unix seconds
	Src, Dst             [2]byte // "--": unknown, "xp": private, "xm": multicast
	Flows                uint64
	Bytes, Packets       uint64 // multiplied by sampling
	RawBytes, RawPackets uint64 // as exported
}

// Countries gives the roll-ups to each, and returns the files of the snapshot that they
// stand for, whole; the others must be read themselves.
func (s *Snapshot) Countries(each func(CountryHour) error) (covered map[*File]bool, err error) {
	covered = map[*File]bool{}
	for i := 0; i < len(s.Files); {
		day := s.Files[i].Day
		sections := readCountries(filepath.Join(s.dir, day))
		for ; i < len(s.Files) && s.Files[i].Day == day; i++ {
			rows, ok := sections[s.Files[i].Name]
			if !ok {
				continue
			}
			covered[s.Files[i]] = true
			if err := decodeCountries(rows, each); err != nil {
				return nil, err
			}
		}
	}
	return covered, nil
}

// readCountries returns the sections of a day's roll-up that are whole, by the names of
// their files.
func readCountries(dir string) map[string][]byte {
	b, err := file.Read(filepath.Join(dir, countriesName), countriesLimit)
	sections := map[string][]byte{}
	b, ok := bytes.CutPrefix(b, []byte(countriesMagic))
	if err != nil || !ok {
		return sections
	}
	for len(b) >= 8 {
		n := binary.LittleEndian.Uint32(b)
		if uint64(n) > uint64(len(b)-8) {
			break
		}
		content := b[8 : 8+n]
		if crc32.Checksum(content, castagnoli) == binary.LittleEndian.Uint32(b[4:]) && len(content) > 0 && len(content) > int(content[0]) {
			sections[string(content[1:1+content[0]])] = content[1+content[0]:]
		}
		b = b[8+n:]
	}
	return sections
}

var errCountries = errors.New("the roll-up is damaged")

func decodeCountries(b []byte, each func(CountryHour) error) error {
	hour := int64(0)
	for len(b) > 0 {
		d, n := binary.Varint(b)
		if n <= 0 || len(b) < n+4 {
			return errCountries
		}
		hour += d
		c := CountryHour{Hour: hour * 3600, Src: [2]byte(b[n:]), Dst: [2]byte(b[n+2:])}
		b = b[n+4:]
		for _, v := range []*uint64{&c.Flows, &c.RawBytes, &c.RawPackets, &c.Bytes, &c.Packets} {
			if *v, n = binary.Uvarint(b); n <= 0 {
				return errCountries
			}
			b = b[n:]
		}
		if err := each(c); err != nil {
			return err
		}
	}
	return nil
}

// indexCountries makes the roll-up of a day anew; the sections of files that it had
// already are copied.
func (w *Writer) indexCountries(ctx context.Context, dir string, want []string) error {
	old := readCountries(dir)
	out := []byte(countriesMagic)
	for _, name := range want {
		rows, ok := old[name]
		if !ok {
			var err error
			if rows, err = countriesOf(ctx, filepath.Join(dir, name)); err != nil {
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				return err
			}
		}
		content := append(append([]byte{byte(len(name))}, name...), rows...)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(content)))
		out = binary.LittleEndian.AppendUint32(out, crc32.Checksum(content, castagnoli))
		out = append(out, content...)
	}
	return file.Replace(filepath.Join(dir, countriesName), out, 0o640)
}

// hourPair is an hour and two countries.
type hourPair struct {
	hour     int64
	src, dst [2]byte
}

// countriesOf sums up a file.
func countriesOf(ctx context.Context, path string) ([]byte, error) {
	f, err := column.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	sums := map[hourPair]*CountryHour{}
	for g := range f.Groups {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := sumGroup(f, g, sums); err != nil {
			return nil, err
		}
	}
	all := make([]*CountryHour, 0, len(sums))
	for _, s := range sums {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *CountryHour) int {
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), bytes.Compare(a.Src[:], b.Src[:]), bytes.Compare(a.Dst[:], b.Dst[:]))
	})
	var out []byte
	hour := int64(0)
	for _, s := range all {
		out = binary.AppendVarint(out, s.Hour-hour)
		hour = s.Hour
		out = append(append(out, s.Src[:]...), s.Dst[:]...)
		for _, v := range []uint64{s.Flows, s.RawBytes, s.RawPackets, s.Bytes, s.Packets} {
			out = binary.AppendUvarint(out, v)
		}
	}
	return out, nil
}

var summed = []column.ID{
	column.Start, column.SrcCC, column.DstCC, column.Bytes, column.Packets, column.Sampling,
	column.RevHas, column.RevDelay, column.RevBytes, column.RevPackets, column.StartNS, column.RevDelayNS,
}

// sumGroup adds the rows of a row group, each direction under its sender.
func sumGroup(f *column.File, g int, sums map[hourPair]*CountryHour) error {
	c := make([]column.Column, len(summed))
	for i, id := range summed {
		if err := f.Column(g, id, &c[i]); err != nil {
			return err
		}
	}
	add := func(ms int64, src, dst [2]byte, packets, octets, sampling uint64) {
		hour := ms / 3_600_000
		if ms%3_600_000 < 0 {
			hour--
		}
		key := hourPair{hour, src, dst}
		s := sums[key]
		if s == nil {
			s = &CountryHour{Hour: hour, Src: src, Dst: dst}
			sums[key] = s
		}
		s.Flows++
		s.RawBytes += octets
		s.RawPackets += packets
		s.Bytes += octets * sampling
		s.Packets += packets * sampling
	}
	for row := range f.GroupLen(g) {
		src, dst := c[1].Country(c[1].Index[row]), c[2].Country(c[2].Index[row])
		start, sampling := c[0].Value(row), max(uint64(c[5].Value(row)), 1)
		add(start, src, dst, uint64(c[4].Value(row)), uint64(c[3].Value(row)), sampling)
		packets, octets := uint64(c[9].Value(row)), uint64(c[8].Value(row))
		if c[6].Value(row) != 0 {
			start = reverseStart(start, c[10].Value(row), c[7].Value(row), c[11].Value(row))
		} else if packets == 0 && octets == 0 {
			continue
		}
		add(start, dst, src, packets, octets, sampling)
	}
	return nil
}

// reverseStart returns when the opposite direction began, in Unix milliseconds.
func reverseStart(start, startNS, delay, delayNS int64) int64 {
	ns := delay*1e6 + delayNS
	if startNS != column.Unset {
		ns += startNS
	}
	ms := ns / 1e6
	if ns%1e6 < 0 {
		ms--
	}
	return start + ms
}
