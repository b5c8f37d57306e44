package agent

import (
	"slices"
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/config"
)

// exports keeps the configured files as the indicators are, each on a goroutine
// of its own: one whose reload command hangs holds up no other.
type exports struct {
	mu      sync.Mutex
	keepers []*keeper
}

// retire stops keeping what cfgs does not hold, and waits until it is stopped.
func (x *exports) retire(cfgs []config.Export) {
	x.mu.Lock()
	var stay, leave []*keeper
	for _, k := range x.keepers {
		if slices.ContainsFunc(cfgs, k.keeps) {
			stay = append(stay, k)
		} else {
			leave = append(leave, k)
			k.cancel()
		}
	}
	x.keepers = stay
	x.mu.Unlock()
	for _, k := range leave {
		<-k.done
	}
}

// start begins to keep those of cfgs that are not kept yet, in their order. What
// is no longer among them must have retired.
func (x *exports) start(a *Agent, cfgs []config.Export) {
	x.mu.Lock()
	defer x.mu.Unlock()
	next := make([]*keeper, len(cfgs))
	for i, cfg := range cfgs {
		at := slices.IndexFunc(x.keepers, func(k *keeper) bool { return k.keeps(cfg) })
		if at >= 0 {
			next[i] = x.keepers[at]
			continue
		}
		next[i] = newKeeper(a, cfg)
		go next[i].run()
	}
	x.keepers = next
}

// changed says that there is a new set. It does not wait for anything.
func (x *exports) changed() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, k := range x.keepers {
		select {
		case k.news <- struct{}{}:
		default: // it knows
		}
	}
}

// states returns what is to be said of each export, in the configuration's order.
func (x *exports) states() []exportState {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := make([]exportState, len(x.keepers))
	for i, k := range x.keepers {
		k.mu.Lock()
		out[i] = k.state
		k.mu.Unlock()
	}
	return out
}
