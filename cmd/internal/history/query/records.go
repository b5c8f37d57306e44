package query

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/history/column"
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
	// Symmetric says that the filter accepts both directions of a conversation or none,
	// so that one is asked. It is for conversations (Biflow), whose times are then those of
	// the first direction.
	Symmetric bool
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
	parts := d.parts(&q)
	f := &finder{o: &o, q: &q, each: each, ended: func() error { return context.Cause(ctx) }, beside: make([]buffer, q.workers())}
	s := &scan{q: &q, parts: parts, symmetric: o.Biflow && o.Symmetric, visit: f.visit}
	f.scan = s
	if o.Join != nil {
		if err := f.join(ctx, d, parts); err != nil {
			return 0, err
		}
	}
	if o.Sort != nil && o.Sort.Start && o.Join == nil {
		o.Sort.byStart(parts)
		if o.Limit > 0 && q.Filter.All() {
			u := &unread{f: f, parts: parts}
			if err := u.count(d); err != nil {
				return 0, err
			}
			s.skip = u.skip
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
func (f *finder) pieces(b *buffer, g *group, rows []int32) error {
	if !f.scan.await(g.task) {
		return nil
	}
	if err := f.joiner.from(f.begins[g.part]); err != nil {
		return err
	}
	for some := range slices.Chunk(rows, chunk) {
		if err := f.ended(); err != nil {
			return err
		}
		b.rows, b.found = g.materialise(some, b.rows, b.found[:0], f.o.Only...)
		for i := range b.found {
			if err := f.joiner.add(&b.found[i]); err != nil {
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
	scan  *scan
	each  func(*Found) error
	ended func() error // why nobody waits for the answer any more: a row group can take a second

	mu      sync.Mutex
	records uint64
	beside  []buffer // of each worker
	spare   []*given
	joiner  *joiner
	begins  []int64  // when the first flow of each file and all later ones began
	best    []ranked // with Sort: the first ones, and as many again
	worst   int64    // with Sort: the key of the last of the first, once there are enough
	full    bool
	one     Found // that is handed on
}

// buffer is where a worker reads rows.
type buffer struct {
	rows []column.Row
	given
}

// given is what was found, and which directions of it.
type given struct {
	found    []Conversation
	accepted [][2]bool
}

// chunk is how many rows are read at once, and fewRows how many may wait until it is their turn.
const (
	chunk   = 4096
	fewRows = 1024
)

func (f *finder) enough() bool {
	return f.o.Sort == nil && f.o.Limit > 0 && f.records >= uint64(f.o.Limit)
}

// visit takes what was found in a row group. Where that is little, a worker reads it and goes
// on: in the order of the files it is handed on later.
func (f *finder) visit(worker int, g *group, found [2][]int32) error {
	rows, b := union(found[forward], found[reverse], g.list()), &f.beside[worker]
	switch {
	case f.joiner != nil:
		return f.pieces(b, g, rows)
	case f.o.Sort != nil:
		return f.rank(b, g, rows, found)
	case len(rows) <= fewRows:
		read := f.room()
		b.read(f.o, g, rows, &found, read)
		f.scan.handOn(g.task, func() error { defer f.keep(read); return f.giveAll(read) })
		return nil
	case !f.scan.await(g.task):
		return nil
	}
	for some := range slices.Chunk(rows, chunk) {
		if err := f.ended(); err != nil {
			return err
		}
		b.read(f.o, g, some, &found, &b.given)
		if err := f.giveAll(&b.given); err != nil {
			return err
		}
	}
	return nil
}

// read reads rows.
func (b *buffer) read(o *RecordOptions, g *group, rows []int32, found *[2][]int32, to *given) {
	b.rows, to.found = g.materialise(rows, b.rows, to.found[:0], o.Only...)
	to.accepted = to.accepted[:0]
	for _, row := range rows {
		to.accepted = append(to.accepted, accept(found, row))
	}
}

// room returns where records can wait.
func (f *finder) room() *given {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.spare); n > 0 {
		g := f.spare[n-1]
		f.spare = f.spare[:n-1]
		return g
	}
	return &given{}
}

func (f *finder) keep(g *given) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spare = append(f.spare, g)
}

// giveAll hands on what was found.
func (f *finder) giveAll(g *given) error {
	for i := range g.found {
		if err := f.give(&g.found[i], g.accepted[i]); err != nil {
			return err
		}
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
