package intel

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// Set answers which indicators cover an address. It is immutable and safe for
// concurrent use; a new one is built beside it and swapped in. A nil *Set is
// empty and matches nothing.
type Set struct {
	blocks []*Block
	allow  *Allow
	spared bool       // allow touches a network or an address of the blocks
	sizes  []FeedSize // of blocks
	labels *Labels    // nil: none

	preparing sync.Once
	tables    atomic.Pointer[tables] // nil until Contains or Prepare
}

// NewSet builds a Set of the blocks, whose order ranks the feeds when scores and
// prefix lengths tie. Nil blocks are skipped.
func NewSet(blocks ...*Block) *Set { return NewSetExcept(nil, blocks...) }

// NewSetExcept builds a Set of what the blocks hold and allow does not. An
// indicator that it covers wholly is left out, so that a resolver in some feed
// costs the flows to it nothing; of a network that it covers in part, the rest
// matches. It wins over every feed and score.
func NewSetExcept(allow *Allow, blocks ...*Block) *Set {
	s := &Set{allow: allow}
	if allow.Len() == 0 {
		s.allow = nil
	}
	for _, b := range blocks {
		if b == nil {
			continue
		}
		s.blocks = append(s.blocks, b)
		size := FeedSize{Feed: b.feed, Indicators: b.Len() - b.over, Expired: b.over}
		s.countAllowed(b, &size)
		s.sizes = append(s.sizes, size)
	}
	return s
}

// Union returns a Set of what several have that leave nothing out; those that come first
// rank first.
func Union(sets ...*Set) *Set {
	if len(sets) == 1 {
		return sets[0]
	}
	var blocks []*Block
	for _, s := range sets {
		blocks = append(blocks, s.blocks...)
	}
	return NewSet(blocks...)
}

// Named gives all feeds of a Set another name, and takes its labels away: what somebody
// names is wanted as it stands. It is for a Set that nobody else has yet.
func (s *Set) Named(feed string) {
	s.labels = nil
	for i, b := range s.blocks {
		b.feed, s.sizes[i].Feed = feed, feed
	}
}

// countAllowed notes what of b is never returned.
func (s *Set) countAllowed(b *Block, size *FeedSize) {
	if s.allow == nil {
		return
	}
	for i := range b.numRows() {
		r := b.row(i)
		if !s.allow.touchesRow(r) {
			continue
		}
		s.spared = true
		if e, ok := s.allow.Network(r.prefix()); ok && !b.wasOver(r.fact) {
			size.leaveOut(e)
		}
	}
	for i := range b.names {
		if b.wasOver(&b.names[i].fact) {
			continue
		}
		if e, ok := s.allow.Host(b.host(&b.names[i])); ok {
			size.leaveOut(e)
		}
	}
}

// Allow returns what the Set leaves out, nil when that is nothing.
func (s *Set) Allow() *Allow {
	if s == nil {
		return nil
	}
	return s.allow
}

// Contains reports whether any indicator that had not expired when its feed was
// loaded covers the address, given v4-mapped as its big-endian halves (the fields of flow.Addr), and it is
// not allowed. "::" and "0.0.0.0" are never covered. It does not allocate: 9 ns
// for an address at 100k indicators and 15 ns at 1M with realistic traffic
// (BenchmarkContains).
func (s *Set) Contains(hi, lo uint64) bool {
	if s == nil {
		return false
	}
	t := s.tables.Load()
	if t == nil {
		t = s.prepare()
	}
	if is4(hi, lo) {
		v4 := uint32(lo)
		if !t.front4.has4(v4) || v4 == 0 {
			return false
		}
		ip := netip.AddrFrom4([4]byte{byte(v4 >> 24), byte(v4 >> 16), byte(v4 >> 8), byte(v4)})
		return (t.hosts.has(v4) || t.table.Contains(ip)) && !s.allow.contains(ip)
	}
	if !t.front6.has6(hi) || hi|lo == 0 {
		return false
	}
	ip := addr(hi, lo)
	return t.table.Contains(ip) && !s.allow.contains(ip)
}

// Len returns the number of indicators, those of names included, and neither those
// that had expired when their feed was loaded nor allowed ones.
func (s *Set) Len() int {
	n := 0
	for _, f := range s.Feeds() {
		n += f.Indicators
	}
	return n
}

// FeedSize says how many indicators a feed gave.
type FeedSize struct {
	Feed       string
	Indicators int // without Expired and Allowed
	Expired    int // see Block.Expired
	// Allowed is how many were left out because an allow list covers them, and
	// AllowedBy the first entry that did.
	Allowed   int
	AllowedBy AllowEntry
}

func (f *FeedSize) leaveOut(e AllowEntry) {
	if f.Allowed == 0 {
		f.AllowedBy = e
	}
	f.Allowed++
	f.Indicators--
}

// Feeds returns the size of each block, in their order.
func (s *Set) Feeds() []FeedSize {
	if s == nil {
		return nil
	}
	return slices.Clone(s.sizes)
}
