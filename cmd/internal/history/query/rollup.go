package query

import (
	"cmp"
	"encoding/binary"
	"math"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

// CountryHour is what one country sent to another in flows that began in an hour, of all
// services or of one.
type CountryHour = dataset.CountryHour

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
func (d *Data) addRollups(q *Question, from rollup, s *sums) (covered []bool, err error) {
	give := d.Countries
	if from == ofServices {
		give = d.Services
	}
	if give == nil {
		return nil, nil
	}
	adders := make([]*adder, q.workers())
	var mu sync.Mutex
	for i := range adders {
		adders[i] = newAdder(q, s, &mu)
	}
	if look := adders[0].look; look == lookSrc || look == lookDst { // by one country, in steps of time
		s.table.expect(d.steps(q, s.keys) * someCountries)
	}
	want := dataset.Wanted{Sums: s.wanted(), Src: adders[0].look&lookSrc != 0, Dst: adders[0].look&lookDst != 0}
	covered, err = give(len(adders), want, func(worker, _ int, rows []CountryHour) error { return adders[worker].add(rows) })
	for _, a := range adders {
		err = cmp.Or(err, a.endAll(), a.handOn())
	}
	return covered, err
}

// someCountries is about how many countries send something in an hour of much traffic.
const someCountries = 250

// steps returns how many steps of time a question's files have by keys, about.
func (d *Data) steps(q *Question, keys []Key) int {
	from, to := q.bounds()
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range d.Files {
		first, last = min(first, floorMillis(d.Files[i].Info.Start)), max(last, floorMillis(d.Files[i].Info.End))
	}
	first, last = max(first, from), min(last, to)
	for i := range keys {
		if step := keys[i].Step.Milliseconds(); step > 0 && last > first {
			return int((last-first)/step) + 1
		}
	}
	return 1
}

// adder adds up what one worker is given. A month has two million sums of hours, or eight with
// services, of which many are alike in what a question looks at: those are added up first.
type adder struct {
	q        *Question
	mu       *sync.Mutex // of s
	s        *sums
	from, to int64 // of q.bounds
	look     about // bits that are looked at
	wanted   dataset.Sums

	hour     int64 // of the last row
	inside   bool  // whether it is asked for
	at       int64 // an hour that stands for all of the same steps of time
	alike    [1 << alikeBits]alike
	verdicts [1 << 12]verdict

	keys    []byte // of what is not handed on yet
	sums    []uint64
	records uint64
	total   uint64
}

// alikeBits is for two hours of some 250 countries, in 80 kB.
const alikeBits = 11

// alike is what rows have together that are about one thing, at one time.
type alike struct {
	is       about // 1 is added, so that the zero value is about nothing
	at       int64
	accepted bool
	flows    uint64
	sum      uint64
}

// about is what a row is about: source country, destination country and service, of 16, 16
// and 24 bits.
type about uint64

const (
	lookSrc     about = 0xffff << 40
	lookDst     about = 0xffff << 24
	lookProto   about = 0xff << 16
	lookService about = 0xffffff
)

// aboutOf returns what a row is about.
func aboutOf(h *CountryHour) about {
	return about(binary.BigEndian.Uint16(h.Src[:]))<<40 | about(binary.BigEndian.Uint16(h.Dst[:]))<<24 | about(h.Service)
}

// verdict is what the filter says of rows about something; 1 is added to what they are about, so
// that the zero verdict is about nothing.
type verdict struct {
	of       about
	accepted bool
}

// mostAdded is how many keys wait to be added at once.
const mostAdded = 1024

func newAdder(q *Question, s *sums, mu *sync.Mutex) *adder {
	a := &adder{q: q, mu: mu, s: s, hour: math.MinInt64, look: looksAt(q.Filter.root), wanted: s.wanted()}
	a.from, a.to = q.bounds()
	clear(a.alike[:]) // see grow
	for i := range s.keys {
		k := &s.keys[i]
		if k.Step > 0 {
			continue
		}
		a.look |= lookOf(k.Field)
		if k.Either {
			a.look |= lookOf(k.Other)
		}
	}
	return a
}

func lookOf(f Field) about {
	switch f {
	case SrcCountry:
		return lookSrc
	case DstCountry:
		return lookDst
	case Service:
		return lookService
	case Proto:
		return lookProto
	}
	return 0
}

func looksAt(n *node) (look about) {
	if n == nil {
		return 0
	}
	if n.op == opLeaf {
		look = lookOf(n.field)
	}
	for _, k := range n.kids {
		look |= looksAt(k)
	}
	return look
}

// add adds rows.
func (a *adder) add(rows []CountryHour) (err error) {
	var to *alike // what the last row was added to
	for i := range rows {
		h := &rows[i]
		if h.Hour != a.hour {
			a.turn(h.Hour)
			to = nil
		}
		if !a.inside {
			continue
		}
		is := aboutOf(h)&a.look + 1
		if to == nil || is != to.is {
			if to = &a.alike[(uint64(is)^uint64(a.at)<<40)*0x9e3779b97f4a7c15>>(64-alikeBits)]; to.is != is || to.at != a.at {
				err = cmp.Or(err, a.end(to))
				*to = alike{is: is, at: a.at, accepted: a.accepts(is - 1)}
			}
		}
		if to.accepted {
			to.flows += h.Flows
			to.sum = flow.Sum(to.sum, valueOf(h, a.wanted))
		}
	}
	return err
}

// turn goes on to another hour.
func (a *adder) turn(hour int64) {
	a.hour, a.inside = hour, a.from <= hour*1000 && hour*1000 < a.to
	if !a.sameSteps(hour, a.at) {
		a.at = hour
	}
}

// sameSteps reports whether two hours are of the same steps of time.
func (a *adder) sameSteps(hour, other int64) bool {
	for i := range a.s.keys {
		if k := &a.s.keys[i]; k.Step > 0 && k.step(hour*1000) != k.step(other*1000) {
			return false
		}
	}
	return true
}

// accepts reports whether the filter accepts what is about something.
func (a *adder) accepts(is about) bool {
	if a.q.Filter.All() {
		return true
	}
	v := &a.verdicts[uint64(is+1)*0x9e3779b97f4a7c15>>(64-12)]
	if v.of != is+1 {
		r := Record{SrcCC: countryName(is.src()), DstCC: countryName(is.dst())}
		if r.Proto, r.DstPort = uint8(is>>16), uint16(is); r.Proto != 0 {
			r.Has = flow.HasProto
		}
		*v = verdict{is + 1, a.q.Filter.Match(&r, a.q.Raw)}
	}
	return v.accepted
}

func (is about) src() []byte { return []byte{byte(is >> 48), byte(is >> 40)} }

func (is about) dst() []byte { return []byte{byte(is >> 32), byte(is >> 24)} }

// endAll ends all rows that are alike.
func (a *adder) endAll() (err error) {
	for i := range a.alike {
		err = cmp.Or(err, a.end(&a.alike[i]))
	}
	return err
}

// end adds what rows that are alike have together.
func (a *adder) end(of *alike) error {
	if of.flows == 0 {
		return nil
	}
	a.records += of.flows
	first := len(a.keys)
	a.keys = a.pack(a.keys, of, false)
	own := a.keys[first:]
	a.sums = append(a.sums, of.sum)
	if a.s.either {
		a.keys = a.pack(a.keys, of, true)
		if other := a.keys[first+len(own):]; string(other) != string(own) {
			a.sums = append(a.sums, of.sum)
		} else {
			a.keys = a.keys[:first+len(own)]
		}
	}
	a.total = flow.Sum(a.total, of.sum)
	if len(a.sums) < mostAdded {
		return nil
	}
	return a.handOn()
}

// pack packs the keys of rows that are alike.
func (a *adder) pack(b []byte, of *alike, other bool) []byte {
	is := of.is - 1
	for i := range a.s.keys {
		k := &a.s.keys[i]
		f := k.Field
		if other && k.Either {
			f = k.Other
		}
		switch {
		case k.Step > 0:
			b = k.appendNumber(b, uint64(k.step(of.at*1000)))
		case f == SrcCountry:
			b = binary.BigEndian.AppendUint16(b, lettersOf(uint16(is>>40)))
		case f == DstCountry:
			b = binary.BigEndian.AppendUint16(b, lettersOf(uint16(is>>24)))
		case f == Proto:
			b = append(b, byte(is>>16))
		default:
			b = k.appendNumber(b, uint64(is&lookService))
		}
	}
	return b
}

// handOn adds what was added up to that of all workers.
func (a *adder) handOn() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.s.records += a.records
	a.s.total = flow.Sum(a.s.total, a.total)
	err := a.s.putAll(a.keys, a.sums)
	a.keys, a.sums, a.records, a.total = a.keys[:0], a.sums[:0], 0, 0
	return err
}

// wanted returns which sum of an hour is ranked.
func (s *sums) wanted() dataset.Sums {
	switch {
	case s.value == CountFlows:
		return 0
	case s.value == SumPackets && s.raw:
		return dataset.RawPackets
	case s.value == SumPackets:
		return dataset.Packets
	case s.raw:
		return dataset.RawBytes
	}
	return dataset.Bytes
}

// valueOf returns a sum of an hour; of none, how many flows there are.
func valueOf(h *CountryHour, sum dataset.Sums) uint64 {
	switch sum {
	case dataset.RawPackets:
		return h.RawPackets
	case dataset.Packets:
		return h.Packets
	case dataset.RawBytes:
		return h.RawBytes
	case dataset.Bytes:
		return h.Bytes
	}
	return h.Flows
}
