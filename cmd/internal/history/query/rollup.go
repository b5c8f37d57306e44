package query

import (
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

type (
	// CountryHour is what one country sent to another in flows that began in an hour.
	CountryHour = dataset.CountryHour
	// ServiceHour is that of a service.
	ServiceHour = dataset.ServiceHour
)

const hourMillis = 3600_000

// rollup is which sums of hours answer a question instead of the files.
type rollup uint8

const (
	noRollup rollup = iota
	ofCountries
	ofServices
)

// rolledUp returns the least sums of hours that answer a question: it asks for nothing
// but countries, services, protocols and hours, and for sums.
func rolledUp(q *Question, o *TopOptions) rollup {
	if whole, _ := q.hours(); o.Value.counts() || !whole.any() {
		return noRollup
	}
	need := rollupOf(q.Filter.root)
	for i := range o.Keys {
		k := &o.Keys[i]
		switch {
		case k.Step > 0 && (k.Step.Milliseconds()%hourMillis != 0 || k.Offset.Milliseconds()%hourMillis != 0):
			return noRollup
		case k.Step == 0:
			need = need.and(rollupOfField(k.Field))
		}
	}
	return need
}

// and returns the sums that answer what both need.
func (r rollup) and(other rollup) rollup {
	if r == noRollup || other == noRollup {
		return noRollup
	}
	return max(r, other)
}

func rollupOfField(f Field) rollup {
	switch f {
	case SrcCountry, DstCountry:
		return ofCountries
	case Service, Proto:
		return ofServices
	}
	return noRollup
}

func rollupOf(n *node) rollup {
	switch {
	case n == nil || n.op == opAll:
		return ofCountries
	case n.op == opLeaf && n.field == Proto && n.vals.hasNumber(Proto, 0):
		return noRollup // which the exporter may have sent or not
	case n.op == opLeaf:
		return rollupOfField(n.field)
	}
	need := ofCountries
	for _, k := range n.kids {
		need = need.and(rollupOf(k))
	}
	return need
}

// hours returns the question for the whole hours of q's time, and those for what is
// before and after them.
func (q *Question) hours() (whole Question, borders []Question) {
	whole = *q
	from, to := q.bounds()
	if up := from + (hourMillis-from%hourMillis)%hourMillis; !q.Start.IsZero() && up != from {
		whole.Start = time.UnixMilli(up)
		border := *q
		border.End = whole.Start
		borders = append(borders, border)
	}
	if rest := to % hourMillis; !q.End.IsZero() && rest != 0 {
		whole.End = time.UnixMilli(to - rest)
		border := *q
		border.Start = whole.End
		borders = append(borders, border)
	}
	return whole, borders
}

// any reports whether the question's time is not empty.
func (q *Question) any() bool {
	from, to := q.bounds()
	return from < to
}

// addRollups adds the sums of hours to s and returns for which files they stand.
func (d *Data) addRollups(q *Question, keys []Key, from rollup, s *sums) (covered []bool, err error) {
	adders := make([]*adder, q.workers())
	var mu sync.Mutex
	for i := range adders {
		adders[i] = newAdder(q, keys, s)
		adders[i].mu, adders[i].most = &mu, mostRolled/len(adders)
	}
	switch {
	case from == ofCountries && d.Countries != nil:
		covered, err = d.Countries(len(adders), func(worker int, h *CountryHour) error { return adders[worker].add(h, 0) })
	case from == ofServices && d.Services != nil:
		covered, err = d.Services(len(adders), func(worker int, h *ServiceHour) error { return adders[worker].add(&h.CountryHour, h.Service) })
	}
	for _, a := range adders {
		if err == nil {
			err = a.flush()
		}
	}
	if err != nil {
		return nil, err
	}
	return covered, nil
}

// adder adds up the sums of hours by what a question looks at, before it looks: a month
// has eight million of them.
type adder struct {
	q          *Question
	mu         *sync.Mutex // of s
	s          *sums
	most       int   // of sums, before it hands them on
	from, to   int64 // of q.bounds
	step       int64 // seconds; 0: times are not looked at
	offset     int64
	src, dst   bool
	service    uint32 // bits that are looked at
	sums       map[rolled]*added
	last       *added
	lastRolled rolled
}

// rolled is what a question looks at.
type rolled struct {
	at       int64
	src, dst [2]byte
	service  uint32
}

type added struct{ flows, sum uint64 }

// mostRolled is how many sums all adders of a question have before they hand them on.
const mostRolled = 1 << 17

func newAdder(q *Question, keys []Key, s *sums) *adder {
	a := &adder{q: q, s: s, sums: map[rolled]*added{}}
	a.from, a.to = q.bounds()
	var look func(n *node)
	field := func(f Field) {
		switch f {
		case SrcCountry:
			a.src = true
		case DstCountry:
			a.dst = true
		case Service:
			a.service = 1<<24 - 1
		case Proto:
			a.service |= 0xff << 16
		}
	}
	look = func(n *node) {
		if n == nil {
			return
		}
		if n.op == opLeaf {
			field(n.field)
		}
		for _, k := range n.kids {
			look(k)
		}
	}
	look(q.Filter.root)
	for i := range keys {
		k := &keys[i]
		if k.Step > 0 {
			step, offset := k.Step.Milliseconds()/1000, k.Offset.Milliseconds()/1000
			if a.step != 0 && (a.step != step || a.offset != offset) {
				step, offset = 3600, 0 // two steps of time: keep hours
			}
			a.step, a.offset = step, offset
			continue
		}
		field(k.Field)
		if k.Either {
			field(k.Other)
		}
	}
	return a
}

// add adds a sum of an hour.
func (a *adder) add(h *CountryHour, service uint32) error {
	if at := h.Hour * 1000; at < a.from || at >= a.to {
		return nil
	}
	r := rolled{service: service & a.service}
	if a.step > 0 {
		r.at = h.Hour - a.offset
		if r.at -= r.at % a.step; r.at > h.Hour-a.offset { // before 1970
			r.at -= a.step
		}
		r.at += a.offset
	}
	if a.src {
		r.src = h.Src
	}
	if a.dst {
		r.dst = h.Dst
	}
	if a.last == nil || r != a.lastRolled {
		sum := a.sums[r]
		if sum == nil {
			if len(a.sums) >= a.most {
				if err := a.flush(); err != nil {
					return err
				}
			}
			sum = &added{}
			a.sums[r] = sum
		}
		a.last, a.lastRolled = sum, r
	}
	a.last.flows += h.Flows
	a.last.sum = flow.Sum(a.last.sum, a.s.of(h))
	return nil
}

// flush hands on what was added up.
func (a *adder) flush() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var r Record
	for key, sum := range a.sums {
		r.Start = key.at * 1e9
		r.SrcCC, r.DstCC = countryName(key.src[:]), countryName(key.dst[:])
		r.Proto, r.DstPort = uint8(key.service>>16), uint16(key.service)
		if r.Has = 0; r.Proto != 0 {
			r.Has = flow.HasProto
		}
		if a.q.Filter.Match(&r, a.q.Raw) {
			if err := a.s.several(&r, sum.flows, sum.sum); err != nil {
				return err
			}
		}
	}
	clear(a.sums)
	a.last = nil
	return nil
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
