package dnsbl

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Zone is one DNS blacklist as it is configured.
type Zone struct {
	Name string // shown as the feed; the zone's own name may hold a customer's key
	Zone string // zen.spamhaus.org, without the final dot

	// Codes says what an answer such as 127.0.0.4 means; Category holds for
	// answers that it does not name.
	Codes    map[netip.Addr]Code
	Category intel.Category
	Score    uint8 // 0-100

	// Reference is a page about a listed address, with {ip} in its place. A link
	// in the zone's own explanation goes before it.
	Reference string

	Rate  int // look-ups a second at most
	Daily int // look-ups a day (UTC) at most
}

// Code is the meaning of one answer.
type Code struct {
	Ignore   bool // no blame: a range of dial-up addresses, for example
	Category intel.Category
}

// Status says how a zone is.
type Status string

// The values of Status. They are those of the feed line in the log.
const (
	OK    Status = "ok"
	Error Status = "error" // it is not asked, or gives no answers
)

// State is what is to be said of one zone.
type State struct {
	Name    string
	Status  Status
	Message string // for people
	Listed  int    // addresses that are listed and were seen lately
	Counts  Counts
}

// Counts are of one zone and only grow.
type Counts struct {
	Asked   uint64 // look-ups sent, explanations and self-tests included
	Listed  uint64 // answers that list an address
	Clean   uint64
	Failed  uint64 // no answer, SERVFAIL, or nothing that can be read
	Refused uint64 // error codes in the place of answers
	OverRate,
	OverBudget uint64 // look-ups that were not sent
}

const (
	retest     = time.Hour // how often a zone is tested, and how long one that fails is left alone
	manyFailed = 20        // look-ups in a row without an answer that are worth a line

	untested = "not tested yet"
)

// zone is what is known of a Zone while it runs. The dispatcher owns it.
type zone struct {
	Zone
	at      int // place in Options.Zones
	limiter *rate.Limiter

	tested     bool // it passed its last test
	ipv6       bool // it passed for IPv6 as well
	testing    bool
	next       time.Time // of the next test
	unanswered int       // tests in a row that got no answer
	problem    string    // "" while all is well
	failedRow  int
	spentToday int
	day        int // of spentToday: days since 1970, UTC

	listed int
	counts Counts
}

func newZone(z Zone, at int) *zone {
	return &zone{Zone: z, at: at, limiter: rate.NewLimiter(rate.Limit(z.Rate), max(z.Rate, 1)), problem: untested}
}

// takes reports whether the zone may be asked about ip now, and counts why not.
func (z *zone) takes(ip netip.Addr, now time.Time) bool {
	if !z.tested || ip.Is6() && !z.ipv6 {
		return false
	}
	if !z.limiter.AllowN(now, 1) {
		z.counts.OverRate++
		return false
	}
	if !z.spend(now, 1) {
		z.counts.OverBudget++
		return false
	}
	return true
}

// spend takes n look-ups out of the day's budget.
func (z *zone) spend(now time.Time, n int) bool {
	if day := int(now.Unix() / 86400); day != z.day {
		z.day, z.spentToday = day, 0
	}
	if z.spentToday+n > z.Daily {
		z.problem = fmt.Sprintf("the %d look-ups of a day are used up; it is asked again after midnight UTC", z.Daily)
		return false
	}
	if z.spentToday == 0 && z.tested && z.failedRow < manyFailed {
		z.problem = "" // of yesterday's budget
	}
	z.spentToday += n
	z.counts.Asked += uint64(n)
	return true
}

// suspend stops asking until the next test.
func (z *zone) suspend(why string, now time.Time, wait time.Duration) {
	z.tested, z.problem, z.next = false, why, now.Add(wait)
}

// note takes the outcome of a look-up into account.
func (z *zone) note(o *outcome, now time.Time) {
	switch o.kind {
	case listed:
		z.counts.Listed++
	case clean:
		z.counts.Clean++
	case refused:
		z.counts.Refused++
		z.suspend(o.why+"; it is not asked for an hour", now, retest)
		return
	case failed:
		z.counts.Failed++
		if z.failedRow++; z.failedRow == manyFailed {
			z.problem = fmt.Sprintf("no answer to %d look-ups in a row: %s", manyFailed, o.why)
		}
		return
	}
	if z.failedRow >= manyFailed {
		z.problem = ""
	}
	z.failedRow = 0
}

func (z *zone) state() State {
	s := State{Name: z.Name, Status: OK, Listed: z.listed, Counts: z.counts}
	s.Message = "answers as it should"
	if z.ipv6 {
		s.Message += ", about IPv6 too"
	}
	if z.problem != "" {
		s.Status, s.Message = Error, z.problem
	}
	return s
}
