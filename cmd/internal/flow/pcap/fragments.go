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
// payload and returns how many fragments that took; lost is how many others were
// given up.
func (f *fragments) join(p *packet.Packet, now time.Time) (whole bool, taken, lost uint64) {
	lost = f.expire(now)
	key := partialKey{p.Src, p.Dst, p.Fragment.ID, p.Fragment.Proto}
	q := f.find(key)
	if q == nil {
		if len(f.partials) >= maxPartials {
			lost += f.evict()
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
		return false, 0, lost
	}
	f.remove(q)
	if q.bad {
		return false, 0, lost + q.packets
	}
	data, cut := q.payload()
	f.buf = append(f.buf[:0], data...)
	proto := p.Fragment.Proto
	p.Fragment, p.Length, p.Missing = packet.Fragment{}, q.total, cut
	p.Transport(proto, f.buf)
	return true, q.packets, lost
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
		n += s.have
		if s.have < s.length {
			break
		}
	}
	return q.data[:n], q.total - n
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
	return n
}

// expire gives up packets that have waited too long, and returns their fragments.
func (f *fragments) expire(now time.Time) (lost uint64) {
	for len(f.partials) > 0 && now.Sub(f.partials[0].since) > holdFor {
		lost += f.remove(f.partials[0])
	}
	return lost
}

// evict gives up the oldest packet of the sender that has the most.
func (f *fragments) evict() (lost uint64) {
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
	return f.remove(oldest)
}

func (f *fragments) remove(q *partial) (packets uint64) {
	for i := range f.partials {
		if f.partials[i] == q {
			f.partials = slices.Delete(f.partials, i, i+1)
			break
		}
	}
	f.spare = q
	return q.packets
}
