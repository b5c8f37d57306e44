package query

import (
	"cmp"
	"container/heap"
	"math"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Join puts the pieces of long conversations together: exporters end a flow at their
// active timeout, so that a conversation of an hour comes in sixty records, and stands in
// as many rows. Pieces are of one conversation when the same exporter told them of the
// same addresses, ports and protocol, either way round and as seen outside of NAT, and no
// more than Gap lies between them. Their counters add up.
type Join struct {
	Gap time.Duration
	// Most is how many conversations may wait for further pieces at once; 0: 50,000, some
	// 40 MB. What is beyond is handed on early.
	Most int
	// Early is set to how many were: they may be cut in two.
	Early uint64
}

const mostWaiting = 50_000

// joiner collects pieces until no further ones can come.
type joiner struct {
	o     *Join
	give  func(*Conversation) error
	byKey map[joinKey]*waiting
	order endings
}

// joinKey is what the pieces of a conversation share: both ends, the lower one first.
type joinKey struct {
	exporter, a, b flow.Addr
	domain         uint32
	sampling       uint32
	portA, portB   uint16
	icmp           uint16
	proto          uint8
}

// waiting is a conversation that waits for further pieces.
type waiting struct {
	Conversation
	key   joinKey
	end   int64 // of its last piece
	place int   // in the order of ends
	next  *waiting
}

func newJoiner(o *Join, give func(*Conversation) error) *joiner {
	if o.Most == 0 {
		o.Most = mostWaiting
	}
	return &joiner{o: o, give: give, byKey: map[joinKey]*waiting{}}
}

// keyOf returns the key of a record, and whether its source stands second in it.
func keyOf(r *Record) (k joinKey, turned bool) {
	k = joinKey{exporter: r.Exporter, domain: r.Domain, sampling: r.Sampling, a: r.Src, b: r.Dst, portA: r.SrcPort, portB: r.DstPort, proto: r.Proto}
	if r.NATSrc != (flow.Addr{}) {
		k.a, k.portA = r.NATSrc, cmp.Or(r.NATSrcPort, r.SrcPort)
	}
	if r.NATDst != (flow.Addr{}) {
		k.b, k.portB = r.NATDst, cmp.Or(r.NATDstPort, r.DstPort)
	}
	if flow.IsICMP(r.Proto) { // its ports are none, and a reply is of another type
		k.portA, k.portB = 0, 0
		if !isEcho(r) {
			k.icmp = uint16(r.ICMPType)<<8 | uint16(r.ICMPCode)
		}
	}
	c := k.a.Compare(k.b)
	if c > 0 || c == 0 && k.portA > k.portB {
		k.a, k.b, k.portA, k.portB, turned = k.b, k.a, k.portB, k.portA, true
	}
	return k, turned
}

func isEcho(r *Record) bool {
	if r.Proto == icmp4 {
		return r.ICMPType == echo4 || r.ICMPType == 0
	}
	return r.ICMPType == echo6 || r.ICMPType == 129
}

// add takes a piece.
func (j *joiner) add(c *Conversation) error {
	key, _ := keyOf(&c.Record)
	w := &waiting{Conversation: *c, key: key, end: c.last()}
	gap := int64(j.o.Gap)
	// All that it adjoins become one with it: a piece may close the gap between two.
	for at := j.byKey[key]; at != nil; {
		next := at.next
		if before(w.Begin(), at.end, gap) && before(at.first(), w.end, gap) {
			j.remove(at)
			w.join(at)
		}
		at = next
	}
	w.next = j.byKey[key]
	j.byKey[key] = w
	heap.Push(&j.order, w)
	if len(j.order) <= j.o.Most {
		return nil
	}
	j.o.Early++
	return j.hand(j.order[0])
}

// before reports whether a time lies before another one or at most gap after it.
func before(at, end, gap int64) bool { return at <= end || at-end <= gap }

// first and last return when a conversation began and ended.
func (c *Conversation) first() int64 {
	if c.Answered {
		return min(c.Begin(), c.Answer.Begin())
	}
	return c.Begin()
}

func (c *Conversation) last() int64 {
	end := max(c.Begin(), c.End)
	if c.Answered {
		end = max(end, c.Answer.Begin(), c.Answer.End)
	}
	return end
}

// join adds another piece, which is later or earlier. The conversation has the direction
// of its first piece.
func (w *waiting) join(o *waiting) {
	if o.first() < w.first() {
		w.Conversation, o.Conversation = o.Conversation, w.Conversation
	}
	_, turned := keyOf(&w.Record)
	_, otherTurned := keyOf(&o.Record)
	if turned == otherTurned {
		w.Record.join(&o.Record)
		if o.Answered {
			w.answer(&o.Answer)
		}
	} else {
		w.answer(&o.Record)
		if o.Answered {
			w.Record.join(&o.Answer)
		}
	}
	w.end = w.last()
}

// answer adds a record of the opposite direction.
func (w *waiting) answer(r *Record) {
	if !w.Answered {
		w.Answered, w.Answer = true, *r
		return
	}
	w.Answer.join(r)
}

// join adds the counters of another record of the same direction.
func (r *Record) join(o *Record) {
	if r.Start == 0 || o.Start != 0 && o.Start < r.Start {
		r.Start = o.Start
	}
	r.End, r.Received = max(r.End, o.End), max(r.Received, o.Received)
	r.Bytes, r.Packets = flow.Sum(r.Bytes, o.Bytes), flow.Sum(r.Packets, o.Packets)
	r.RevBytes, r.RevPackets = flow.Sum(r.RevBytes, o.RevBytes), flow.Sum(r.RevPackets, o.RevPackets)
	r.TCPFlags |= o.TCPFlags
	r.RevTCPFlags |= o.RevTCPFlags
	r.Has |= o.Has
}

// remove takes a conversation out of those that wait.
func (j *joiner) remove(w *waiting) {
	heap.Remove(&j.order, w.place)
	at := j.byKey[w.key]
	if at == w {
		if w.next == nil {
			delete(j.byKey, w.key)
		} else {
			j.byKey[w.key] = w.next
		}
		return
	}
	for at.next != w {
		at = at.next
	}
	at.next = w.next
}

func (j *joiner) hand(w *waiting) error {
	j.remove(w)
	return j.give(&w.Conversation)
}

// from hands on what no piece that begins at a time or later continues, in the order of
// the ends.
func (j *joiner) from(start int64) error {
	for len(j.order) > 0 && !before(start, j.order[0].end, int64(j.o.Gap)) {
		if err := j.hand(j.order[0]); err != nil {
			return err
		}
	}
	return nil
}

// finish hands on all that still waits.
func (j *joiner) finish() error { return j.from(math.MaxInt64) }

// endings is a heap of conversations by when they ended.
type endings []*waiting

func (e endings) Len() int { return len(e) }

func (e endings) Less(a, b int) bool {
	return e[a].end < e[b].end || e[a].end == e[b].end && e[a].key.compare(&e[b].key) < 0
}

func (e endings) Swap(a, b int) {
	e[a], e[b] = e[b], e[a]
	e[a].place, e[b].place = a, b
}

// Push is part of heap.Interface.
func (e *endings) Push(x any) {
	w, _ := x.(*waiting)
	w.place = len(*e)
	*e = append(*e, w)
}

// Pop is part of heap.Interface.
func (e *endings) Pop() any {
	n := len(*e) - 1
	w := (*e)[n]
	(*e)[n] = nil
	*e = (*e)[:n]
	return w
}

// compare orders keys, so that an answer is always the same.
func (k *joinKey) compare(o *joinKey) int {
	return cmp.Or(k.a.Compare(o.a), k.b.Compare(o.b), cmp.Compare(k.portA, o.portA), cmp.Compare(k.portB, o.portB), cmp.Compare(k.proto, o.proto), k.exporter.Compare(o.exporter),
		cmp.Compare(k.domain, o.domain), cmp.Compare(k.sampling, o.sampling), cmp.Compare(k.icmp, o.icmp))
}
