package hunt

import (
	"cmp"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/match"
	"github.com/flowhound/flowhound/cmd/internal/parallel"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	// maxGroups bounds the conversations that are told apart, some 35 MB of them;
	// what is beyond is counted.
	maxGroups = 100_000
	// maxContacts bounds the records of one group that its regularity is told by, and
	// maxAllContacts those of all groups: 40 MB.
	maxContacts, maxAllContacts = 8192, 1 << 20
	// meetWithin is how far apart the two directions of a conversation are, at most,
	// where they stand in records of their own.
	meetWithin = int64(5 * time.Minute)
	// maxShares bounds the exporters that a hit names.
	maxShares = 8
)

// Group is what was found of one pair: who of ours talked to which listed address, over
// which protocol and port of the service.
type Group struct {
	key    groupKey
	worst  told      // the first of the most severe
	state  hit.State // the furthest
	shares []share
	one    [1]share // room for shares: most groups have one exporter

	count                 uint64 // flow records, of all exporters
	start, end            int64  // of the flows
	first, last           int64  // received
	localSaid, remoteSaid int64  // when each side sent data last
	clientPort            int32  // hit.NoPort where the records differ
	sampled               bool
	contacts              contactList
}

// told is what a group keeps of an event, which has three times as many bytes.
type told struct {
	severity                hit.Severity
	direction               hit.Direction
	natLocal, natRemote     flow.Addr
	localOpened, matchedNAT bool
	icmpType, icmpCode      int32
	domain, sampling        uint32
	indicators, others      []intel.Indicator
}

func toldOf(e *alert.Event) told {
	return told{
		severity: e.Severity, direction: e.Direction, natLocal: e.NATLocal, natRemote: e.NATRemote, localOpened: e.LocalOpened, matchedNAT: e.MatchedNAT,
		icmpType: int32(e.ICMPType), icmpCode: int32(e.ICMPCode), domain: e.Domain, sampling: e.Sampling, indicators: e.Indicators, others: e.Others,
	}
}

type groupKey struct {
	local, remote flow.Addr
	port          int32
	proto         uint8
}

// share is what one exporter told of a group. Several tell of the same flows, so that
// the group's own numbers are those of the exporter that told the most.
type share struct {
	exporter             flow.Addr
	count                uint64
	srcBytes, dstBytes   uint64
	srcPackets, dstPacks uint64
}

func (s *share) bytes() uint64 { return flow.Sum(s.srcBytes, s.dstBytes) }

// Finder sums up flow records by who talked to which listed address.
type Finder struct {
	policy   *alert.Policy
	set      *intel.Set
	now      time.Time
	room     struct{ groups, contacts int }
	groups   map[groupKey]*Group
	contacts *contacts
	beyond   uint64                          // records of groups that there was no room for
	listed   map[flow.Addr][]intel.Indicator // by the set, now
	kept     map[flow.Addr][]intel.Indicator // of groups
	raw      match.Raw
	chosen   func(*intel.Indicator) bool // nil: all
}

// NewFinder returns an empty Finder that judges by a policy and by what a set lists now.
func NewFinder(policy *alert.Policy, set *intel.Set, now time.Time) *Finder {
	f := &Finder{
		set: set, now: now, groups: map[groupKey]*Group{}, contacts: &contacts{},
		listed: map[flow.Addr][]intel.Indicator{}, kept: map[flow.Addr][]intel.Indicator{},
	}
	f.policy = policy.WithLookup(f.lookup)
	f.Bound(maxGroups, maxAllContacts)
	return f
}

// Choose has the Finder judge by the indicators alone that chosen accepts: an address can
// stand in other lists, too, which are not asked for.
func (f *Finder) Choose(chosen func(*intel.Indicator) bool) { f.chosen = chosen }

// Bound sets how many pairs are told apart, some 350 bytes each, and of how many records
// in all their regularity is told, 40 bytes each.
func (f *Finder) Bound(pairs, records int) { f.room.groups, f.room.contacts = pairs, records }

// Sides returns which addresses of a record lie in ranges.
func Sides(r *flow.Record, holds func(flow.Addr) bool) (s match.Side) {
	if holds(r.Src) {
		s |= match.Src
	}
	if holds(r.Dst) {
		s |= match.Dst
	}
	if r.Has&flow.HasNATSrc != 0 && holds(r.NATSrc) {
		s |= match.NATSrc
	}
	if r.Has&flow.HasNATDst != 0 && holds(r.NATDst) {
		s |= match.NATDst
	}
	return s
}

// Add takes a record, or both directions of a conversation in one, of which these
// addresses are listed. It reports whether an indicator covers them by now, and no mute
// holds it back.
func (f *Finder) Add(r *flow.Record, sides match.Side) bool {
	f.raw = match.Raw{Record: *r, Sides: sides, Set: f.set, Count: 1}
	e, ok := f.policy.Classify(&f.raw, f.now)
	if !ok {
		return false
	}
	k := groupKey{e.Local, e.Remote, int32(e.ServicePort()), e.Proto}
	g := f.groups[k]
	if g == nil {
		if len(f.groups) >= f.room.groups {
			f.beyond++
			return true
		}
		e.Indicators = f.indicators(k.remote, e.Indicators)
		g = &Group{key: k, worst: toldOf(&e), state: e.State, start: e.Start, end: e.End, first: e.First, last: e.Last, clientPort: int32(e.ClientPort())}
		f.groups[k] = g
	}
	g.add(&e)
	if g.contacts.count < maxContacts && f.contacts.count < f.room.contacts {
		g.contacts.add(f.contacts, contactOf(&e))
	}
	return true
}

