package intel

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// What a block keeps at most, so that no feed can fill the memory with text or
// make one address cost thousands of reasons.
const (
	maxReasons  = 64        // indicators of one feed on one prefix
	maxNoteText = 16 << 20  // bytes of distinct references, names and tags
	maxNameText = 256 << 20 // bytes of domains and URLs
	maxURL      = 2048      // bytes of one URL
	maxDomain   = 253       // bytes of one domain, RFC 1035
)

// Builder collects the indicators of one feed's load. Not safe for concurrent use.
type Builder struct {
	feed      string
	aggregate bool
	asOf      int64

	rows4 chunks[row4]
	rows6 chunks[row6]
	facts chunks[fact]
	// recent has, by what is said, the index in facts of what was, and 1: neighbours
	// mostly say the same.
	recent [256]uint32

	names []nameRow
	text  strings.Builder

	notes     []note
	noteIndex map[note]uint32
	strings   map[string]string
	noteText  int
	unnamed   int
}

// NewBuilder returns an empty Builder for the feed of that name.
func NewBuilder(feed string) *Builder {
	return &Builder{feed: feed, noteIndex: make(map[note]uint32), strings: make(map[string]string)}
}

// Aggregate says that the feed gathers other feeds, so that it adds nothing to what
// they say themselves.
func (b *Builder) Aggregate() { b.aggregate = true }

// AsOf sets the time of the load: what is over by then is kept for people to look
// up, and can match no more. Without it everything can, as is wanted for captures
// of the past.
func (b *Builder) AsOf(now time.Time) { b.asOf = now.Unix() }

// Add takes a copy of an indicator, whose Feed is the builder's. A prefix is
// masked and, when v4-mapped, unmapped; a domain is taken in lower case. Add
// returns false for what cannot be kept: no prefix, domain or URL with a host,
// or text beyond the builder's bounds. It rejects no address for what it is:
// that is the feed's business.
func (b *Builder) Add(i *Indicator) bool {
	switch {
	case i.Prefix.IsValid():
		b.addPrefix(i)
		return true
	case i.Domain != "":
		return b.addName(strings.ToLower(strings.TrimSuffix(i.Domain, ".")), "", i)
	default:
		u, ok := SplitURL(i.URL)
		return ok && len(i.URL) <= maxURL && b.addName(u.Host, i.URL, i)
	}
}

func (b *Builder) addPrefix(i *Indicator) {
	var f fact
	b.state(&f, i, 0)
	b.add(i.Prefix, func(bits uint8) uint32 { f.bits = bits; return b.fact(&f) })
}

// Alike returns what Add does with i on one network after the other, in less time.
func (b *Builder) Alike(i *Indicator) func(netip.Prefix) {
	like, f, known := *i, fact{}, false
	var facts [129]uint32 // by bits, the index of what is said, and 1
	factOf := func(bits uint8) uint32 {
		if !known { // not before: notes stand in the order in which they come
			before := b.unnamed
			b.state(&f, &like, 0)
			known = before == b.unnamed // which is counted each time
			facts = [129]uint32{}
		}
		if facts[bits] == 0 {
			f.bits = bits
			facts[bits] = b.fact(&f) + 1
		}
		return facts[bits] - 1
	}
	return func(network netip.Prefix) { b.add(network, factOf) }
}

// add adds a row on a network, of which factOf has what is said by its length.
func (b *Builder) add(network netip.Prefix, factOf func(bits uint8) uint32) {
	ip, bits := network.Addr(), network.Bits()
	if ip.Is4In6() && bits >= 96 {
		ip, bits = ip.Unmap(), bits-96
	}
	if ip.Is4() {
		four := ip.As4()
		first := binary.BigEndian.Uint32(four[:]) &^ uint32(1<<(32-bits)-1)
		b.rows4.add(packRow4(first, factOf(uint8(bits+96))))
		return
	}
	hi, lo, _ := halves(ip)
	hi, lo = mask(hi, lo, uint8(bits))
	b.rows6.add(row6{hi, lo, factOf(uint8(bits))})
}

// fact returns the index of what is said of an indicator.
func (b *Builder) fact(f *fact) uint32 {
	h := (uint64(f.note)<<32 | uint64(f.first)) * 0x9e3779b97f4a7c15
	h = (h ^ uint64(f.last)<<32 ^ uint64(f.expires)) * 0xd6e8feb86659fd93
	h = (h ^ h>>32 ^ uint64(f.port)<<16 ^ uint64(f.bits)<<8 ^ uint64(f.score)) * 0x9e3779b97f4a7c15
	at := &b.recent[h>>56]
	if *at == 0 || *b.facts.at(*at - 1) != *f {
		b.facts.add(*f)
		*at = uint32(b.facts.n)
	}
	return *at - 1
}

func (b *Builder) addName(host, url string, i *Indicator) bool {
	if host == "" || len(host) > maxDomain || b.text.Len()+len(host)+len(url) > maxNameText {
		return false
	}
	off := uint32(b.text.Len())
	b.text.WriteString(host)
	b.text.WriteString(url)
	n := nameRow{off: off, host: uint16(len(host)), url: uint16(len(url))}
	b.state(&n.fact, i, 0)
	b.names = append(b.names, n)
	return true
}

