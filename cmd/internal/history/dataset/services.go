package dataset

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// The second roll-up of a day is that of countries for each service (column.Service): a
// section of 50 kB for each hour of 800,000 flows. A section is compressed as a whole;
// in it stand the columns of its rows one after another.
const (
	servicesName  = "services"
	servicesMagic = "FHSERV01"
)

// Services is Countries by service. Rows of a file are in the order of hours and services.
func (s *Snapshot) Services(workers int, want Wanted, each func(worker int, f *File, rows []CountryHour) error) (covered map[*File]bool, err error) {
	rooms := make([]serviceRoom, max(workers, 1))
	return s.rolledUp(servicesName, servicesMagic, workers, func(worker int, f *File, content []byte) (bool, error) {
		rows, err := rooms[worker].decode(content, want.Sums)
		if err != nil {
			return false, nil //nolint:nilerr // damaged: its file is read
		}
		return true, each(worker, f, rows)
	})
}

var errServices = errors.New("the roll-up with services is damaged")

// serviceColumns are the numbers of a row, each as the difference to that of the row
// before or to another one, which are small.
const serviceColumns = 8

func (s *CountryHour) columns(before *CountryHour) [serviceColumns]uint64 {
	return [serviceColumns]uint64{
		zigzag(s.Hour/3600 - before.Hour/3600), zigzag(int64(s.Service) - int64(before.Service)),
		uint64(binary.BigEndian.Uint16(s.Src[:]))<<16 | uint64(binary.BigEndian.Uint16(s.Dst[:])),
		s.Flows, s.RawBytes, s.RawPackets, s.Bytes - s.RawBytes, s.Packets - s.RawPackets,
	}
}

func zigzag(n int64) uint64 { return uint64(n<<1) ^ uint64(n>>63) }

func unzigzag(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }

// sectionLimit bounds what a section may need when it is read.
const sectionLimit = 256 << 20

var (
	sectionEncoder, _ = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	sectionDecoder, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(sectionLimit))
)

func encodeServices(rows []CountryHour) []byte {
	out := binary.AppendUvarint(nil, uint64(len(rows)))
	for n := range serviceColumns {
		var before CountryHour
		for i := range rows {
			out = binary.AppendUvarint(out, rows[i].columns(&before)[n])
			before = rows[i]
		}
	}
	return sectionEncoder.EncodeAll(out, nil)
}

// decodeServices returns all of a section.
func decodeServices(content []byte) ([]CountryHour, error) {
	var room serviceRoom
	return room.decode(content, AllSums)
}

// serviceRoom is where one section after another is decoded.
type serviceRoom struct {
	unpacked []byte
	rows     []CountryHour
	column   []uint64
}

// decode returns the rows of a section, which are valid until the next one is decoded.
func (r *serviceRoom) decode(content []byte, sums Sums) ([]CountryHour, error) {
	b, err := sectionDecoder.DecodeAll(content, r.unpacked[:0])
	if err != nil {
		return nil, errServices
	}
	r.unpacked = b
	count, n := binary.Uvarint(b)
	if n <= 0 || count > uint64(len(b)-n)/serviceColumns {
		return nil, errServices
	}
	b = b[n:]
	r.rows = slices.Grow(r.rows[:0], int(count))[:count]
	r.column = slices.Grow(r.column[:0], int(count))[:count]
	for n := range serviceColumns {
		if r.needed(n, sums) {
			if b = numbersOf(b, r.column); b != nil {
				r.set(n)
			}
		} else {
			b = skipNumbers(b, int(count))
		}
		if b == nil {
			return nil, errServices
		}
	}
	if len(b) > 0 {
		return nil, errServices
	}
	return r.rows, nil
}

// needed reports whether a column is read for some sums: Bytes and Packets stand as what
// they have more than RawBytes and RawPackets.
func (r *serviceRoom) needed(column int, sums Sums) bool {
	switch column {
	case 4:
		return sums&(Bytes|RawBytes) != 0
	case 5:
		return sums&(Packets|RawPackets) != 0
	case 6:
		return sums&Bytes != 0
	case 7:
		return sums&Packets != 0
	}
	return true
}

// set sets what a column says of all rows.
func (r *serviceRoom) set(column int) {
	hour, service := int64(0), uint32(0)
	for i, v := range r.column {
		row := &r.rows[i]
		switch column {
		case 0:
			hour += unzigzag(v)
			row.Hour = hour * 3600
		case 1:
			service = uint32(int64(service) + unzigzag(v))
			row.Service = service
		case 2:
			binary.BigEndian.PutUint16(row.Src[:], uint16(v>>16))
			binary.BigEndian.PutUint16(row.Dst[:], uint16(v))
		case 3:
			row.Flows = v
		case 4:
			row.RawBytes = v
		case 5:
			row.RawPackets = v
		case 6:
			row.Bytes = v + row.RawBytes
		case 7:
			row.Packets = v + row.RawPackets
		}
	}
}

// numbersOf reads numbers, and returns what follows them: nil where they are not there.
func numbersOf(b []byte, out []uint64) []byte {
	for i := range out {
		if len(b) > 0 && b[0] < 0x80 { // nearly always
			out[i] = uint64(b[0])
			b = b[1:]
			continue
		}
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return nil
		}
		out[i] = v
		b = b[n:]
	}
	return b
}

// skipNumbers returns what follows so many numbers: nil where they are not there.
func skipNumbers(b []byte, count int) []byte {
	for len(b) >= 8 {
		n := bits.OnesCount64(^binary.LittleEndian.Uint64(b) & 0x8080808080808080)
		if n >= count {
			break
		}
		b, count = b[8:], count-n
	}
	for ; count > 0; count-- {
		n := 0
		for n < len(b) && b[n] >= 0x80 {
			n++
		}
		if n == len(b) {
			return nil
		}
		b = b[n+1:]
	}
	return b
}
