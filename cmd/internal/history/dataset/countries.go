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
// stand for, whole; the others must be read themselves.
func (s *Snapshot) Countries(each func(CountryHour) error) (covered map[*File]bool, err error) {
	return s.rolledUp(countriesName, countriesMagic, func(content []byte) (bool, error) {
		return true, decodeCountries(content, each)
	})
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
