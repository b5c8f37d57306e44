package query

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/nearest"
)

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

// ranked is a record with its place in the order.
type ranked struct {
	key int64
	Found
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

// byStart orders parts by when their records began: those with what comes first are searched
// first, so that the later ones are only counted.
func (s *Sort) byStart(parts []Part) {
	slices.SortStableFunc(parts, func(a, b Part) int {
		if s.Down {
			return cmp.Compare(b.Info.End, a.Info.End)
		}
		return cmp.Compare(a.Info.Start, b.Info.Start)
	})
}

// beyond reports whether all records of a part come after those that are wanted. It is called
// with mu.
func (f *finder) beyond(p *Part) bool {
	first := p.Info.Start
	if f.o.Sort.Down {
		first = p.Info.End
	}
	return f.full && f.o.Sort.Start && f.o.Sort.after(floorMillis(first), f.worst)
}

// rank keeps what comes first in the order. Only rows that can be among those are read
// whole.
func (f *finder) rank(b *buffer, g *group, rows []int32, found [2][]int32) error {
	count := uint64(len(found[0]) + len(found[1]))
	if f.o.Biflow {
		count = uint64(len(rows))
	}
	f.mu.Lock()
	f.records += count
	full, worst, beyond := f.full, f.worst, f.beyond(&f.scan.parts[g.part])
	f.mu.Unlock()
	if beyond {
		return nil
	}
	wanted := rows
	if full && !f.o.Biflow {
		var lists [2][]int32
		for w := range found {
			keys := f.o.Sort.keys(g, way(w), found[w])
			for i, row := range found[w] {
				if !f.o.Sort.after(keys[i], worst) {
					lists[w] = append(lists[w], row)
				}
			}
		}
		wanted = union(lists[0], lists[1], g.list())
	}
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
