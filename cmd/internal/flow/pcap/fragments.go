package pcap

import (
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/flow/packet"
)

// Bounds of the fragments that wait for others. A sender may keep many packets under
// way, a forger more: when there are too many, the sender with the most of them loses
// its oldest, so that nobody loses to another.
const (
	maxPartials = 64
	maxPartial  = 65535            // bytes of a packet
	maxPieces   = 128              // of one packet: 64 KiB over links of 576 bytes
	holdFor     = 30 * time.Second // RFC 791 wants 15 to 120, Linux takes 30
)

// fragments puts IP fragments together (RFC 791, RFC 8200). Where pieces overlap,
// the whole packet is dropped (RFC 5722): exporters send no such, forgers do.
type fragments struct {
	partials []*partial // oldest first
	given    []*partial // given up, the oldest first, for salvage
	spare    *partial   // for the next one
	buf      []byte     // of the packet that join returned last
}

type partialKey struct {
	src, dst flow.Addr
	id       uint32
	proto    uint8
}

// partial is a packet of which some pieces are there.
type partial struct {
	key     partialKey
	since   time.Time
	pieces  []piece // in order of their offset
	data    []byte
	total   int // bytes of the whole packet's payload; 0: the last piece is not there
	packets uint64
	bad     bool // pieces contradict each other
}

// piece is where a fragment lies in its packet. Of length bytes the first have are there.
type piece struct{ offset, length, have int }

// join takes a fragment. When it makes its packet whole, join gives p the packet's
// payload and returns how many fragments that took; lost is how many could not be
// used.
func (f *fragments) join(p *packet.Packet, now time.Time) (whole bool, taken, lost uint64) {
	f.expire(now)
	key := partialKey{p.Src, p.Dst, p.Fragment.ID, p.Fragment.Proto}
	q := f.find(key)
	if q == nil {
		if len(f.partials) >= maxPartials {
			f.evict()
		}
		if q = f.spare; q == nil {
			q = &partial{}
		}
		f.spare = nil
		*q = partial{key: key, since: now, pieces: q.pieces[:0], data: q.data[:0]}
		f.partials = append(f.partials, q)
	}
	q.packets++
	q.put(p)
	if !q.whole() {
		return false, 0, 0
	}
	f.remove(q)
	f.spare = q
	if q.bad {
		return false, 0, q.packets
	}
	f.fill(p, q)
	return true, q.packets, 0
}

// fill makes p what is there of a packet.
func (f *fragments) fill(p *packet.Packet, q *partial) {
	data, missing := q.payload()
	f.buf = append(f.buf[:0], data...)
	*p = packet.Packet{Src: q.key.src, Dst: q.key.dst, Length: q.total, Missing: missing}
	p.Transport(q.key.proto, f.buf)
}

// salvage makes p what is there of a packet that was given up: its first fragment and
// those that follow without a gap. A capture with a filter for a port holds no others,
// since only the first has ports. It is false when there is none.
func (f *fragments) salvage(p *packet.Packet) (since time.Time, taken uint64, ok bool) {
	if len(f.given) == 0 {
		return time.Time{}, 0, false
	}
	q := f.given[0]
	f.given = f.given[1:]
	f.fill(p, q)
	p.Missing = max(p.Missing, 1)
	f.spare = q
	return q.since, q.packets, true
}

// put adds a fragment.
func (q *partial) put(p *packet.Packet) {
	s := piece{p.Fragment.Offset, len(p.Fragment.Data) + p.Missing, len(p.Fragment.Data)}
	end := s.offset + s.length
	switch {
	case q.bad:
		return
	case s.length == 0 || end > maxPartial || len(q.pieces) == maxPieces,
		p.Fragment.More && s.length%8 != 0,
		!p.Fragment.More && q.total != 0 && q.total != end,
		q.total != 0 && end > q.total:
		q.bad = true
		return
	}
	at := len(q.pieces)
	for at > 0 && q.pieces[at-1].offset >= s.offset {
		at--
	}
	if at < len(q.pieces) && q.pieces[at] == s {
		return // the same again: captured on two interfaces, or sent twice
	}
	if at > 0 && q.pieces[at-1].offset+q.pieces[at-1].length > s.offset || at < len(q.pieces) && end > q.pieces[at].offset {
		q.bad = true
		return
	}
	if !p.Fragment.More {
		if n := len(q.pieces); n > at { // some lie behind the last
			q.bad = true
			return
		}
		q.total = end
	}
	q.pieces = slices.Insert(q.pieces, at, s)
	if need := s.offset + s.have; need > len(q.data) {
		q.data = append(q.data, make([]byte, need-len(q.data))...)
	}
	copy(q.data[s.offset:], p.Fragment.Data)
}

// whole reports whether nothing more can come: all pieces are there.
func (q *partial) whole() bool {
	if q.bad {
		return true
	}
	if q.total == 0 {
		return false
	}
	at := 0
	for _, s := range q.pieces {
		if s.offset != at {
			return false
		}
		at += s.length
	}
	return at == q.total
}

// payload returns what can be read: up to the first byte that the capture cut off,
// and how many bytes are missing from there on.
func (q *partial) payload() (b []byte, missing int) {
	n := 0
	for _, s := range q.pieces {
		if s.offset > n {
			break
		}
		n += s.have
		if s.have < s.length {
			break
		}
	}
	return q.data[:n], max(q.total-n, 0)
}

func (f *fragments) find(key partialKey) *partial {
	for i := len(f.partials) - 1; i >= 0; i-- { // mostly one of the newest
		if f.partials[i].key == key {
			return f.partials[i]
		}
	}
	return nil
}

// waiting is how many fragments are held.
func (f *fragments) waiting() (n uint64) {
	for _, q := range f.partials {
		n += q.packets
	}
	for _, q := range f.given {
		n += q.packets
	}
	return n
}

func (f *fragments) giveUp(q *partial) {
	f.remove(q)
	f.given = append(f.given, q)
}

// giveUpAll is for the end of the capture.
func (f *fragments) giveUpAll() {
	for len(f.partials) > 0 {
		f.giveUp(f.partials[0])
	}
}

// expire gives up packets that have waited too long.
func (f *fragments) expire(now time.Time) {
	for len(f.partials) > 0 && now.Sub(f.partials[0].since) > holdFor {
		f.giveUp(f.partials[0])
	}
}

// evict gives up the oldest packet of the sender that has the most.
func (f *fragments) evict() {
	oldest, most := f.partials[0], 0
	for i, q := range f.partials {
		n := 0
		for _, other := range f.partials[i:] {
			if other.key.src == q.key.src {
				n++
			}
		}
		if n > most { // so q is the sender's first
			oldest, most = q, n
		}
	}
	f.giveUp(oldest)
}

func (f *fragments) remove(q *partial) {
	i := slices.Index(f.partials, q)
	f.partials = slices.Delete(f.partials, i, i+1)
}
