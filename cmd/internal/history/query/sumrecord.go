package query

import "github.com/flowhound/flowhound/cmd/internal/flow"

// record adds one record.
func (s *sums) record(r *Record) error {
	v := uint64(1)
	switch s.value {
	case SumBytes:
		v, _ = r.Number(Bytes, s.raw)
	case SumPackets:
		v, _ = r.Number(Packets, s.raw)
	case CountSources, CountTargets:
		v = 0
	}
	s.records++
	s.total = flow.Sum(s.total, v)
	first := string(s.packRecord(r, false))
	if err := s.recordAs([]byte(first), r, v); err != nil || !s.either {
		return err
	}
	if other := s.packRecord(r, true); string(other) != first {
		return s.recordAs(other, r, v)
	}
	return nil
}

func (s *sums) recordAs(key []byte, r *Record, v uint64) error {
	switch s.value {
	case CountSources:
		return s.putPair(key, r.Src)
	case CountTargets:
		return s.putPair(key, r.Dst)
	}
	return s.put(key, v)
}

func (s *sums) packRecord(r *Record, other bool) []byte {
	s.packed = s.packed[:0]
	for i := range s.keys {
		k := &s.keys[i]
		f := k.Field
		if other && k.Either {
			f = k.Other
		}
		switch form := fields[f].form; {
		case k.Step > 0:
			s.packed = k.appendNumber(s.packed, uint64(k.step(floorMillis(r.Begin()))))
		case form == formAddress:
			s.packed = k.appendAddress(s.packed, r.Address(f))
		case form == formCountry:
			s.packed = append(s.packed, countryLetters(r.Country(f))...)
		default:
			n, _ := r.Number(f, s.raw)
			s.packed = k.appendNumber(s.packed, n)
		}
	}
	return s.packed
}
