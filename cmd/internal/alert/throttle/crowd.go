package throttle

import (
	"hash/maphash"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	// maxCrowd is how many keys of one host, of visitors of one service, or of one
	// remote service, have lines of their own.
	maxCrowd = 20
	// maxSudden is how many of a remote service have that within an hour, unless they
	// are critical: what everybody uses is known by the speed at which they come.
	maxSudden = 10
	// Twenty listed targets of one host on one service port are a worm or a spam bot.
	// spreadBits of a sketch are that many addresses, less 3 as it may be wrong by: 20
	// addresses set 17.2 of 64 bits, and 14 in all but one case of 500.
	spreadBits = 14
	// spreadPorts is how many service ports of one shared key are watched for that.
	spreadPorts = 8
)

// crowd counts the pairs that are alive and have something in common.
type crowd struct {
	remotes sketch // of all that were counted
	window  uint32 // the number of the window (of a remote service: of the hour) in which
	fresh   uint16 // so many pairs above medium severity (of a remote service: so many) came
	keys    uint16 // pairs that are alive
}

// crowds counts the pairs of each host by direction, the same by service port too, those
// of visitors of each service, and those of each remote service. Their keys are hashes,
// because there are up to four for a pair; nobody outside can aim at one.
type crowds struct {
	seed maphash.Seed
	by   map[uint64]crowd
}

func newCrowds() crowds { return crowds{maphash.MakeSeed(), make(map[uint64]crowd)} }

func (c *crowds) hash(k key) uint64 { return maphash.Comparable(c.seed, k) }

func (c *crowds) of(k key) crowd { return c.by[c.hash(k)] }

func groupOfEvent(ev *alert.Event) group {
	host, network := ev.Inside()
	g := group{category: uint8(category(ev)), direction: directionOf(ev.Direction), inverse: host != ev.Local}
	if network.IsValid() {
		g.bits = networkBits(network)
	}
	return g
}

// hostOf, portOf, serversOf and remoteOf are the crowds of a pair. All but the second are
// also the keys that those of a crowd share.
func hostOf(pair *key, g group) key {
	host := pair.a
	if g.inverse {
		host = pair.b
	}
	return key{scope: scopeHost, direction: g.direction, port: hit.NoPort, a: host}
}

func portOf(pair *key, g group) key {
	k := hostOf(pair, g)
	k.proto, k.port, k.bits = pair.proto, pair.port, ofPort
	return k
}

// serversOf is about visitors from outside; ok is false for all others.
func serversOf(pair *key, g group) (k key, ok bool) {
	if directions[g.direction] != hit.Inbound || g.bits == 0 {
		return key{}, false
	}
	k = hostOf(pair, g)
	k.scope, k.category, k.proto, k.port, k.bits = scopeServers, intel.Category(g.category), pair.proto, pair.port, g.bits
	if n := 128 - g.bits; n < 64 {
		k.a.Lo = k.a.Lo >> n << n
	} else {
		k.a.Hi, k.a.Lo = k.a.Hi>>(n-64)<<(n-64), 0
	}
	return k, true
}

func remoteOf(pair *key, g group) key {
	return key{scope: scopeRemote, category: intel.Category(g.category), direction: g.direction, proto: pair.proto, port: pair.port, a: pair.b}
}

// What else there is of a host, in the field bits of its key.
const (
	ofBurst = 1 // the key that what is above medium severity shares
	ofPort  = 2 // the crowd of a service port; it has no key
)

func burstOf(host key) key {
	host.bits = ofBurst
	return host
}

// add counts the entry of a pair that came at a time.
func (c *crowds) add(e *entry, high bool, at int64, window time.Duration) {
	e.group.counted = true
	for _, k := range e.crowds() {
		if k.scope == scopePair {
			continue
		}
		h := c.hash(k)
		x, n, counts := c.by[h], uint32(at/int64(window)), high
		if k.scope == scopeRemote {
			n, counts = uint32(at/int64(time.Hour)), true
		}
		if x.window != n {
			x.window, x.fresh = n, 0
		}
		if counts {
			x.fresh = min(x.fresh, 1<<15) + 1
		}
		x.keys = min(x.keys, 1<<15) + 1
		x.remotes.add(e.key.b)
		c.by[h] = x
	}
}

// crowds returns those of a pair. What is none has scopePair.
func (e *entry) crowds() [4]key {
	servers, _ := serversOf(&e.key, e.group)
	return [...]key{hostOf(&e.key, e.group), portOf(&e.key, e.group), servers, remoteOf(&e.key, e.group)}
}

func (c *crowds) remove(e *entry) {
	if !e.group.counted {
		return
	}
	for _, k := range e.crowds() {
		if k.scope == scopePair {
			continue
		}
		h := c.hash(k)
		if x := c.by[h]; x.keys > 1 {
			x.keys--
			c.by[h] = x
		} else {
			delete(c.by, h)
		}
	}
}

