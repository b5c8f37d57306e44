package throttle

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/regular"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// coder writes values to b, or, when reading, takes them from b into the same
// variables: the layout of the state is written down once. A value that cannot
// be read, or is out of range, sets bad, and everything after it reads as zero.
type coder struct {
	b       []byte
	reading bool
	bad     bool
}

// num codes v as a varint; reading, anything above limit is bad. Times and -1
// (hit.NoPort) travel as their two's complement, which limit -1 stands for.
func num[T ~int | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64](c *coder, v *T, limit uint64) {
	if !c.reading {
		c.b = binary.AppendUvarint(c.b, uint64(*v))
		return
	}
	u, n := binary.Uvarint(c.b)
	if c.bad || n <= 0 || u > limit || uint64(T(u)) != u {
		c.bad, *v = true, 0
		return
	}
	c.b = c.b[n:]
	*v = T(u)
}

const anyNum = ^uint64(0)

// count codes the length of a list, of which each element takes a byte at least:
// no length that lies can take more memory than the file has.
func (c *coder) count(n *int) {
	num(c, n, uint64(len(c.b)))
	if c.reading && *n > len(c.b) {
		c.bad, *n = true, 0
	}
}

func (c *coder) bool(v *bool) {
	var n uint8
	if *v {
		n = 1
	}
	num(c, &n, 1)
	*v = n == 1
}

func (c *coder) string(v *string) {
	n := len(*v)
	c.count(&n)
	if !c.reading {
		c.b = append(c.b, *v...)
		return
	}
	if c.bad {
		*v = ""
		return
	}
	*v, c.b = string(c.b[:n]), c.b[n:]
}

func (c *coder) addr(v *flow.Addr) {
	if !c.reading {
		c.b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(c.b, v.Hi), v.Lo)
		return
	}
	if c.bad || len(c.b) < 16 {
		c.bad, *v = true, flow.Addr{}
		return
	}
	*v, c.b = flow.AddrFrom16(c.b), c.b[16:]
}

// prefix codes a valid prefix, unmapped.
func (c *coder) prefix(v *netip.Prefix) {
	a, bits := flow.AddrFrom(v.Addr()), v.Bits()
	c.addr(&a)
	num(c, &bits, 128)
	if c.reading {
		*v = netip.PrefixFrom(a.IP(), bits)
		c.bad = c.bad || !v.IsValid()
	}
}

// time codes whole nanoseconds; the zero time stays zero.
func (c *coder) time(v *time.Time) {
	var ns int64
	if !v.IsZero() {
		ns = v.UnixNano()
	}
	num(c, &ns, anyNum)
	if c.reading {
		*v = time.Time{}
		if ns != 0 {
			*v = stamp(ns)
		}
	}
}

func (c *coder) severity(v *hit.Severity) { num(c, v, hit.NumSeverities-1) }

func (c *coder) category(v *intel.Category) { num(c, v, intel.NumCategories-1) }

// key codes a fold key; a key that could not have been made is bad.
func (c *coder) key(k *key) {
	num(c, &k.scope, uint64(numScopes-1))
	c.category(&k.category)
	num(c, &k.direction, uint64(len(directions)-1))
	num(c, &k.proto, 255)
	num(c, &k.bits, 128)
	c.port(&k.port)
	c.addr(&k.a)
	c.addr(&k.b)
}

func (c *coder) port(v *int32) {
	n := *v + 1
	num(c, &n, 1<<16)
	*v = n - 1
}

// entry codes what outlives a line; what is held follows in a snapshot only.
func (c *coder) entry(e *entry) {
	c.key(&e.key)
	num(c, &e.series, anyNum)
	num(c, &e.lines, anyNum)
	num(c, &e.created, anyNum)
	num(c, &e.end, anyNum)
	num(c, &e.window, anyNum>>1)
	c.severity(&e.said)
	num(c, &e.saidBytes, anyNum)
	for _, n := range []*int64{&e.saidAt, &e.localData, &e.remoteData} {
		num(c, n, anyNum)
	}
	num(c, &e.sent, anyNum)
	num(c, &e.received, anyNum)
	num(c, &e.group.category, intel.NumCategories-1)
	num(c, &e.group.direction, uint64(len(directions)-1))
	num(c, &e.group.bits, 128)
	num(c, &e.visits, 255)
	num(c, &e.usual, 1<<16-1)
	num(c, &e.kinds, 1<<4-1)
	for _, b := range []*bool{&e.group.inverse, &e.group.counted, &e.idle, &e.proven, &e.opened, &e.raised, &e.mustSay} {
		c.bool(b)
	}
	c.clock(&e.clock)
	if e.key.scope == scopePair && e.clock == nil || e.key.scope != scopePair && (e.clock != nil || e.group.counted) {
		c.bad = true
	}
}

