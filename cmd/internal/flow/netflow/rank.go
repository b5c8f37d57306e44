package netflow

import "time"

// Anyone can send datagrams from any address, so a table that drops its oldest entry
// for each newcomer can be emptied by whoever forges addresses. Here entries have a
// rank by what they have shown, and a newcomer takes the place of the least.

// standing says what an exporter has shown of itself.
type standing uint8

const (
	unproven  standing = iota // nothing: no record of its could be read
	useful                    // its records could be read
	returning                 // it came back in another second
	steady                    // for several seconds
	proven                    // for a minute, or it is named in the configuration
	numRanks  = iota
)

// When an exporter reaches a rank. Its records must have been read in four different
// seconds at least, which one burst of forged datagrams cannot do.
const (
	steadyAfter = int64(5 * time.Second)
	provenAfter = int64(time.Minute)
	provenTicks = 4
)

// idle is for how long, in nanoseconds, an entry keeps its place against a newcomer
// after it was last useful. Among those that are not idle, who came first stays.
type idle [numRanks]int64

// decoderIdle is for exporters that send: the small ones report once in some minutes.
var decoderIdle = idle{
	int64(30 * time.Second), int64(2 * time.Minute), int64(5 * time.Minute), int64(10 * time.Minute), int64(time.Hour),
}

// ranked is a bounded map by rank. All operations take constant time, because what
// forged datagrams bring is bounded by dropping.
type ranked[K comparable, V any] struct {
	idle    idle
	entries map[K]*seat[K, V]
	rows    [numRanks]row[K, V]
}

// seat is an entry of a ranked.
type seat[K comparable, V any] struct {
	key        K
	value      V
	rank       standing
	at         int64 // when it was last useful, or came, Unix ns
	prev, next *seat[K, V]
}

// row holds the entries of a rank in the order in which they reached it, in a ring.
type row[K comparable, V any] struct {
	first *seat[K, V] // its prev is the last that came
	hand  *seat[K, V] // where the search for idle ones goes on
	n     int
}

func (r *ranked[K, V]) len() int { return len(r.entries) }

func (r *ranked[K, V]) get(key K) (*seat[K, V], bool) {
	p, ok := r.entries[key]
	return p, ok
}

// put adds an entry whose key is not there.
func (r *ranked[K, V]) put(key K, value V, rank standing, now int64) *seat[K, V] {
	if r.entries == nil {
		r.entries = make(map[K]*seat[K, V])
	}
	p := &seat[K, V]{key: key, value: value, rank: rank, at: now}
	r.entries[key] = p
	r.rows[rank].link(p)
	return p
}

func (r *ranked[K, V]) remove(p *seat[K, V]) {
	r.rows[p.rank].unlink(p)
	delete(r.entries, p.key)
}

// raise gives an entry a higher rank.
func (r *ranked[K, V]) raise(p *seat[K, V], to standing) {
	r.rows[p.rank].unlink(p)
	p.rank = to
	r.rows[to].link(p)
}

// least returns the entry that is to go next, nil when there is none: of the lowest
// rank one that is idle, else the one that came last.
func (r *ranked[K, V]) least(now int64) *seat[K, V] {
	for rank := range r.rows {
		if r.rows[rank].n > 0 {
			return r.leastOf(&r.rows[rank], r.idle[rank], now)
		}
	}
	return nil
}

func (r *ranked[K, V]) leastOf(row *row[K, V], idle, now int64) *seat[K, V] {
	if p := row.idle(idle, now); p != nil {
		return p
	}
	return row.first.prev
}

// full reports whether the rank from on holds so many entries that one more would be
// too many, unless an idle one makes room for it: that one is returned.
func (r *ranked[K, V]) full(from standing, most int, now int64) (idle *seat[K, V], full bool) {
	n := 0
	for rank := from; rank < numRanks; rank++ {
		n += r.rows[rank].n
	}
	if n < most {
		return nil, false
	}
	for rank := from; rank < numRanks; rank++ {
		if r.rows[rank].n > 0 {
			if p := r.rows[rank].idle(r.idle[rank], now); p != nil {
				return p, true
			}
		}
	}
	return nil, true
}

// all is an iterator for range, the lowest rank and the last that came first; the
// entry in hand may be removed.
func (r *ranked[K, V]) all(yield func(*seat[K, V]) bool) {
	for rank := range r.rows {
		row := &r.rows[rank]
		if row.n == 0 {
			continue
		}
		p := row.first.prev
		for range row.n {
			prev := p.prev
			if !yield(p) {
				return
			}
			p = prev
		}
	}
}

// idle looks for an entry that was last useful longer than d ago, or after now, as
// when a clock was set back. It goes on where it was and looks at a few.
func (r *row[K, V]) idle(d, now int64) *seat[K, V] {
	for range min(r.n, 4) {
		p := r.hand
		r.hand = p.next
		if age := now - p.at; age > d || age < -d {
			return p
		}
	}
	return nil
}

// link adds an entry as the last that came.
func (r *row[K, V]) link(p *seat[K, V]) {
	r.n++
	if r.first == nil {
		r.first, r.hand = p, p
		p.prev, p.next = p, p
		return
	}
	p.prev, p.next = r.first.prev, r.first
	p.prev.next, p.next.prev = p, p
}

func (r *row[K, V]) unlink(p *seat[K, V]) {
	r.n--
	if r.n == 0 {
		r.first, r.hand = nil, nil
		return
	}
	if r.first == p {
		r.first = p.next
	}
	if r.hand == p {
		r.hand = p.next
	}
	p.prev.next, p.next.prev = p.next, p.prev
}
