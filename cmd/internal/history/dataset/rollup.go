package dataset

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"hash/crc32"
	"math"
	"path/filepath"
	"slices"
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// rolledUp gives the sections that a roll-up of each day has for the files of the
// snapshot to take, and returns the files of those that it could take. So many workers,
// numbered from 0 on, do that for a day each.
func (s *Snapshot) rolledUp(name, magic string, workers int, take func(worker int, f *File, content []byte) (bool, error)) (covered map[*File]bool, err error) {
	covered = map[*File]bool{}
	days := make(chan []*File, len(s.Files))
	for rest := s.Files; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Day == rest[0].Day {
			n++
		}
		days <- rest[:n]
		rest = rest[n:]
	}
	close(days)
	var mu sync.Mutex
	var all sync.WaitGroup
	for worker := range max(workers, 1) {
		all.Go(func() {
			var room []byte
			for files := range days {
				taken, failed := s.rolledUpDay(files, name, magic, &room, func(f *File, content []byte) (bool, error) { return take(worker, f, content) })
				mu.Lock()
				for _, f := range taken {
					covered[f] = true
				}
				err = cmp.Or(err, failed)
				over := err != nil
				mu.Unlock()
				if over {
					return
				}
			}
		})
	}
	all.Wait()
	if err != nil {
		return nil, err
	}
	return covered, nil
}

// rolledUpDay is rolledUp for the files of a day. It reads into room, which it makes larger.
func (s *Snapshot) rolledUpDay(files []*File, name, magic string, room *[]byte, take func(f *File, content []byte) (bool, error)) (taken []*File, err error) {
	b, err := file.ReadTo(*room, filepath.Join(s.dir, files[0].Day, name), countriesLimit)
	if err != nil {
		return nil, nil //nolint:nilerr // without a roll-up files are read
	}
	*room = b
	sections := sectionsOf(b, magic)
	for _, f := range files {
		content, ok := sections[indexKey(magic, f.Name, &f.Info)]
		if !ok {
			content, ok = sections[f.Name] // an earlier version wrote it
		}
		if !ok {
			continue
		}
		if ok, err = take(f, content); err != nil {
			return nil, err
		}
		if ok {
			taken = append(taken, f)
		}
	}
	return taken, nil
}

// readSections returns the sections of a day's roll-up that are whole, by the keys of
// their files.
func readSections(path, magic string) map[string][]byte {
	b, err := file.Read(path, countriesLimit)
	if err != nil {
		return nil
	}
	return sectionsOf(b, magic)
}

// sectionsOf is readSections of what a file holds.
func sectionsOf(b []byte, magic string) map[string][]byte {
	sections := map[string][]byte{}
	b, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok {
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

func appendSection(out []byte, key string, rows []byte) []byte {
	content := append(append([]byte{byte(len(key))}, key...), rows...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(content)))
	out = binary.LittleEndian.AppendUint32(out, crc32.Checksum(content, castagnoli))
	return append(out, content...)
}

// rollUps are the roll-ups of a day. A file of them has a section for each hour file.
var rollUps = []struct{ name, magic string }{{countriesName, countriesMagic}, {servicesName, servicesMagic}, {largestName, largestMagic}}

// rollUp makes the roll-ups of a day anew; the sections of files that they had already
// are copied.
func (w *Writer) rollUp(ctx context.Context, dir string, want []entry) error {
	old, out := make([]map[string][]byte, len(rollUps)), make([][]byte, len(rollUps))
	for i, of := range rollUps {
		old[i], out[i] = readSections(filepath.Join(dir, of.name), of.magic), []byte(of.magic)
	}
	for _, e := range want {
		sections, whole := make([][]byte, len(rollUps)), true
		for i := range rollUps {
			var has bool
			sections[i], has = old[i][e.key(rollUps[i].magic)]
			whole = whole && has
		}
		if !whole {
			var err error
			if sections, err = rolledUpFile(ctx, dir, &e); err != nil {
				return &fileError{e, err}
			}
		}
		for i := range rollUps {
			out[i] = appendSection(out[i], e.key(rollUps[i].magic), sections[i])
		}
	}
	for i, of := range rollUps {
		if err := file.Replace(filepath.Join(dir, of.name), out[i], 0o640); err != nil {
			return err
		}
	}
	return nil
}

// rolledUpFile returns the sections of a file, in the order of rollUps.
func rolledUpFile(ctx context.Context, dir string, e *entry) ([][]byte, error) {
	f, err := open(filepath.Join(dir, e.Name), e.Info)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	rows, err := sumFile(ctx, f)
	if err != nil {
		return nil, err
	}
	largest, err := rankFile(ctx, f, rows)
	return [][]byte{encodeCountries(countriesOf(rows)), encodeServices(rows), largest}, err
}

// serviceKey is what a sum of a roll-up is about.
type serviceKey struct {
	hour     int64
	src, dst [2]byte
	service  uint32
}

// sumFile sums up a file: the rows of its roll-up with services, in order.
func sumFile(ctx context.Context, f *column.File) ([]CountryHour, error) {
	s := summer{sums: map[serviceKey]*CountryHour{}}
	for g := range f.Groups {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := s.group(f, g); err != nil {
			return nil, err
		}
	}
	out := make([]CountryHour, 0, len(s.sums))
	for _, one := range s.sums {
		out = append(out, *one)
	}
	slices.SortFunc(out, func(a, b CountryHour) int {
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Service, b.Service), bytes.Compare(a.Src[:], b.Src[:]), bytes.Compare(a.Dst[:], b.Dst[:]))
	})
	return out, nil
}

