package throttle

import (
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// maxPorts is how many ports of one group of noise have keys of their own.
const maxPorts = 16

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
