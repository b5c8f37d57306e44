package query

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/plugin/nearest"
)

// RecordOptions say which records are returned, and how.
type RecordOptions struct {
	// Biflow returns conversations: one Found for both directions, when the question
	// accepts either.
	Biflow bool
	// Sort orders the records; nil: the order of the files, hour by hour.
	Sort *Sort
	// Limit is how many are returned, the first of the order. 0: all, which only the
	// order of the files allows.
	Limit int
	// Join, unless it is nil, puts the pieces of long conversations together: Biflow must be
	// set. Conditions hold for the pieces, order and limit for the whole.
	Join *Join
	// Only names the columns that are read of what was found; what stands in others is
	// zero. Reading few takes half the time. nil: all.
	Only []column.ID
	// AnyOrder gives the records as they are found, which lets workers read them side by
	// side.
	AnyOrder bool
	// Symmetric says that the filter accepts both directions of a conversation or none,
	// so that one is asked. It is for conversations (Biflow), whose times are then those of
	// the first direction.
	Symmetric bool
}

// Sort is an order of records.
type Sort struct {
	Field Field
	Start bool // by when they began, rather than by Field
	Down  bool // the largest first
}

// ParseSort reads the name of an order: start (the earliest first), or bytes, packets,
// duration, bps, pps, bpp, sport, dport (the largest first). A + or - before it asks for
// the smallest or the largest first.
func ParseSort(text string) (*Sort, error) {
	name, sign := text, byte(0)
	if text != "" && (text[0] == '+' || text[0] == '-') {
		name, sign = text[1:], text[0]
	}
	s := &Sort{Start: name == "start"}
	names := []string{"start"}
	for _, f := range []Field{Bytes, Packets, Duration, BitRate, PacketRate, PacketSize, SrcPort, DstPort} {
		names = append(names, f.String())
		if f.String() == name {
			s.Field, s.Down = f, true
		}
	}
	if !s.Start && !s.Down {
		return nil, &Error{Text: text, Option: "--sort", End: len(text), Message: strconv.Quote(name) + " is no order", Suggestion: nearest.Word(name, names)}
	}
	if sign != 0 {
		s.Down = sign == '-'
	}
	return s, nil
}

// Found is one record that a question found.
type Found struct {
	Record
	// Conversation is what the record is half of, when conversations were asked for;
	// Record is then both directions in one. nil otherwise.
	Conversation *Conversation
}

// Records gives each the records that a question accepts and returns how many there
// are. What each is given is valid during the call. An error of each ends the search
// and is returned.
func (d *Data) Records(ctx context.Context, q Question, o RecordOptions, each func(*Found) error) (records uint64, err error) {
	parts, err := d.parts(&q)
	if err != nil {
		return 0, err
	}
	f := &finder{o: &o, q: &q, each: each, ended: func() error { return context.Cause(ctx) }, beside: make([]buffer, q.workers())}
	s := scan{q: &q, parts: parts, inOrder: o.Sort == nil && !o.AnyOrder || o.Join != nil, symmetric: o.Biflow && o.Symmetric, visit: f.visit}
	if o.Join != nil {
		if err := f.join(ctx, d, parts); err != nil {
			return 0, err
		}
	}
	if err := s.run(ctx); err != nil {
		return f.records, err
	}
	if f.enough() {
		return f.records, nil
	}
	err = d.recent(ctx, &q, f.recent)
	if err == nil && f.joiner != nil {
		err = f.joiner.finish()
	}
	if err != nil && !errors.Is(err, errEnough) {
		return f.records, err
	}
	return f.records, f.finish()
}

// join makes the finder put pieces together. Before a file it hands on what neither that
// nor a later one can continue, nor the records that are in no file yet.
func (f *finder) join(ctx context.Context, d *Data, parts []Part) error {
	f.joiner = newJoiner(f.o.Join, f.whole)
	f.begins = make([]int64, len(parts))
	least := int64(math.MaxInt64)
	err := d.recent(ctx, f.q, func(c *Conversation, _ [2]bool) error {
		least = min(least, c.first())
		return nil
	})
	for i, p := range slices.Backward(parts) {
		least = min(least, p.Info.Start)
		f.begins[i] = least
	}
	return err
}

// whole takes a conversation whose pieces are together.
func (f *finder) whole(c *Conversation) error {
	one := &Found{Record: c.Both(), Conversation: c}
	f.records++
	if f.o.Sort != nil {
		f.add(f.o.Sort.key(one, f.q.Raw), one)
		return nil
	}
	err := f.each(one)
	if err == nil && f.enough() {
		return errEnough
	}
	return err
}

