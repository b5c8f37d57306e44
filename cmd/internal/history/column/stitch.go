package column

import (
	"math/rand/v2"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// pair is a row to be: the place of its record, and of the one of the opposite
// direction, -1 when there is none.
type pair struct{ f, r int32 }

// mirror returns what f's exporter reports of the opposite direction, seen outside of
// its NAT, but for times, counters, flags, ToS and Has.
func mirror(f *flow.Record) flow.Record {
	r := flow.Record{
		Exporter: f.Exporter, Domain: f.Domain, Sampling: f.Sampling, Version: f.Version, Proto: f.Proto,
		Firewall: f.Firewall, Direction: f.Direction, InIf: f.OutIf, OutIf: f.InIf, SrcAS: f.DstAS, DstAS: f.SrcAS,
		Src: f.Dst, SrcPort: f.DstPort, Dst: f.Src, DstPort: f.SrcPort,
	}
	if f.NATDst != (flow.Addr{}) {
		r.Src, r.SrcPort, r.NATSrc, r.NATSrcPort = f.NATDst, f.NATDstPort, f.Dst, f.DstPort
	}
	if f.NATSrc != (flow.Addr{}) {
		r.Dst, r.DstPort, r.NATDst, r.NATDstPort = f.NATSrc, f.NATSrcPort, f.Src, f.SrcPort
	}
	if flow.IsICMP(f.Proto) {
		mirrorICMP(f, &r)
	}
	return r
}

// Mirror returns what the exporter of f would report of the opposite direction: see
// mirror. Times, counters, flags, ToS and Has are zero.
func Mirror(f *flow.Record) flow.Record { return mirror(f) }

// mirrorICMP: an echo request is answered by a reply of the same code. Type and code
// often stand in the destination port, which is no port then; others number both
// directions alike.
func mirrorICMP(f, r *flow.Record) {
	r.ICMPType, r.ICMPCode = f.ICMPType, f.ICMPCode
	switch {
	case f.Proto == 1 && f.ICMPType == 8:
		r.ICMPType = 0
	case f.Proto == 58 && f.ICMPType == 128:
		r.ICMPType = 129
	default:
		return
	}
	if f.NATSrc == (flow.Addr{}) && f.NATDst == (flow.Addr{}) && f.SrcPort == 0 && f.DstPort == uint16(f.ICMPType)<<8|uint16(f.ICMPCode) {
		r.SrcPort, r.DstPort = 0, uint16(r.ICMPType)<<8|uint16(r.ICMPCode)
	}
}

// plain reports whether a record can be one half of a row: it speaks of one
// direction, and of packets, which tell a row with both directions from others.
func plain(r *flow.Record) bool {
	return r.Has != 0 && r.Has&flow.HasReverse == 0 && r.Packets != 0 && r.Start != 0 && r.End != 0 &&
		r.RevBytes|r.RevPackets == 0 && r.RevTCPFlags == 0
}

// mirrors reports whether r is exactly what mirror makes of f.
func mirrors(f, r *flow.Record) bool {
	m := mirror(f)
	m.Received, m.Start, m.End, m.Bytes, m.Packets = r.Received, r.Start, r.End, r.Bytes, r.Packets
	m.TCPFlags, m.ToS, m.Has = r.TCPFlags, r.ToS, r.Has
	return m == *r
}

// seed keeps those who send flows from choosing where they land in the tables.
var seed = [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1} //nolint:gosec // seeded by the system, and no secret

func mix(a, b uint64) uint64 {
	x := (a + seed[1]) ^ b*seed[0]
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	return x
}

// maxProbe bounds the search for the opposite direction: a record that is not found
// within it stays alone.
const maxProbe = 8

// taken is where a record waited that has its opposite direction now: another one can wait
// there.
const taken = ^uint32(0)

// tagShift is where a tag stands: a record lies in no cache and is looked at only where its
// tag is right. Places have fewer bits: see maxSorted.
const tagShift = 24

// stitcher finds the two directions of conversations. Its memory is reused.
type stitcher struct {
	table []uint32 // place of a record + 1, above it a tag of its hash; 0: free
	row   []int32  // of each record that waits in the table
	pairs []pair
}

// begin begins with so many records, which are all given to add in their order.
func (s *stitcher) begin(records int) {
	n := 16
	for n < records {
		n <<= 1
	}
	s.table, s.row = grow(s.table, n), grow(s.row, records)
	clear(s.table)
	s.pairs = grow(s.pairs, records)[:0]
}

// add pairs a record with that of the opposite direction that the same exporter sent. The
// one that began first comes first; of those that began together, the one that is to a
// service port, else the first that arrived. It returns the row of which the record is
// the first one now, -1 when it is none's.
func (s *stitcher) add(records []flow.Record, i int32) int32 {
	a := &records[i]
	if !plain(a) {
		return s.alone(i)
	}
	mask := uint64(len(s.table) - 1)
	hash := conversation(a)
	tag, free := uint32(hash>>56), -1
	p := hash & mask
	for range maxProbe {
		at := s.table[p]
		waits := int32(at&(1<<tagShift-1)) - 1
		switch {
		case at == 0 || at == taken:
			if free < 0 {
				free = int(p)
			}
		case at>>tagShift == tag:
			if first, ok := s.join(records, waits, i); ok {
				s.table[p] = taken
				if first {
					return s.row[waits]
				}
				return -1
			}
		}
		if at == 0 {
			break
		}
		p = (p + 1) & mask
	}
	if free >= 0 {
		s.table[free] = tag<<tagShift | uint32(i+1)
	}
	return s.alone(i)
}

// alone makes a row of one record.
func (s *stitcher) alone(i int32) int32 {
	s.row[i] = int32(len(s.pairs))
	s.pairs = append(s.pairs, pair{i, -1})
	return s.row[i]
}

// join makes one row of the records in places b, which waits, and i; first says that i is
// the first one.
func (s *stitcher) join(records []flow.Record, b, i int32) (first, ok bool) {
	w, a := &records[b], &records[i]
	if w.Proto != a.Proto || w.Exporter != a.Exporter {
		return false, false
	}
	if opens(w, a) {
		if mirrors(w, a) {
			s.pairs[s.row[b]].r = i
			return false, true
		}
	} else if mirrors(a, w) {
		s.pairs[s.row[b]] = pair{i, b}
		return true, true
	}
	return false, false
}

// opens reports whether w rather than a is the direction that opened the
// conversation.
func opens(w, a *flow.Record) bool {
	switch {
	case w.Start != a.Start:
		return w.Start < a.Start
	case flow.IsICMP(w.Proto) && w.ICMPType != a.ICMPType:
		return w.ICMPType == 8 || w.ICMPType == 128
	}
	return w.DstPort <= a.DstPort
}

// conversation is a hash of both ends that is the same from either side.
func conversation(a *flow.Record) uint64 {
	src, port := a.Src, a.SrcPort
	if a.NATSrc != (flow.Addr{}) {
		src, port = a.NATSrc, a.NATSrcPort
	}
	dport := a.DstPort
	if flow.IsICMP(a.Proto) {
		port, dport = 0, 0
	}
	h := mix(mix(src.Hi, src.Lo), uint64(port)) + mix(mix(a.Dst.Hi, a.Dst.Lo), uint64(dport))
	return mix(h, uint64(a.Proto)<<32^a.Exporter.Lo)
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/8)
	}
	return s[:n]
}
