package query

import (
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

// CountryHour is what one country sent to another in flows that began in an hour.
type CountryHour = dataset.CountryHour

const hourMillis = 3600_000

// rolledUp reports whether sums of hours and countries answer a question: it asks for
// nothing but countries and whole hours, and for sums.
func rolledUp(q *Question, o *TopOptions) bool {
	if o.Value.counts() || !countriesOnly(q.Filter.root) {
		return false
	}
	for i := range o.Keys {
		k := &o.Keys[i]
		if k.Step > 0 && (k.Step.Milliseconds()%hourMillis != 0 || k.Offset.Milliseconds()%hourMillis != 0) || k.Step == 0 && fields[k.Field].form != formCountry {
			return false
		}
	}
	from, to := q.bounds()
	return (q.Start.IsZero() || from%hourMillis == 0) && (q.End.IsZero() || to%hourMillis == 0)
}

func countriesOnly(n *node) bool {
	switch {
	case n == nil || n.op == opAll:
		return true
	case n.op == opLeaf:
		return fields[n.field].form == formCountry
	}
	return !slices.ContainsFunc(n.kids, func(k *node) bool { return !countriesOnly(k) })
}

// addRollups adds the sums of hours to s and returns the parts that these do not stand
// for.
func (d *Data) addRollups(q *Question, s *sums, parts []Part) ([]Part, error) {
	from, to := q.bounds()
	var r Record
	covered, err := d.Countries(func(h *CountryHour) error {
		at := h.Hour * 1000
		r.Start = h.Hour * 1e9
		r.SrcCC, r.DstCC = countryName(h.Src[:]), countryName(h.Dst[:])
		if at < from || at >= to || !q.Filter.Match(&r, q.Raw) {
			return nil
		}
		return s.several(&r, h.Flows, s.of(h))
	})
	if err != nil {
		return nil, err
	}
	done := map[string]bool{}
	for i, c := range covered {
		if c {
			done[d.Files[i].Path] = true
		}
	}
	return slices.DeleteFunc(parts, func(p Part) bool { return done[p.Path] }), nil
}

// of returns the sum of an hour that is ranked.
func (s *sums) of(h *CountryHour) uint64 {
	switch {
	case s.value == CountFlows:
		return h.Flows
	case s.value == SumPackets && s.raw:
		return h.RawPackets
	case s.value == SumPackets:
		return h.Packets
	case s.raw:
		return h.RawBytes
	}
	return h.Bytes
}