// state sets f to what i says.
func (b *Builder) state(f *fact, i *Indicator, bits int) {
	f.note = b.note(i)
	f.first, f.last, f.expires = packTime(i.FirstSeen), packTime(i.LastSeen), packTime(i.Expires)
	f.port, f.bits, f.score = i.Port, uint8(bits), min(i.Score, 100)
}

// note returns the index of i's note, which most often is that of the one before.
func (b *Builder) note(i *Indicator) uint32 {
	if last := len(b.notes) - 1; last >= 0 {
		if n := &b.notes[last]; n.category == i.Category && n.ref == i.Ref && n.name == i.Name && n.tags == i.Tags {
			return uint32(last)
		}
	}
	return b.noted(note{i.Category, i.Ref, i.Name, i.Tags})
}

// noted returns the index of n, which is stored when it is new. Beyond the bound
// on text only the category is kept.
func (b *Builder) noted(n note) uint32 {
	if at, ok := b.noteIndex[n]; ok {
		return at
	}
	if b.noteText > maxNoteText {
		bare := note{category: n.category}
		if n != bare {
			b.unnamed++
			return b.noted(bare)
		}
	}
	n.ref, n.name, n.tags = b.intern(n.ref), b.intern(n.name), b.intern(n.tags)
	b.noteText += 64 // the note itself
	at := uint32(len(b.notes))
	b.notes = append(b.notes, n)
	b.noteIndex[n] = at
	return at
}

// intern returns one copy of s, which does not keep alive what s was cut from.
func (b *Builder) intern(s string) string {
	if kept, ok := b.strings[s]; ok {
		return kept
	}
	s = strings.Clone(s)
	b.strings[s] = s
	b.noteText += len(s)
	return s
}

// Block packs what was added, each distinct row once. The Builder is spent.
func (b *Builder) Block() *Block {
	out := &Block{feed: b.feed, aggregate: b.aggregate, asOf: b.asOf, notes: b.notes, names: b.names, text: b.text.String(), unnamed: b.unnamed}
	out.facts = slices.Concat(b.facts.full...)
	rows4, rows6 := sorted4(b.rows4), sorted6(b.rows6)
	*b = Builder{feed: b.feed}

	var crowded4, crowded6 int
	out.rows4, crowded4 = distinct(rows4, func(x, y row4) bool { return x.ip() == y.ip() }, func(r row4) *fact { return &out.facts[r.fact()] })
	out.rows6, crowded6 = distinct(rows6, func(x, y row6) bool { return x.hi == y.hi && x.lo == y.lo }, func(r row6) *fact { return &out.facts[r.fact] })
	out.crowded = crowded4 + crowded6
	out.measure()

	slices.SortFunc(out.names, func(x, y nameRow) int {
		return cmp.Or(strings.Compare(out.host(&x), out.host(&y)), strings.Compare(out.url(&x), out.url(&y)), compareFacts(&x.fact, &y.fact))
	})
	out.names = slices.CompactFunc(out.names, func(x, y nameRow) bool {
		return x.fact == y.fact && out.host(&x) == out.host(&y) && out.url(&x) == out.url(&y)
	})
	out.countOver()
	return out
}

// compareFacts is a total order, best first, so that equal rows meet.
func compareFacts(x, y *fact) int {
	return cmp.Or(
		cmp.Compare(y.score, x.score), cmp.Compare(y.last, x.last), cmp.Compare(x.note, y.note),
		cmp.Compare(x.port, y.port), cmp.Compare(x.first, y.first), cmp.Compare(x.expires, y.expires),
	)
}

// countOver counts what was over when the block was loaded.
func (b *Block) countOver() {
	if b.asOf == 0 {
		return
	}
	for i := range b.numRows() {
		if b.wasOver(b.row(i).fact) {
			b.over++
		}
	}
	for i := range b.names {
		if b.wasOver(&b.names[i].fact) {
			b.over++
		}
	}
}

// wasOver reports whether an indicator was over when the block was loaded.
func (b *Block) wasOver(f *fact) bool {
	return b.asOf != 0 && (f.last != 0 || f.expires != 0) && b.standing(f, b.asOf).over
}

// measure counts the single IPv4 addresses and what lies below IPv4, and finds the prefix
// lengths that occur.
func (b *Block) measure() {
	var seen4, seen6 [129]bool
	for _, r := range b.rows4 {
		bits := b.facts[r.fact()].bits
		seen4[bits] = true
		if bits == 128 {
			b.hosts++
		}
	}
	for i := range b.rows6 {
		r := &b.rows6[i]
		seen6[b.facts[r.fact].bits] = true
		if r.hi == 0 && r.lo < mapped4 {
			b.below4++
		}
	}
	for bits := 128; bits >= 0; bits-- {
		if seen4[bits] {
			b.bits4 = append(b.bits4, uint8(bits))
		}
		if seen6[bits] {
			b.bits6 = append(b.bits6, uint8(bits))
		}
	}
}
