package query

import (
	"context"
	"errors"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

// Questions for the largest ends of a country, an end being an address with a port, are
// answered from a roll-up that lists these for each hour. A list leaves small ends out
// and says how much such a one has at most. Merged, the lists say of each end what it has
// at least and at most:
//
//   - An end that has less at most than the last wanted one has at least is out.
//   - So must be an end that no list has. Else the question is answered without lists.
//   - Of the others files are read whose list lacks one, for these addresses alone.
//
// So the answer is that of the files, to the byte.

// EndList is the largest ends of a country in an hour.
type EndList = dataset.EndList

// endQuestion is a question that lists of ends may answer.
type endQuestion struct {
	side   dataset.Side
	wanted func(country [2]byte) bool
	keys   []Key
}

// endQuestionOf returns what lists of ends are asked for; false: they cannot answer.
func endQuestionOf(q *Question, o *TopOptions) (e endQuestion, ok bool) {
	if !o.bounded() || o.Value != SumBytes || len(o.Keys) != 2 {
		return e, false
	}
	for side, fields := range map[dataset.Side][2]Field{dataset.Sent: {SrcIP, SrcPort}, dataset.Received: {DstIP, DstPort}, dataset.Either: {SrcIP, SrcPort}} {
		found := 0
		for _, k := range o.Keys {
			if k.Step == 0 && k.Bits4 == 0 && k.Either == (side == dataset.Either) && (k.Field == fields[0] || k.Field == fields[1]) {
				found++
			}
		}
		if found == 2 && o.Keys[0].Field != o.Keys[1].Field {
			e.side, ok = side, true
		}
	}
	if !ok {
		return e, false
	}
	e.keys = o.Keys
	e.wanted, ok = countriesWanted(q, e.side)
	return e, ok
}

// countriesWanted tells of a filter that asks for nothing but countries of a side which
// countries these are.
func countriesWanted(q *Question, side dataset.Side) (func([2]byte) bool, bool) {
	root := q.Filter.root
	if side == dataset.Either { // a flow may be in two lists: one country alone
		if root == nil || root.op != opOr || len(root.kids) != 2 || !onlyOf(root, SrcCountry, DstCountry) ||
			root.kids[0].field == root.kids[1].field || root.kids[0].negated || root.kids[1].negated {
			return nil, false
		}
		one, other := root.kids[0].vals.countries, root.kids[1].vals.countries
		if len(one) != 1 || len(other) != 1 || one[0] != other[0] {
			return nil, false
		}
		return func(c [2]byte) bool { return countryName(c[:]) == one[0] }, true
	}
	if side == dataset.Sent && !onlyOf(root, SrcCountry) || side == dataset.Received && !onlyOf(root, DstCountry) {
		return nil, false
	}
	return func(c [2]byte) bool {
		name := countryName(c[:])
		return q.Filter.Match(&Record{SrcCC: name, DstCC: name}, q.Raw)
	}, true
}

// onlyOf reports whether a filter asks for nothing but fields.
func onlyOf(n *node, fields ...Field) bool {
	switch {
	case n == nil || n.op == opAll:
		return true
	case n.op == opLeaf:
		return slices.Contains(fields, n.field)
	}
	return !slices.ContainsFunc(n.kids, func(k *node) bool { return !onlyOf(k, fields...) })
}

// endLists merges the lists for one question.
type endLists struct {
	r       *reading
	e       endQuestion
	whole   Question // of whole hours
	borders []Question
	files   []*fileEnds
	covered []bool // files that lists stand for
	read    *sums  // of what no list stands for
	ends    map[endKey]*mergedEnd
	rest    uint64 // what an end has at most that no list has
	records uint64
	total   uint64
	seen    dataset.Sketch
}

// fileEnds is what the lists of a country say of a file: all ends that are in any of
// them, with what they have in the whole hours of the question.
type fileEnds struct {
	file    int // of Data.Files
	country [2]byte
	ends    map[endKey]uint64
	rest    uint64 // what another one has at most
}

type endKey struct {
	addr flow.Addr
	port uint16
}

// mergedEnd is what is known of an end: the sum of the files whose lists have it, and the
// rest of these.
type mergedEnd struct{ sum, rest uint64 }

// errUnlisted says that lists do not answer.
var errUnlisted = errors.New("lists do not answer this")

// mostCandidates bounds for how many ends files are read.
const mostCandidates = 5000

// fromLists answers from lists of ends; errUnlisted: they do not.
func (r *reading) fromLists(ctx context.Context) (*Top, error) {
	e, ok := endQuestionOf(r.q, r.o)
	if !ok || r.d.Largest == nil {
		return nil, errUnlisted
	}
	l := &endLists{r: r, e: e, ends: map[endKey]*mergedEnd{}, seen: dataset.NewEndSketch()}
	if l.whole, l.borders = r.q.hours(); !l.whole.any() {
		return nil, errUnlisted
	}
	if err := l.load(); err != nil {
		return nil, err
	}
	if err := l.readOthers(ctx); err != nil {
		return nil, err
	}
	l.merge()
	candidates, ok := l.candidates()
	if !ok || len(candidates) > mostCandidates {
		return nil, errUnlisted
	}
	best := newRanking(r.o, l.total, nil)
	if err := l.exact(ctx, candidates, &best); err != nil {
		return nil, err
	}
	t := &Top{Records: l.records, Total: l.total, Groups: len(l.ends)}
	if len(l.files) > 0 {
		t.Groups, t.Estimated = l.seen.Estimate(), true
	}
	return best.answer(t), nil
}

// load reads the lists.
func (l *endLists) load() (err error) {
	from, to := l.whole.bounds()
	l.covered, err = l.r.d.Largest(l.e.side, l.r.q.Raw, l.e.wanted, func(file int, list *EndList) error {
		f := l.file(file, list.Country)
		asked := from <= list.Hour*1000 && list.Hour*1000 < to
		if asked {
			f.rest = flow.Sum(f.rest, list.Rest)
			l.records += list.Flows
			l.total = flow.Sum(l.total, list.Bytes)
			l.seen.Merge(list.Seen)
		}
		for i := range list.Ends {
			x := &list.Ends[i]
			if key := (endKey{x.Addr, x.Port}); asked {
				f.ends[key] = flow.Sum(f.ends[key], x.Bytes)
			} else {
				f.ends[key] += 0
			}
		}
		return nil
	})
	if err == nil && !slices.Contains(l.covered, true) {
		err = errUnlisted
	}
	return err
}

// file returns what is known of a country in a file.
func (l *endLists) file(file int, country [2]byte) *fileEnds {
	if n := len(l.files); n > 0 && l.files[n-1].file == file { // they come file by file
		for _, f := range slices.Backward(l.files) {
			if f.file == file && f.country == country {
				return f
			}
		}
	}
	f := &fileEnds{file: file, country: country, ends: map[endKey]uint64{}}
	l.files = append(l.files, f)
	return f
}

// readOthers reads what lists do not stand for: other files, hours that are not whole, and
// what is in no file yet.
func (l *endLists) readOthers(ctx context.Context) error {
	workers := l.r.workers(share{}, false)
	parts, err := l.r.scanBorders(ctx, workers, l.r.d.parts(l.r.q), l.covered, l.borders)
	if err == nil {
		err = l.r.scan(ctx, workers, parts, l.r.q)
	}
	if err == nil {
		l.read, err = l.r.gather(ctx, workers)
	}
	return unlessFull(err)
}

// unlessFull: what does not fit into memory is left to those who read in turns.
func unlessFull(err error) error {
	if errors.Is(err, errFull) {
		return errUnlisted
	}
	return err
}

// merge adds up the lists and what was read.
func (l *endLists) merge() {
	l.records += l.read.records
	l.total = flow.Sum(l.total, l.read.total)
	for i := range l.read.table.len() {
		l.end(l.unpack(l.read.table.key(i))).sum = l.read.table.sum(i)
	}
	for _, f := range l.files {
		l.rest = flow.Sum(l.rest, f.rest)
		for key, n := range f.ends {
			m := l.end(key)
			m.sum, m.rest = flow.Sum(m.sum, n), flow.Sum(m.rest, f.rest)
		}
	}
	for key, m := range l.ends {
		if m.sum > 0 {
			l.seen.Add(dataset.EndHash(key.addr, key.port))
		}
	}
}

func (l *endLists) end(key endKey) *mergedEnd {
	m := l.ends[key]
	if m == nil {
		m = &mergedEnd{}
		l.ends[key] = m
	}
	return m
}

// candidates returns the ends that can be wanted, false where one that no list has could
// be, too.
func (l *endLists) candidates() (out []endKey, ok bool) {
	best := newRanking(l.r.o, l.total, nil)
	for key, m := range l.ends {
		best.add(l.pack(key), m.sum)
	}
	need := best.need()
	if l.rest >= need {
		return nil, false
	}
	for key, m := range l.ends {
		if flow.Sum(m.sum, l.rest-m.rest) < need {
			continue
		}
		if key.addr == (flow.Addr{}) { // who asks for it asks for none
			return nil, false
		}
		out = append(out, key)
	}
	return out, true
}

// exact ranks the candidates by what they have. Files are read for those that their lists
// lack.
func (l *endLists) exact(ctx context.Context, candidates []endKey, best *ranking) error {
	lacking := map[int]map[endKey]bool{} // by file
	for _, f := range l.files {
		for _, key := range candidates {
			if _, has := f.ends[key]; has || f.rest == 0 {
				continue
			}
			if lacking[f.file] == nil {
				lacking[f.file] = map[endKey]bool{}
			}
			lacking[f.file][key] = true
		}
	}
	exact := make(map[endKey]uint64, len(candidates))
	for _, key := range candidates {
		exact[key] = 0
	}
	add := func(key endKey, n uint64) {
		if sum, wanted := exact[key]; wanted {
			exact[key] = flow.Sum(sum, n)
		}
	}
	for i := range l.read.table.len() {
		add(l.unpack(l.read.table.key(i)), l.read.table.sum(i))
	}
	for _, f := range l.files {
		for _, key := range candidates {
			if !lacking[f.file][key] {
				add(key, f.ends[key])
			}
		}
	}
	if err := l.readLacking(ctx, lacking, add); err != nil {
		return unlessFull(err)
	}
	for key, sum := range exact {
		best.add(l.pack(key), sum)
	}
	return nil
}

// readLacking reads files for the ends that their lists lack, and adds what these have.
func (l *endLists) readLacking(ctx context.Context, lacking map[int]map[endKey]bool, add func(endKey, uint64)) error {
	if len(lacking) == 0 {
		return nil
	}
	var all []flow.Range
	for _, keys := range lacking {
		all = appendAddresses(all, keys)
	}
	q := l.whole
	q.Filter = l.whole.Filter.And(l.at(all))
	parts := l.r.d.parts(&q) // the index is asked once
	place := make(map[string]int, len(l.r.d.Files))
	for i, f := range l.r.d.Files {
		place[f.Path] = i
	}
	for _, p := range parts {
		keys := lacking[place[p.Path]]
		if len(keys) == 0 {
			continue
		}
		q.Filter = l.whole.Filter.And(l.at(appendAddresses(nil, keys)))
		workers := l.r.workers(share{}, false)
		if err := l.r.scan(ctx, workers, []Part{p}, &q); err != nil {
			return err
		}
		for _, w := range workers {
			for i := range w.table.len() {
				if key := l.unpack(w.table.key(i)); keys[key] {
					add(key, w.table.sum(i))
				}
			}
		}
	}
	return nil
}

// at returns a filter of the records that have an address at an end that is counted.
func (l *endLists) at(addresses []flow.Range) Filter {
	set := NewAddrSet(addresses)
	switch l.e.side {
	case dataset.Sent:
		return AddressIn(SrcIP, set)
	case dataset.Received:
		return AddressIn(DstIP, set)
	}
	return AnyOf(AddressIn(SrcIP, set), AddressIn(DstIP, set))
}

func appendAddresses(to []flow.Range, keys map[endKey]bool) []flow.Range {
	for key := range keys {
		to = append(to, flow.Range{First: key.addr, Last: key.addr})
	}
	return to
}

func (l *endLists) pack(key endKey) []byte {
	var b []byte
	for i := range l.e.keys {
		if k := &l.e.keys[i]; k.Width() == 16 {
			b = k.appendAddress(b, key.addr)
		} else {
			b = k.appendNumber(b, uint64(key.port))
		}
	}
	return b
}

func (l *endLists) unpack(b []byte) (key endKey) {
	for i := range l.e.keys {
		n := l.e.keys[i].Width()
		if n == 16 {
			key.addr = flow.AddrFrom16(b)
		} else {
			key.port = uint16(b[0])<<8 | uint16(b[1])
		}
		b = b[n:]
	}
	return key
}
