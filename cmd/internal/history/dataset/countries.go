package dataset

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/flowhound/flowhound/cmd/internal/flow"
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
	Service              uint32  // column.Service; 0 in the roll-up of all services
	Src, Dst             [2]byte // "--": unknown, "xp": private, "xm": multicast
	Flows                uint64
	Bytes, Packets       uint64 // multiplied by sampling
	RawBytes, RawPackets uint64 // as exported
}

// Sums are which sums of a CountryHour are read, besides that of flows. Others are not set:
// reading all takes twice as long as reading one.
type Sums uint8

// The sums.
const (
	Bytes Sums = 1 << iota
	Packets
	RawBytes
	RawPackets
	AllSums = Bytes | Packets | RawBytes | RawPackets
)

// Wanted is what is read of the sums of hours.
type Wanted struct {
	Sums Sums
	// Src and Dst: what is of several countries is told apart. Otherwise rows that follow
	// one another are added up, and the country may not be set.
	Src, Dst bool
}

// mask returns which bits are wanted of source and destination, as the four bytes in which
// they stand make a number.
func (w Wanted) mask() (m uint32) {
	if w.Src {
		m |= 0x0000ffff
	}
	if w.Dst {
		m |= 0xffff0000
	}
	return m
}

// Countries gives the roll-ups to each, and returns the files of the snapshot that they
// stand for, whole; the others must be read themselves. So many workers, numbered from 0
// on, call each at once, with some rows of a file, which are valid during the call. A
// file's rows are in the order of hours.
func (s *Snapshot) Countries(workers int, want Wanted, each func(worker int, f *File, rows []CountryHour) error) (covered map[*File]bool, err error) {
	rooms := make([][]CountryHour, max(workers, 1))
	return s.rolledUp(countriesName, countriesMagic, workers, func(worker int, f *File, content []byte) (bool, error) {
		if rooms[worker] == nil {
			rooms[worker] = make([]CountryHour, rowsAtOnce)
		}
		return true, decodeCountries(content, want, rooms[worker], func(rows []CountryHour) error { return each(worker, f, rows) })
	})
}

// rowsAtOnce is how many rows are decoded before somebody looks at them: they stay in the
// processor's first cache.
const rowsAtOnce = 256

var errCountries = errors.New("the roll-up is damaged")

// decodeCountries gives the rows of a section to each, as many at once as room has.
func decodeCountries(b []byte, want Wanted, room []CountryHour, each func([]CountryHour) error) error {
	mask := want.mask()
	var hour int64
	var last uint32 // what is wanted of the last row's countries
	n := 0
	for len(b) > 0 {
		d, size := int64(0), 1
		if b[0] != 0 {
			d, size = binary.Varint(b)
		}
		if size <= 0 || len(b) < size+4 {
			return errCountries
		}
		is := binary.LittleEndian.Uint32(b[size:]) & mask
		b = b[size+4:]
		if n == 0 || d != 0 || is != last {
			if n == len(room) {
				if err := each(room); err != nil {
					return err
				}
				n = 0
			}
			hour, last = hour+d, is
			room[n] = CountryHour{Hour: hour * 3600, Src: [2]byte{byte(is), byte(is >> 8)}, Dst: [2]byte{byte(is >> 16), byte(is >> 24)}}
			n++
		}
		if size = room[n-1].addSums(b, want.Sums); size == 0 {
			return errCountries
		}
		b = b[size:]
	}
	if n == 0 {
		return nil
	}
	return each(room[:n])
}

// addSums adds the five sums that b begins with, and returns how many bytes they take: 0
// where they are not there. How long a number is cannot be foretold, so that reading byte by
// byte takes three times as long: this finds the ends of all five at once.
func (c *CountryHour) addSums(b []byte, sums Sums) int {
	if len(b) >= 24 {
		ends := lastBytes(binary.LittleEndian.Uint64(b)) | lastBytes(binary.LittleEndian.Uint64(b[8:]))<<8
		e0 := uint(bits.TrailingZeros32(ends))
		ends &= ends - 1
		e1 := uint(bits.TrailingZeros32(ends))
		ends &= ends - 1
		e2 := uint(bits.TrailingZeros32(ends))
		ends &= ends - 1
		e3 := uint(bits.TrailingZeros32(ends))
		ends &= ends - 1
		e4 := uint(bits.TrailingZeros32(ends))
		if b := (*[24]byte)(b); e4 < 16 && e0 < 8 && e1-e0 <= 8 && e2-e1 <= 8 && e3-e2 <= 8 && e4-e3 <= 8 {
			c.Flows += short(b, 0, e0)
			if sums&RawBytes != 0 {
				c.RawBytes = flow.Sum(c.RawBytes, short(b, e0+1, e1))
			}
			if sums&RawPackets != 0 {
				c.RawPackets = flow.Sum(c.RawPackets, short(b, e1+1, e2))
			}
			if sums&Bytes != 0 {
				c.Bytes = flow.Sum(c.Bytes, short(b, e2+1, e3))
			}
			if sums&Packets != 0 {
				c.Packets = flow.Sum(c.Packets, short(b, e3+1, e4))
			}
			return int(e4) + 1
		}
	}
	at := 0
	for _, v := range []*uint64{&c.Flows, &c.RawBytes, &c.RawPackets, &c.Bytes, &c.Packets} {
		n, size := binary.Uvarint(b[at:])
		if size <= 0 {
			return 0
		}
		*v = flow.Sum(*v, n)
		at += size
	}
	return at
}

// lastBytes returns a bit for each byte of x that ends a number.
func lastBytes(x uint64) uint32 {
	return uint32(^x >> 7 & 0x0101010101010101 * 0x0102040810204080 >> 56)
}

// short reads a number of up to eight bytes, from a place to its last byte.
func short(b *[24]byte, at, last uint) uint64 {
	x := binary.LittleEndian.Uint64(b[at&15:]) & 0x7f7f7f7f7f7f7f7f
	x &= ^uint64(0) >> (56 - 8*(last-at)&63)
	x = x&0x007f007f007f007f | x&0x7f007f007f007f00>>1
	x = x&0x00003fff00003fff | x&0x3fff00003fff0000>>2
	return x&0x000000000fffffff | x&0x0fffffff00000000>>4
}

func encodeCountries(rows []CountryHour) (out []byte) {
	hour := int64(0)
	for i := range rows {
		s := &rows[i]
		out = binary.AppendVarint(out, s.Hour/3600-hour)
		hour = s.Hour / 3600
		out = append(append(out, s.Src[:]...), s.Dst[:]...)
		for _, v := range []uint64{s.Flows, s.RawBytes, s.RawPackets, s.Bytes, s.Packets} {
			out = binary.AppendUvarint(out, v)
		}
	}
	return out
}
