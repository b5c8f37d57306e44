package intel

import (
	"cmp"
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
	chunkRows   = 4096
)

// Builder collects the indicators of one feed's load. Not safe for concurrent use.
type Builder struct {
	feed      string
	aggregate bool
	asOf      int64

	// Rows grow in chunks: one slice that doubles would leave behind as
	// garbage several times what it keeps.
	chunks [][]row

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
	ip, bits := i.Prefix.Addr(), i.Prefix.Bits()
	if ip.Is4In6() && bits >= 96 {
		ip, bits = ip.Unmap(), bits-96
	}
	if bits < ip.BitLen() {
		ip = netip.PrefixFrom(ip, bits).Masked().Addr()
	}
	hi, lo, more := halves(ip)
	last := len(b.chunks) - 1
	if last < 0 || len(b.chunks[last]) == chunkRows {
		b.chunks = append(b.chunks, make([]row, 0, chunkRows))
		last++
	}
	n := len(b.chunks[last])
	chunk := b.chunks[last][:n+1]
	b.chunks[last], chunk[n].hi, chunk[n].lo = chunk, hi, lo
	b.state(&chunk[n].fact, i, bits+more)
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
	out.rows = sortedRows(b.chunks)
	*b = Builder{feed: b.feed}

	out.rows = slices.Compact(out.rows)
	out.rows, out.crowded = thin(out.rows)
	if cap(out.rows) > len(out.rows)+len(out.rows)/4 {
		out.rows = slices.Clone(out.rows)
	}
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

// sortedRows returns rows in order. Those on IPv4 are put where their first 16 bits say,
// and sorted there: of 100,000 that takes a fifth of the time of sorting them all.
func sortedRows(chunks [][]row) []row {
	var from [1<<16 + 2]int32 // of each 16 bits, and of IPv6 behind them
	bucket := func(r *row) int {
		if is4(r.hi, r.lo) {
			return int(uint32(r.lo) >> 16)
		}
		return 1 << 16
	}
	n := 0
	for _, chunk := range chunks {
		n += len(chunk)
		for i := range chunk {
			from[bucket(&chunk[i])+1]++
		}
	}
	for i := 1; i < len(from); i++ {
		from[i] += from[i-1]
	}
	rows := make([]row, n)
	for _, chunk := range chunks {
		for i := range chunk {
			next := &from[bucket(&chunk[i])] // in the end where the next bucket begins
			rows[*next] = chunk[i]
			*next++
		}
	}
	begin := int32(0)
	for _, end := range from[:1<<16+1] {
		sortBucket(rows[begin:end])
		begin = end
	}
	if at := from[1<<16-1]; at > 0 && int(at) < n && compareRows(rows[at-1], rows[at]) > 0 { // one below ::ffff:0:0
		slices.SortFunc(rows, compareRows)
	}
	return rows
}

// sortBucket sorts rows that are all on IPv4, or all on IPv6: few on IPv4 by insertion.
func sortBucket(rows []row) {
	if len(rows) > 12 || len(rows) > 0 && !is4(rows[0].hi, rows[0].lo) {
		slices.SortFunc(rows, compareRows)
		return
	}
	for i := 1; i < len(rows); i++ {
		for j := i; j > 0 && (rows[j].lo < rows[j-1].lo || rows[j].lo == rows[j-1].lo && compareRows(rows[j], rows[j-1]) < 0); j-- {
			rows[j], rows[j-1] = rows[j-1], rows[j]
		}
	}
}

func compareRows(x, y row) int {
	if c := cmp.Compare(x.hi, y.hi); c != 0 {
		return c
	}
	if c := cmp.Compare(x.lo, y.lo); c != 0 {
		return c
	}
	if c := cmp.Compare(x.bits, y.bits); c != 0 {
		return c
	}
	return compareFacts(&x.fact, &y.fact)
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
	for i := range b.rows {
		if b.wasOver(&b.rows[i].fact) {
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

// thin drops, in place, all but the best maxReasons rows of one prefix.
func thin(rows []row) (kept []row, dropped int) {
	kept = rows[:0]
	run := 0
	for i, r := range rows {
		if i > 0 && r.hi == rows[i-1].hi && r.lo == rows[i-1].lo && r.bits == rows[i-1].bits {
			run++
		} else {
			run = 0
		}
		if run < maxReasons {
			kept = append(kept, r)
		}
	}
	return kept, len(rows) - len(kept)
}

// measure counts the single IPv4 addresses and finds the prefix lengths that occur.
func (b *Block) measure() {
	var seen4, seen6 [129]bool
	for i := range b.rows {
		if r := &b.rows[i]; is4(r.hi, r.lo) {
			seen4[r.bits] = true
			if r.bits == 128 {
				b.hosts++
			}
		} else {
			seen6[r.bits] = true
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