// shares returns the key that an event shares with a crowd. A remote service that
// many talk to is one key, whatever the severity. Of medium severity and below, the
// visitors of one category and service share one, and all that a host does in one
// direction, whatever the category, protocol and port. Above, only a burst does: more than maxCrowd
// new ones within one window, and what comes after.
func (c *crowds) shares(t *Table, ev *alert.Event, e *entry) (key, bool) {
	pair, g := pairKey(ev), groupOfEvent(ev)
	more := uint16(1)
	if e != nil {
		more = 0
	}
	remote, host := remoteOf(&pair, g), hostOf(&pair, g)
	if t.entries[remote] != nil || c.of(remote).keys+more > maxCrowd || c.sudden(remote, ev, more, t.now) {
		return remote, true
	}
	if ev.Severity <= hit.Medium {
		if servers, ok := serversOf(&pair, g); ok && (t.entries[servers] != nil || c.of(servers).keys+more > maxCrowd) {
			return servers, true
		}
		return host, t.entries[host] != nil || c.ofHost(host)+more > maxCrowd
	}
	if e != nil {
		return host, false
	}
	burst := burstOf(host)
	x := c.of(host)
	return burst, t.entries[burst] != nil || x.window == uint32(t.now/int64(t.o.Window)) && x.fresh >= maxCrowd
}

// sudden reports whether a remote service became popular within the hour.
func (c *crowds) sudden(remote key, ev *alert.Event, more uint16, now int64) bool {
	x := c.of(remote)
	return ev.Severity < hit.Critical && x.window == uint32(now/int64(time.Hour)) && x.fresh+more > maxSudden
}

// ofHost counts the keys of a host by which those of a direction are a crowd. What
// comes in does not count for what goes out: no stranger shall decide how much is said
// of that.
func (c *crowds) ofHost(host key) uint16 {
	n := c.of(host).keys
	if directions[host.direction] == hit.Inbound {
		host.direction = directionOf(hit.Outbound)
		n += c.of(host).keys
	}
	return n
}

// crowdOf returns the shared entry that takes over what a pair holds, nil when there
// is none.
func (t *Table) crowdOf(e *entry) *entry {
	if e.key.scope != scopePair || e.raised || e.held == nil {
		return nil
	}
	if shared := t.entries[remoteOf(&e.key, e.group)]; shared != nil {
		return shared
	}
	if e.held.severity > hit.Medium {
		return nil
	}
	if servers, ok := serversOf(&e.key, e.group); ok && t.entries[servers] != nil {
		return t.entries[servers]
	}
	return t.entries[hostOf(&e.key, e.group)]
}

// noticeSpread makes a host's shared key high, once, when it has called many listed
// addresses by one service. A host of ours that shares files calls as many, each by
// another port.
func (t *Table) noticeSpread(e *entry, ev *alert.Event) {
	if e.key.scope != scopeHost || e.raised || e.said >= hit.High || ev.Fixed() || ev.Count == 0 {
		return
	}
	if d := directions[e.key.direction]; d != hit.Outbound && d != hit.Internal {
		return
	}
	s := t.spreads[e.key]
	if s == nil {
		s = new(spread)
		if t.spreads == nil {
			t.spreads = make(map[key]*spread)
		}
		t.spreads[e.key] = s
	}
	pair := pairKey(ev)
	if own := t.crowds.of(portOf(&pair, groupOfEvent(ev))).remotes; (own | s.add(&pair)).ones() >= spreadBits {
		e.raised = true
		e.held.severity = max(e.held.severity, hit.High)
	}
}

// spread counts the targets of a host's shared key by service port. It is not kept over
// a restart.
type spread [spreadPorts]struct {
	port    int32
	proto   uint8
	targets sketch
}

// add counts the target of a pair, and returns those of its port. The port with the
// fewest makes room for a new one.
func (s *spread) add(pair *key) sketch {
	x := &s[0]
	for i := range s {
		if y := &s[i]; y.port == pair.port && y.proto == pair.proto && y.targets != 0 {
			x = y
			break
		} else if y.targets.ones() < x.targets.ones() {
			x = y
		}
	}
	if x.port != pair.port || x.proto != pair.proto {
		x.port, x.proto, x.targets = pair.port, pair.proto, 0
	}
	x.targets.add(pair.b)
	return x.targets
}

// A host's shared key says at once that it holds another kind of listing than before:
// those of one list must not hide what another one knows.
const (
	kindCompromise = 1 << iota
	kindPhishing
	kindAttack
	kindNuisance
)

func kindOf(c intel.Category) uint8 {
	switch c {
	case intel.C2, intel.Malware, intel.Botnet:
		return kindCompromise
	case intel.Phishing:
		return kindPhishing
	case intel.Scanner, intel.Bruteforce, intel.DDoS:
		return kindAttack
	}
	return kindNuisance
}

// noticeKind notes what kind of listing came to a host's shared key.
func (e *entry) noticeKind(ev *alert.Event) {
	k := kindOf(category(ev))
	if e.key.scope != scopeHost || e.kinds&k != 0 {
		return
	}
	if e.kinds != 0 {
		e.mustSay = true
		e.held.show(ev)
	}
	e.kinds |= k
}

// startsSlowly reports whether the first window of a key that a crowd shares lasts an
// hour: no single one of them is urgent, and what is worse is said at once.
func (e *entry) startsSlowly() bool {
	switch e.key.scope {
	case scopeHost, scopeRemote, scopeServers:
		return e.said < hit.Critical
	}
	return false
}

// busiest is the address that most records of a coarse key are of.
func (h *held) busiestLocal() flow.Addr {
	if h.shown.localOpened {
		return h.behind.sources.busiest
	}
	return h.behind.targets.busiest
}
