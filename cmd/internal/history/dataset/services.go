package dataset

import (
	"encoding/binary"
	"errors"

	"github.com/klauspost/compress/zstd"
)

// The second roll-up of a day is that of countries for each service (column.Service): a
// section of 50 kB for each hour of 800,000 flows. A section is compressed as a whole;
// in it stand the columns of its rows one after another.
const (
	servicesName  = "services"
	servicesMagic = "FHSERV01"
)

// Services is Countries by service.
func (s *Snapshot) Services(workers int, each func(worker int, rows []CountryHour) error) (covered map[*File]bool, err error) {
	return s.rolledUp(servicesName, servicesMagic, workers, func(worker int, _ *File, content []byte) (bool, error) {
		rows, err := decodeServices(content)
		if err != nil {
			return false, nil //nolint:nilerr // damaged: its file is read
		}
		return true, each(worker, rows)
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

// from sets a row of its columns.
func (s *CountryHour) from(c *[serviceColumns]uint64, before *CountryHour) {
	s.Hour, s.Service = (before.Hour/3600+unzigzag(c[0]))*3600, uint32(int64(before.Service)+unzigzag(c[1]))
	binary.BigEndian.PutUint16(s.Src[:], uint16(c[2]>>16))
	binary.BigEndian.PutUint16(s.Dst[:], uint16(c[2]))
	s.Flows, s.RawBytes, s.RawPackets = c[3], c[4], c[5]
	s.Bytes, s.Packets = c[6]+c[4], c[7]+c[5]
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

func decodeServices(content []byte) ([]CountryHour, error) {
	b, err := sectionDecoder.DecodeAll(content, nil)
	if err != nil {
		return nil, errServices
	}
	next := func() uint64 {
		if len(b) > 0 && b[0] < 0x80 { // nearly always
			v := uint64(b[0])
			b = b[1:]
			return v
		}
		v, n := binary.Uvarint(b)
		if n <= 0 {
			err = errServices
			return 0
		}
		b = b[n:]
		return v
	}
	count := next()
	if err != nil || count > uint64(len(b))/serviceColumns {
		return nil, errServices
	}
	columns := make([][serviceColumns]uint64, count)
	for n := range serviceColumns {
		for i := range columns {
			columns[i][n] = next()
		}
	}
	if err != nil || len(b) > 0 {
		return nil, errServices
	}
	rows := make([]CountryHour, count)
	var before CountryHour
	for i := range rows {
		rows[i].from(&columns[i], &before)
		before = rows[i]
	}
	return rows, nil
}
