package throttle

import (
	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	// maxCrowd is how many keys of one host, or how many hosts of one remote
	// service, have lines of their own.
	maxCrowd = 20
	// maxHost is how many keys of medium severity and below one host has of its own
	// in all, of whatever category and direction.
	maxHost = 40
	// spreadTargets listed targets of one host are a worm or a spam bot.
	spreadTargets = 20
	// spreadBits of a sketch are that many addresses at least, less 3 as it may be
	// wrong by: 20 addresses set 17.2 of 64 bits, and 14 in all but one case of 500.
	spreadBits = 14
)

// crowd counts the pairs that are alive and have something in common.
type crowd struct {
	remotes sketch // of all that were counted
	window  int64  // the number of the window in which
	fresh   uint16 // so many pairs above medium severity came
	keys    uint16 // pairs that are alive
}

// crowds counts the pairs of each host, by category, direction and protocol, and of
// each remote service.
type crowds map[key]crowd

func groupOfEvent(ev *alert.Event) group {
	host, _ := ev.Inside()
	return group{category: uint8(category(ev)), direction: directionOf(ev.Direction), inverse: host != ev.Local}
}

// hostOf and remoteOf are the crowds of a pair.
func hostOf(pair *key, g group) key {
	host := pair.a
	if g.inverse {
		host = pair.b
	}
	return key{scope: scopeHost, category: intel.Category(g.category), direction: g.direction, proto: pair.proto, port: hit.NoPort, a: host}
}

func remoteOf(pair *key, g group) key {
	return key{scope: scopeRemote, category: intel.Category(g.category), direction: g.direction, proto: pair.proto, port: pair.port, a: pair.b}
}

// allOf counts all that one host does.
func allOf(host key) key { return key{scope: scopeHost, port: hit.NoPort, a: host.a, bits: 1} }

// add counts the entry of a pair.
func (c crowds) add(e *entry, high bool, window int64) {
	e.group.counted = true
	for _, k := range e.crowds() {
		x := c[k]
		if x.window != window {
			x.window, x.fresh = window, 0
		}
		if high {
			x.fresh = min(x.fresh, 1<<15) + 1
		}
		x.keys = min(x.keys, 1<<15) + 1
		x.remotes.add(e.key.b)
		c[k] = x
	}
}

func (e *entry) crowds() [3]key {
	host := hostOf(&e.key, e.group)
	return [...]key{host, allOf(host), remoteOf(&e.key, e.group)}
}

func (c crowds) remove(e *entry) {
	if !e.group.counted {
		return
	}
	for _, k := range e.crowds() {
		if x := c[k]; x.keys > 1 {
			x.keys--
			c[k] = x
		} else {
			delete(c, k)
		}
	}
}

// shares returns the key that an event shares with a crowd. A remote service that
// many talk to is one key, whatever the severity. A host with many keys shares those
// of medium severity and below, by category, direction and protocol; above, only a burst does: more than maxCrowd new ones
// within one window, and what comes after.
func (c crowds) shares(t *Table, ev *alert.Event, e *entry) (key, bool) {
	pair, g := pairKey(ev), groupOfEvent(ev)
	more := uint16(1)
	if e != nil {
		more = 0
	}
	remote, host := remoteOf(&pair, g), hostOf(&pair, g)
	if t.entries[remote] != nil || c[remote].keys+more > maxCrowd {
		return remote, true
	}
	shared := t.entries[host]
	if ev.Severity <= hit.Medium {
		return host, shared != nil || c[host].keys+more > maxCrowd || e == nil && c[allOf(host)].keys >= maxHost
	}
	if e != nil {
		return host, false
	}
	if shared != nil && shared.burst {
		return host, true
	}
	x := c[host]
	return host, x.window == t.now/int64(t.o.Window) && x.fresh >= maxCrowd
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
	return t.entries[hostOf(&e.key, e.group)]
}

// noticeSpread makes a host's shared key high, once, when it has called many listed
// addresses.
func (t *Table) noticeSpread(e *entry, ev *alert.Event) {
	if e.key.scope != scopeHost {
		return
	}
	e.burst = e.burst || ev.Severity > hit.Medium
	if e.raised || e.said >= hit.High || ev.Fixed() {
		return
	}
	if d := directions[e.key.direction]; d != hit.Outbound && d != hit.Internal {
		return
	}
	if len(e.held.behind.targets.counts) >= spreadTargets || t.crowds[e.key].remotes.ones() >= spreadBits {
		e.raised = true
		e.held.severity = max(e.held.severity, hit.High)
	}
}

// busiest is the address that most records of a coarse key are of.
func (h *held) busiestLocal() flow.Addr {
	if h.shown.localOpened {
		return h.behind.sources.busiest
	}
	return h.behind.targets.busiest
}
