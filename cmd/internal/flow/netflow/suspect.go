package netflow

import (
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// impossible counts what cannot be in a record before its times are clamped.
func (m *message) impossible(r *flow.Record) int {
	n := 0
	for _, wrong := range [...]bool{
		r.Proto >= firstUnassigned && r.Proto <= lastUnassigned,
		classZero(r.Src), classZero(r.Dst),
		r.Start != 0 && r.End != 0 && r.Start > r.End+int64(time.Minute),
		r.End != 0 && (r.End > m.export+farFuture || r.End < m.export-farPast),
		r.Packets > 0 && r.Bytes>>maxPacketBits > r.Packets,
	} {
		if wrong {
			n++
		}
	}
	return n
}

const (
	firstUnassigned = 150 // IANA protocol numbers
	lastUnassigned  = 252
	// Uptimes reach 25 days around the export, and some exporters read old captures.
	farFuture = int64(30 * 24 * time.Hour)
	farPast   = int64(2 * 365 * 24 * time.Hour)
	// maxPacketBits is 1 MiB a packet; offloading makes 64 KiB of many.
	maxPacketBits = 20
)

// classZero reports whether a lies in 0.0.0.0/8, the address that says "none" aside.
func classZero(a flow.Addr) bool { return a.Is4() && a.V4() != 0 && a.V4()>>24 == 0 }

// check watches over the records of one set.
type check struct {
	needed      int  // so much in a record makes it impossible
	all         bool // every record is looked at, not the first alone
	least, most int  // of the records so far
	n           int
	torn        bool // a variable-length field reaches beyond the set
}

// begin is for a set of k with something left at its end. The first record is looked at,
// and what follows as see says. What the exporter sent in this run is doubted only
// when a record has two faults: anyone can send a packet of an odd protocol through a
// router.
func (c *check) begin(k *known, tail []byte) {
	*c = check{needed: 2, all: len(tail) > 0}
	if k.trial {
		c.needed = 1
	}
}

// see takes a record's faults, and reports whether to look at the next one, too.
func (c *check) see(n int) bool {
	if c.n == 0 || n < c.least {
		c.least = n
	}
	c.most = max(c.most, n)
	c.n++
	c.all = c.all || n >= c.needed
	return c.all
}

// rejects reports whether the set cannot have the template's layout: all its records
// are impossible, not even one fits, or something is left at its end that is no padding,
// which is short or zero.
func (c *check) rejects(tail []byte) bool {
	trial := c.needed == 1
	return c.n > 0 && c.least >= c.needed ||
		c.torn && (c.n == 0 || trial) ||
		len(tail) > maxPadding ||
		len(tail) > 0 && (c.n == 0 || c.most > 0 || trial)
}

// maxPadding is how long padding that is not zero may be: to a multiple of 4.
const maxPadding = 3
