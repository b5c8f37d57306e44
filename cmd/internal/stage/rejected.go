package stage

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Rejected is an address whose datagrams exporters.allow does not let in.
type Rejected struct {
	Address   netip.Addr `json:"exporter"`
	Datagrams uint64     `json:"datagrams"`
	LastSeen  time.Time  `json:"last_seen"`
}

// maxRejected bounds the addresses that a worker remembers. The first stay, so that a
// flood of forged ones does not push out the router that somebody forgot to list.
const maxRejected = 32

// rejects are the addresses that a worker has rejected. Its worker alone adds.
type rejects struct {
	mu  sync.Mutex
	all [maxRejected]Rejected
	n   int
}

func (r *rejects) add(from netip.Addr, received int64) {
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
		r.all[r.n] = Rejected{from, 1, time.Unix(0, received)}
		r.n++
	}
}

// Rejected returns the addresses whose datagrams were rejected and still are, by address:
// some of them where there are very many.
func (s *Stage) Rejected() (all []Rejected) {
	st := s.State()
	for _, w := range s.workers {
		w.rejects.mu.Lock()
		for _, r := range w.rejects.all[:w.rejects.n] {
			if r.LastSeen = r.LastSeen.UTC(); !st.Allows(r.Address) {
				all = append(all, r)
			}
		}
		w.rejects.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Rejected) int { return a.Address.Compare(b.Address) })
	return all
}
