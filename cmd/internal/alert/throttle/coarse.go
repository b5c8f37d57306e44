package throttle

import (
	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

const (
	// maxPorts is how many ports of one group of noise have keys of their own.
	maxPorts = 16
	// maxCrowd is how many new keys one host may have in one window.
	maxCrowd = 20
)

// route finds the entry for an event, or makes it. A pair that is known keeps its
// own; else noise goes to its group, and what is new on a crowded host to that
// host's shared key.
func (t *Table) route(ev *alert.Event) (e *entry, isNew bool) {
	pair := pairKey(ev)
	if e = t.entries[pair]; e != nil {
		e.meet(ev)
		return e, false
	}
	if !ev.OpenerTold {
		t.first.settle(pair, ev, t.now/int64(t.o.Window))
	}
	if k, ok := noiseKey(ev); ok {
		return t.find(t.noise.fit(k, t.entries), ev)
	}
	host := hostKey(ev)
	if e = t.entries[host]; e != nil {
		return e, false
	}
	if t.crowd.add(host, t.now/int64(t.o.Window)) {
		return t.find(host, ev)
	}
	e, isNew = t.find(pair, ev)
	e.localOpened = ev.LocalOpened
	e.meet(ev)
	return e, isNew
}

func (t *Table) find(k key, ev *alert.Event) (e *entry, isNew bool) {
	if e = t.entries[k]; e != nil {
		return e, false
	}
	return t.insert(k, newSeries(k, ev.First)), true
}

// noise is what the keys of background noise share.
//
// A group is (category, network or exporter, protocol); its first maxPorts ports
// have keys of their own, the rest one. All noise of a category from outside, and
// all that passes by, has one pace: each line doubles the next window of all its
// keys. Else seventeen ports of a few networks, each swept all day, would say ten
// lines each; after a day of noise that never ends both come to one line a day.
type noise struct {
	ports map[key]int // live keys with a port, by group
	paces [intel.NumCategories][numScopes]pace
}

type pace struct {
	window int64 // the next one, nanoseconds; 0: the shortest
	keys   int   // that live: the last one takes the pace along
}

func isNoise(k key) bool { return k.scope == scopeNetwork || k.scope == scopeExporter }

// pace returns the pace that k shares, nil when it has its own.
func (n *noise) pace(k key) *pace {
	if !isNoise(k) {
		return nil
	}
	return &n.paces[k.category][k.scope]
}

func groupOf(k key) key {
	k.port = 0
	return k
}

// fit returns k, or the key for the rest of its group when that has all the
// ports that it may.
func (n *noise) fit(k key, entries map[key]*entry) key {
	if k.port != hit.NoPort && n.ports[groupOf(k)] >= maxPorts && entries[k] == nil {
		k.port = hit.NoPort
	}
	return k
}

func (n *noise) added(k key) {
	if !isNoise(k) {
		return
	}
	n.pace(k).keys++
	if k.port != hit.NoPort {
		if n.ports == nil {
			n.ports = make(map[key]int)
		}
		n.ports[groupOf(k)]++
	}
}

func (n *noise) removed(k key) {
	if !isNoise(k) {
		return
	}
	p := n.pace(k)
	if p.keys--; p.keys == 0 {
		p.window = 0
	}
	if k.port == hit.NoPort {
		return
	}
	group := groupOf(k)
	if n.ports[group]--; n.ports[group] == 0 {
		delete(n.ports, group)
	}
}

// crowd counts the new keys of each host in the current window.
type crowd struct {
	window int64 // its number
	keys   map[key]int
}

// add counts a new key and reports whether it is one too many.
func (c *crowd) add(host key, window int64) bool {
	if c.keys == nil || c.window != window {
		c.window, c.keys = window, make(map[key]int)
	}
	c.keys[host]++
	return c.keys[host] > maxCrowd
}
