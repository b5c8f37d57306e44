package intel

import (
	"encoding/binary"
	"math"
	"net/netip"
	"sync/atomic"
	"time"
)

// Block is one load of one feed, packed and, but for Confirm, immutable: 8 bytes for an
// indicator on an IPv4 address or network, 24 for one on IPv6, and 20 for what is said of
// it, which most share with others; 28 and its text for one on a domain or URL; and
// references, names and tags once. A million addresses make a handful of large
// allocations without pointers, so that the garbage collector has nothing to follow. Safe
// for concurrent use.
type Block struct {
	feed      string
	aggregate bool
	notes     []note

	asOf      int64        // Unix seconds: what was over then never matches; 0: all may
	over      int          // how many that are
	confirmed atomic.Int64 // Unix seconds, see Confirm

	rows4        []row4  // by first address, prefix length, best first
	rows6        []row6  // in the same order
	below4       int     // how many of rows6 lie below all of IPv4
	facts        []fact  // what is said of rows4 and rows6
	hosts        int     // how many of rows4 are single addresses
	bits4, bits6 []uint8 // the prefix lengths that occur in them, longest first

	names []nameRow // by host
	text  string    // what names point into

	crowded, unnamed int
}

// row4 is one indicator on an IPv4 address or network: its first address, then the index
// in Block.facts of what is said of it. So rows are sorted by address as numbers are.
type row4 uint64

func packRow4(ip, fact uint32) row4 { return row4(ip)<<32 | row4(fact) }

func (r row4) ip() uint32   { return uint32(r >> 32) }
func (r row4) fact() uint32 { return uint32(r) }

// row6 is one indicator on an IPv6 address or network.
type row6 struct {
	hi, lo uint64 // its first address
	fact   uint32 // index in Block.facts
}

// row is a row4 or row6 unpacked.
type row struct {
	hi, lo uint64 // its first address, IPv4 v4-mapped
	*fact
}

// mapped4 is the lower half of 0.0.0.0, v4-mapped.
const mapped4 = 0xffff << 32

// numRows returns how many indicators are on addresses and networks.
func (b *Block) numRows() int { return len(b.rows4) + len(b.rows6) }

// row returns the indicator on an address or network that is the i-th in order, from 0.
func (b *Block) row(i int) row {
	if at := i - b.below4; at >= 0 && at < len(b.rows4) {
		r := b.rows4[at]
		return row{0, mapped4 | uint64(r.ip()), &b.facts[r.fact()]}
	}
	if i >= b.below4 {
		i -= len(b.rows4)
	}
	r := &b.rows6[i]
	return row{r.hi, r.lo, &b.facts[r.fact]}
}

// nameRow is one indicator on a domain (url is 0) or URL. Its host and URL stand
// in Block.text, one after the other.
type nameRow struct {
	off       uint32
	host, url uint16 // lengths
	fact
}

// fact is what is said of an indicator, whatever its kind.
type fact struct {
	note                 uint32 // index in Block.notes
	first, last, expires uint32 // Unix seconds until 2106; 0: not given
	port                 uint16
	bits                 uint8 // prefix length of the v4-mapped form; 0 in a nameRow
	score                uint8
}

// note is what many indicators of a feed have in common.
type note struct {
	category        Category
	ref, name, tags string
}

// Len returns the number of indicators, expired ones included.
func (b *Block) Len() int { return b.numRows() + len(b.names) }

// Expired returns how many of the indicators were over at the time given to the
// Builder.
func (b *Block) Expired() int { return b.over }

// Crowded returns how many indicators were left out because their address
// already had maxReasons better ones in this feed.
func (b *Block) Crowded() int { return b.crowded }

// Unnamed returns how many indicators lost their reference, name and tags
// because the feed has more distinct ones than a block keeps.
func (b *Block) Unnamed() int { return b.unnamed }

func (b *Block) host(n *nameRow) string {
	return b.text[n.off : n.off+uint32(n.host)]
}

func (b *Block) url(n *nameRow) string {
	from := n.off + uint32(n.host)
	return b.text[from : from+uint32(n.url)]
}

// indicator unpacks what rows of both kinds share, score being what it is worth.
func (b *Block) indicator(f *fact, score uint8) Indicator {
	n := &b.notes[f.note]
	return Indicator{
		Feed: b.feed, Aggregate: b.aggregate, Category: n.category, Score: score, Port: f.port,
		Ref: n.ref, Name: n.name, Tags: n.tags,
		FirstSeen: unpackTime(f.first), LastSeen: unpackTime(f.last), Expires: unpackTime(f.expires),
	}
}

// halves returns an address as its v4-mapped big-endian halves and what must be
// added to an IPv4 prefix length to fit them.
func halves(ip netip.Addr) (hi, lo uint64, more int) {
	if ip.Is4() {
		more = 96
	}
	b := ip.As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), more
}

// addr is the inverse of halves.
func addr(hi, lo uint64) netip.Addr {
	if is4(hi, lo) {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(lo))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	return netip.AddrFrom16(b)
}

// is4 also tells rows apart: no IPv6 network but ::ffff:0:0/96 and its parts,
// which builders unmap, has such a first address.
func is4(hi, lo uint64) bool { return hi == 0 && lo>>32 == 0xffff }

// prefix unpacks a row's network.
func (r row) prefix() netip.Prefix {
	bits := int(r.bits)
	if is4(r.hi, r.lo) {
		bits -= 96
	}
	return netip.PrefixFrom(addr(r.hi, r.lo), bits)
}

// packTime keeps whole seconds. A time before 1970 becomes 1970-01-01T00:00:01Z,
// so that it stays "long ago" and does not become "not given".
func packTime(t time.Time) uint32 {
	if t.IsZero() {
		return 0
	}
	return uint32(min(max(t.Unix(), 1), math.MaxUint32))
}

func unpackTime(s uint32) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0).UTC()
}