// pieces gives what was found in a row group to the joiner.
func (f *finder) pieces(g *group, rows []int32) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.joiner.from(f.begins[g.part]); err != nil {
		return err
	}
	for some := range slices.Chunk(rows, chunk) {
		if err := f.ended(); err != nil {
			return err
		}
		f.rows, f.found = g.materialise(some, f.rows, f.found[:0], f.o.Only...)
		for i := range f.found {
			if err := f.joiner.add(&f.found[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// finder collects what is found, or hands it on.
type finder struct {
	o     *RecordOptions
	q     *Question
	each  func(*Found) error
	ended func() error // why nobody waits for the answer any more: a row group can take a second

	mu      sync.Mutex
	records uint64
	rows    []column.Row
	found   []Conversation
	beside  []buffer // of each worker
	joiner  *joiner
	begins  []int64  // when the first flow of each file and all later ones began
	best    []ranked // with Sort: the first ones, and as many again
	worst   int64    // with Sort: the key of the last of the first, once there are enough
	full    bool
	one     Found // that is handed on
}

// buffer is where a worker reads rows.
type buffer struct {
	rows  []column.Row
	found []Conversation
}

// ranked is a record with its place in the order.
type ranked struct {
	key int64
	Found
}

// chunk is how many rows are read at once.
const chunk = 4096

func (f *finder) enough() bool {
	return f.o.Sort == nil && f.o.Limit > 0 && f.records >= uint64(f.o.Limit)
}

// visit takes what was found in a row group.
func (f *finder) visit(worker int, g *group, found [2][]int32) error {
	rows := union(found[forward], found[reverse], g.list())
	if f.joiner != nil {
		return f.pieces(g, rows)
	}
	if f.o.Sort != nil {
		return f.rank(&f.beside[worker], g, rows, found)
	}
	if f.o.AnyOrder {
		return f.visitBeside(&f.beside[worker], g, rows, found)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for some := range slices.Chunk(rows, chunk) {
		if err := f.ended(); err != nil {
			return err
		}
		f.rows, f.found = g.materialise(some, f.rows, f.found[:0], f.o.Only...)
		for i, row := range some {
			accepted := accept(&found, row)
			if err := f.give(&f.found[i], accepted); err != nil {
				return err
			}
		}
	}
	return nil
}

// visitBeside is visit in any order: only handing on is done by one worker at a time.
func (f *finder) visitBeside(b *buffer, g *group, rows []int32, found [2][]int32) error {
	for some := range slices.Chunk(rows, chunk) {
		if err := f.ended(); err != nil {
			return err
		}
		b.rows, b.found = g.materialise(some, b.rows, b.found[:0], f.o.Only...)
		f.mu.Lock()
		for i, row := range some {
			if err := f.give(&b.found[i], accept(&found, row)); err != nil {
				f.mu.Unlock()
				return err
			}
		}
		f.mu.Unlock()
	}
	return nil
}

// accept reports of which directions a row was found, and takes it from the lists,
// which are asked in ascending order.
func accept(found *[2][]int32, row int32) (accepted [2]bool) {
	for w := range found {
		if len(found[w]) > 0 && found[w][0] == row {
			accepted[w], found[w] = true, found[w][1:]
		}
	}
	return accepted
}

func (f *finder) recent(c *Conversation, accepted [2]bool) error {
	if f.joiner != nil {
		return f.joiner.add(c)
	}
	if f.o.Sort == nil {
		return f.give(c, accepted)
	}
	f.split(c, accepted, func(one *Found) {
		f.records++
		f.add(f.o.Sort.key(one, f.q.Raw), one)
	})
	return nil
}

// give hands on what was accepted of a conversation.
func (f *finder) give(c *Conversation, accepted [2]bool) (err error) {
	f.split(c, accepted, func(one *Found) {
		if err != nil || f.enough() {
			return
		}
		f.records++
		err = f.each(one)
	})
	if err == nil && f.enough() {
		return errEnough
	}
	return err
}

// split calls do with each record that was accepted, or with the conversation: during the
// call.
func (f *finder) split(c *Conversation, accepted [2]bool, do func(*Found)) {
	if f.o.Biflow {
		f.one = Found{Record: c.Both(), Conversation: c}
		do(&f.one)
		return
	}
	if accepted[forward] {
		f.one = Found{Record: c.Record}
		do(&f.one)
	}
	if accepted[reverse] {
		f.one = Found{Record: c.Answer}
		do(&f.one)
	}
}

// key returns what a record is ordered by.
func (s *Sort) key(r *Found, raw bool) int64 {
	if s.Start {
		return floorMillis(r.Begin())
	}
	n, _ := r.Number(s.Field, raw)
	if c := r.Conversation; c != nil && c.Answered && (s.Field == Bytes || s.Field == Packets) {
		m, _ := c.Answer.Number(s.Field, raw)
		n += m
	}
	return int64(min(n, 1<<63-1))
}

// keys returns what the rows of sel are ordered by.
func (s *Sort) keys(g *group, w way, sel []int32) []int64 {
	if s.Start {
		return g.begin(w, sel, nil)
	}
	numbers := g.numbers(s.Field, w, sel, nil)
	out := make([]int64, len(sel))
	for i, n := range numbers {
		out[i] = int64(min(n, 1<<63-1))
	}
	return out
}

// rank keeps what comes first in the order. Only rows that can be among those are read
// whole.
func (f *finder) rank(b *buffer, g *group, rows []int32, found [2][]int32) error {
	var keys [2][]int64
	for w := range way(2) {
		if !f.o.Biflow {
			keys[w] = f.o.Sort.keys(g, w, found[w])
		}
	}
	f.mu.Lock()
	full, worst := f.full, f.worst
	f.mu.Unlock()
	wanted := rows
	if full && !f.o.Biflow {
		var lists [2][]int32
		for w := range found {
			for i, row := range found[w] {
				if !f.o.Sort.after(keys[w][i], worst) {
					lists[w] = append(lists[w], row)
				}
			}
		}
		wanted = union(lists[0], lists[1], g.list())
	}
	count := uint64(len(found[0]) + len(found[1]))
	if f.o.Biflow {
		count = uint64(len(rows))
	}
	f.mu.Lock()
	f.records += count
	f.mu.Unlock()
	for some := range slices.Chunk(wanted, chunk) {
		b.rows, b.found = g.materialise(some, b.rows, b.found[:0], f.o.Only...)
		f.mu.Lock()
		for i, row := range some {
			for w := range found {
				for len(found[w]) > 0 && found[w][0] < row {
					found[w] = found[w][1:]
				}
			}
			f.split(&b.found[i], accept(&found, row), func(one *Found) { f.add(f.o.Sort.key(one, f.q.Raw), one) })
		}
		f.mu.Unlock()
	}
	return nil
}

// after reports whether a record with key a comes after all with key b.
func (s *Sort) after(a, b int64) bool {
	if s.Down {
		return a < b
	}
	return a > b
}

func (f *finder) add(key int64, one *Found) {
	if f.full && f.o.Sort.after(key, f.worst) {
		return
	}
	r := ranked{key: key, Found: *one}
	if c := one.Conversation; c != nil {
		kept := *c
		r.Conversation = &kept
	}
	f.best = append(f.best, r)
	if n := f.o.Limit; n > 0 && (len(f.best) >= n+n/2+500 || !f.full && len(f.best) == n) {
		f.trim()
	}
}

// trim keeps the first ones. Equal ones are ordered by what they are, so that an answer
// does not depend on who was quicker.
func (f *finder) trim() {
	slices.SortFunc(f.best, func(a, b ranked) int {
		c := cmp.Compare(a.key, b.key)
		if f.o.Sort.Down {
			c = -c
		}
		if c == 0 {
			c = order(&a.Record.Record, &b.Record.Record)
		}
		return c
	})
	if n := f.o.Limit; n > 0 && len(f.best) >= n {
		clear(f.best[n:])
		f.best = f.best[:n]
		f.full, f.worst = true, f.best[n-1].key
	}
}

// order orders records by what is printed of them first.
func order(a, b *flow.Record) int {
	return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Received, b.Received), a.Src.Compare(b.Src), a.Dst.Compare(b.Dst),
		cmp.Compare(a.SrcPort, b.SrcPort), cmp.Compare(a.DstPort, b.DstPort), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Bytes, b.Bytes), a.Exporter.Compare(b.Exporter))
}

// finish hands on what was ranked.
func (f *finder) finish() error {
	if f.o.Sort == nil {
		return nil
	}
	f.trim()
	for i := range f.best {
		if err := f.each(&f.best[i].Found); err != nil {
			return err
		}
	}
	return nil
}
