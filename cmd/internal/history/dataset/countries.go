package dataset

import (
	"encoding/binary"
	"errors"
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
// stand for, whole; the others must be read themselves. So many workers, numbered from 0
// on, call each at once, with what is valid during the call.
func (s *Snapshot) Countries(workers int, each func(worker int, c *CountryHour) error) (covered map[*File]bool, err error) {
	return s.rolledUp(countriesName, countriesMagic, workers, func(worker int, _ *File, content []byte) (bool, error) {
		return true, decodeCountries(content, func(c *CountryHour) error { return each(worker, c) })
	})
}

var errCountries = errors.New("the roll-up is damaged")

func decodeCountries(b []byte, each func(*CountryHour) error) error {
	hour := int64(0)
	var c CountryHour
	for len(b) > 0 {
		d, n := binary.Varint(b)
		if n <= 0 || len(b) < n+4 {
			return errCountries
		}
		hour += d
		c.Hour, c.Src, c.Dst = hour*3600, [2]byte(b[n:]), [2]byte(b[n+2:])
		b = b[n+4:]
		c.Flows, b = uvarint(b)
		c.RawBytes, b = uvarint(b)
		c.RawPackets, b = uvarint(b)
		c.Bytes, b = uvarint(b)
		if c.Packets, b = uvarint(b); b == nil {
			return errCountries
		}
		if err := each(&c); err != nil {
			return err
		}
	}
	return nil
}

// uvarint reads the number that b begins with, and returns what follows it: nil where there
// is none.
func uvarint(b []byte) (v uint64, rest []byte) {
	for i, c := range b {
		if c < 0x80 {
			if i == 9 && c > 1 {
				break
			}
			return v | uint64(c)<<(7*i), b[i+1:]
		}
		if v |= uint64(c&0x7f) << (7 * i); i == 9 {
			break
		}
	}
	return 0, nil
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