// countriesOf sums rows up over all services.
func countriesOf(rows []CountryHour) []CountryHour {
	sums := map[serviceKey]*CountryHour{}
	for i := range rows {
		r := &rows[i]
		key := serviceKey{hour: r.Hour, src: r.Src, dst: r.Dst}
		s := sums[key]
		if s == nil {
			s = &CountryHour{Hour: r.Hour, Src: r.Src, Dst: r.Dst}
			sums[key] = s
		}
		s.Flows += r.Flows
		s.Bytes += r.Bytes
		s.Packets += r.Packets
		s.RawBytes += r.RawBytes
		s.RawPackets += r.RawPackets
	}
	out := make([]CountryHour, 0, len(sums))
	for _, s := range sums {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b CountryHour) int {
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), bytes.Compare(a.Src[:], b.Src[:]), bytes.Compare(a.Dst[:], b.Dst[:]))
	})
	return out
}

// summer adds up records.
type summer struct {
	sums map[serviceKey]*CountryHour
	cols [column.Columns]column.Column
	last [2]*CountryHour // of each direction: rows are sorted, so that the next one often is alike
}

var summed = []column.ID{
	column.Start, column.SrcCC, column.DstCC, column.Bytes, column.Packets, column.Sampling, column.Proto, column.SrcPort, column.DstPort,
	column.NATSrc, column.NATDst, column.NATSrcPort, column.NATDstPort,
	column.RevHas, column.RevDelay, column.RevBytes, column.RevPackets, column.StartNS, column.RevDelayNS,
}

// group adds the rows of a row group, each direction under its sender.
func (s *summer) group(f *column.File, g int) error {
	for _, id := range summed {
		if err := f.Column(g, id, &s.cols[id]); err != nil {
			return err
		}
	}
	value := func(id column.ID, row int) int64 { return s.cols[id].Value(row) }
	scc, dcc, natSrc, natDst := &s.cols[column.SrcCC], &s.cols[column.DstCC], &s.cols[column.NATSrc], &s.cols[column.NATDst]
	for row := range f.GroupLen(g) {
		src, dst := scc.Country(scc.Index[row]), dcc.Country(dcc.Index[row])
		start, sampling := value(column.Start, row), max(uint64(value(column.Sampling, row)), 1)
		proto, sport, dport := uint8(value(column.Proto, row)), uint16(value(column.SrcPort, row)), uint16(value(column.DstPort, row))
		s.add(0, serviceKey{hourAt(start), src, dst, column.Service(proto, sport, dport)}, uint64(value(column.Packets, row)), uint64(value(column.Bytes, row)), sampling)
		packets, octets := uint64(value(column.RevPackets, row)), uint64(value(column.RevBytes, row))
		if value(column.RevHas, row) != 0 {
			start = reverseStart(start, value(column.StartNS, row), value(column.RevDelay, row), value(column.RevDelayNS, row))
		} else if packets == 0 && octets == 0 {
			continue
		}
		// The answer is seen outside of NAT.
		if n := value(column.NATSrcPort, row); n != -1 && natSrc.Address(natSrc.Index[row]) != ([16]byte{}) {
			sport = uint16(n)
		}
		if n := value(column.NATDstPort, row); n != -1 && natDst.Address(natDst.Index[row]) != ([16]byte{}) {
			dport = uint16(n)
		}
		s.add(1, serviceKey{hourAt(start), dst, src, column.Service(proto, dport, sport)}, packets, octets, sampling)
	}
	return nil
}

// hourAt returns the hour of a time in Unix milliseconds, in Unix seconds.
func hourAt(ms int64) int64 {
	hour := ms / 3_600_000
	if ms%3_600_000 < 0 {
		hour--
	}
	return hour * 3600
}

func (s *summer) add(way int, key serviceKey, packets, octets, sampling uint64) {
	one := s.last[way]
	if one == nil || (serviceKey{one.Hour, one.Src, one.Dst, one.Service}) != key {
		if one = s.sums[key]; one == nil {
			one = &CountryHour{Hour: key.hour, Service: key.service, Src: key.src, Dst: key.dst}
			s.sums[key] = one
		}
		s.last[way] = one
	}
	one.Flows++
	one.RawBytes += octets
	one.RawPackets += packets
	one.Bytes += times(octets, sampling)
	one.Packets += times(packets, sampling)
}

// times multiplies a count by the sampling rate; what is too large stays at the top, as in
// questions.
func times(n, sampling uint64) uint64 {
	if sampling > 1 && n > math.MaxInt64/sampling {
		return math.MaxInt64
	}
	return n * sampling
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