// lookup returns the indicators on an address. Some thousand addresses have all the records
// that are found: to ask the set for each record takes a twentieth of a hunt.
func (f *Finder) lookup(a flow.Addr) []intel.Indicator {
	all, ok := f.listed[a]
	if !ok {
		all = f.set.Lookup(a.IP(), f.now)
		if f.chosen != nil {
			all = slices.DeleteFunc(all, func(i intel.Indicator) bool { return !f.chosen(&i) })
		}
		f.listed[a] = all
	}
	return all
}

// indicators returns those of a remote address, once for all groups where they are the
// same: of 50,000 pairs they would take 10 MB.
func (f *Finder) indicators(remote flow.Addr, all []intel.Indicator) []intel.Indicator {
	known, ok := f.kept[remote]
	if !ok {
		f.kept[remote] = all
	} else if slices.Equal(known, all) {
		return known
	}
	return all
}

// add takes one more event of the group.
func (g *Group) add(e *alert.Event) {
	g.meet(e)
	if e.Severity > g.worst.severity {
		g.worst = toldOf(e)
	}
	if rank(e.State) > rank(g.state) {
		g.state = e.State
	}
	g.count = flow.Sum(g.count, e.Count)
	g.start, g.end = min(g.start, e.Start), max(g.end, e.End)
	g.first, g.last = min(g.first, e.First), max(g.last, e.Last)
	g.sampled = g.sampled || e.Sampling > 1
	if int32(e.ClientPort()) != g.clientPort {
		g.clientPort = hit.NoPort
	}
	s := g.share(e.Exporter)
	s.count = flow.Sum(s.count, e.Count)
	srcBytes, srcPackets, dstBytes, dstPackets := e.RemoteBytes, e.RemotePackets, e.LocalBytes, e.LocalPackets
	if e.LocalOpened {
		srcBytes, srcPackets, dstBytes, dstPackets = dstBytes, dstPackets, srcBytes, srcPackets
	}
	s.srcBytes, s.dstBytes = flow.Sum(s.srcBytes, srcBytes), flow.Sum(s.dstBytes, dstBytes)
	s.srcPackets, s.dstPacks = flow.Sum(s.srcPackets, srcPackets), flow.Sum(s.dstPacks, dstPackets)
}

// meet lets the two directions of a conversation, each in a record of its own, tell
// together that it was established.
func (g *Group) meet(e *alert.Event) {
	if e.LocalData {
		g.localSaid = e.End
	}
	if e.RemoteData {
		g.remoteSaid = e.End
	}
	if e.LocalData != e.RemoteData && g.localSaid != 0 && g.remoteSaid != 0 && max(g.localSaid, g.remoteSaid)-min(g.localSaid, g.remoteSaid) <= meetWithin {
		e.LocalData, e.RemoteData = true, true
		e.Assess()
	}
}

func (g *Group) share(exporter flow.Addr) *share {
	for i := range g.shares {
		if g.shares[i].exporter == exporter || i == maxShares-1 {
			return &g.shares[i]
		}
	}
	if g.shares == nil {
		g.shares = g.one[:0]
	}
	g.shares = append(g.shares, share{exporter: exporter})
	return &g.shares[len(g.shares)-1]
}

// most returns the share of the exporter that told the most.
func (g *Group) most() *share {
	best := &g.shares[0]
	for i := range g.shares {
		if s := &g.shares[i]; s.bytes() > best.bytes() || s.bytes() == best.bytes() && s.count > best.count {
			best = s
		}
	}
	return best
}

// probe reports whether nothing answered somebody outside.
func (g *Group) probe() bool {
	return g.state == hit.Attempt && (g.worst.direction == hit.Inbound || g.worst.direction == hit.Transit)
}

// Groups returns what was found: the most severe first, then the latest. beyond is how
// many records more there were than are told apart.
func (f *Finder) Groups() (groups []*Group, beyond uint64) {
	type ranked struct { // beside each other: 50,000 groups are not
		severity hit.Severity
		end      int64
		*Group
	}
	all := make([]ranked, 0, len(f.groups))
	for _, g := range f.groups {
		all = append(all, ranked{g.worst.severity, g.end, g})
	}
	all = parallel.Sort(all, func(a, b ranked) int {
		if c := cmp.Or(cmp.Compare(b.severity, a.severity), cmp.Compare(b.end, a.end)); c != 0 {
			return c
		}
		return compareKeys(&a.key, &b.key)
	})
	groups = make([]*Group, len(all))
	for i := range all {
		groups[i] = all[i].Group
	}
	return groups, f.beyond
}

func compareKeys(a, b *groupKey) int {
	return cmp.Or(a.local.Compare(b.local), a.remote.Compare(b.remote), cmp.Compare(a.proto, b.proto), cmp.Compare(a.port, b.port))
}

func rank(s hit.State) int {
	switch s {
	case hit.Established:
		return 2
	case hit.Unknown:
		return 1
	}
	return 0
}
