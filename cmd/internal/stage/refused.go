package stage

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Refused is an address whose datagrams exporters.allow does not let in.
type Refused struct {
	Address   netip.Addr `json:"exporter"`
	Datagrams uint64     `json:"datagrams"`
	LastSeen  time.Time  `json:"last_seen"`
}

// maxRefused bounds the addresses that a worker remembers. The first stay, so that a
// flood of forged ones does not push out the router that somebody forgot to list.
const maxRefused = 32

// refusals are the addresses that a worker has refused. Its worker alone adds.
type refusals struct {
	mu  sync.Mutex
	all [maxRefused]Refused
	n   int
}

func (r *refusals) add(from netip.Addr, received int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.all[:r.n] {
		if r.all[i].Address == from {
			r.all[i].Datagrams++
			r.all[i].LastSeen = time.Unix(0, received)
			return
		}
	}
	if r.n < len(r.all) {
		r.all[r.n] = Refused{from, 1, time.Unix(0, received)}
		r.n++
	}
}

// Refused returns the addresses whose datagrams were refused and still are, by address:
// some of them where there are very many.
func (s *Stage) Refused() (all []Refused) {
	st := s.State()
	for _, w := range s.workers {
		w.refusals.mu.Lock()
		for _, r := range w.refusals.all[:w.refusals.n] {
			if r.LastSeen = r.LastSeen.UTC(); !st.Allows(r.Address) {
				all = append(all, r)
			}
		}
		w.refusals.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Refused) int { return a.Address.Compare(b.Address) })
	return all
}