// clock codes the regularity of a pair.
func (c *coder) clock(s **regular.State) {
	has := *s != nil
	c.bool(&has)
	if !has || c.bad {
		return
	}
	if c.reading {
		*s = new(regular.State)
	}
	x := *s
	for _, n := range []*uint32{&x.Start, &x.End, &x.Contacts, &x.Bytes, &x.By} {
		num(c, n, 1<<32-1)
	}
	num(c, &x.Port, 1<<16-1)
	num(c, &x.Gap, uint64(len(x.Gaps)))
	num(c, &x.Size, uint64(len(x.Sizes)))
	num(c, &x.Flags, 255)
	for i := range min(int(x.Contacts), len(x.Gaps)+1) - 1 {
		num(c, &x.Gaps[i], 1<<16-1)
	}
	for i := range min(int(x.Contacts), len(x.Sizes)+1) - 1 {
		num(c, &x.Sizes[i], 1<<16-1)
	}
}

func (c *coder) held(e *entry) {
	holds := e.held != nil
	c.bool(&holds)
	if !holds {
		return
	}
	if c.reading {
		e.held = new(held)
	}
	h := e.held
	c.shown(&h.shown)
	c.severity(&h.severity)
	num(c, &h.state, uint64(len(states)-1))
	for _, n := range []*uint64{&h.count, &h.duplicates, &h.told, &h.srcBytes, &h.srcPackets, &h.dstBytes, &h.dstPackets} {
		num(c, n, anyNum)
	}
	for _, n := range []*int64{&h.start, &h.end, &h.first, &h.last} {
		num(c, n, anyNum)
	}
	for _, n := range []*int32{&h.clientPort, &h.servicePort, &h.icmpType, &h.icmpCode} {
		c.port(n)
	}
	c.shares(&h.exporters)
	if e.key.scope == scopePair {
		return
	}
	if c.reading {
		h.behind = new(behind)
	}
	c.addrSet(&h.behind.sources)
	c.addrSet(&h.behind.targets)
}

func (c *coder) shares(v *[]share) {
	n := len(*v)
	num(c, &n, maxShares)
	for i := 0; i < n && !c.bad; i++ {
		if c.reading {
			*v = append(*v, share{})
		}
		s := &(*v)[i]
		c.addr(&s.exporter)
		num(c, &s.count, anyNum)
		num(c, &s.bytes, anyNum)
	}
}

// shown codes what a line shows of an event.
func (c *coder) shown(s *shown) {
	for _, a := range []*flow.Addr{&s.local, &s.remote, &s.natLocal, &s.natRemote, &s.exporter} {
		c.addr(a)
	}
	c.bool(&s.matchedNAT)
	c.bool(&s.dnsbl)
	c.bool(&s.localOpened)
	num(c, &s.proto, 255)
	num(c, &s.domain, anyNum)
	num(c, &s.sampling, anyNum)
	num(c, &s.localAS, anyNum)
	num(c, &s.remoteAS, anyNum)
	num(c, &s.direction, uint64(len(directions)-1))
	c.indicators(&s.indicators)
	c.indicators(&s.others)
	c.bad = c.bad || c.reading && len(s.indicators) == 0
}

func (c *coder) indicators(v *[]intel.Indicator) {
	n := len(*v)
	c.count(&n)
	for i := range n {
		if c.reading {
			*v = append(*v, intel.Indicator{})
		}
		c.indicator(&(*v)[i])
		if c.bad {
			return
		}
	}
}

func (c *coder) indicator(i *intel.Indicator) {
	c.prefix(&i.Prefix)
	c.category(&i.Category)
	num(c, &i.Score, 100)
	num(c, &i.Combined, 100)
	for _, s := range []*string{&i.Feed, &i.Ref, &i.Name, &i.Tags, &i.Shared, &i.Scanner} {
		c.string(s)
	}
	c.time(&i.FirstSeen)
	c.time(&i.LastSeen)
}

func (c *coder) addrSet(s *addrSet) {
	n := len(s.counts)
	num(c, &n, maxAddrs)
	c.addr(&s.busiest)
	if !c.reading {
		for a, count := range s.counts {
			c.addr(&a)
			num(c, &count, anyNum)
		}
		return
	}
	for i := 0; i < n && !c.bad; i++ {
		var a flow.Addr
		var count uint64
		c.addr(&a)
		num(c, &count, anyNum)
		if s.counts == nil {
			s.counts = make(map[flow.Addr]uint64)
		}
		s.counts[a] = count
	}
}
