package api

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/hunt"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Talk is whom an address talked to, as flowhound hunt ADDRESS has it.
type Talk struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	First time.Time `json:"first,omitzero"`
	Total int       `json:"total"` // pairs; Pairs may have fewer
	// Pairs are ordered: listed peers first, then by bytes.
	Pairs []Pair `json:"pairs"`
	// Beyond is how many flows there are of pairs that are not told apart.
	Beyond  uint64           `json:"beyond,omitempty"`
	About   map[string]About `json:"about"` // by peer
	Damaged []string         `json:"damaged,omitempty"`
	TookMS  int64            `json:"took_ms"`
}

// Pair is what passed between the address and one peer, on one port of the service.
type Pair struct {
	Peer  string `json:"peer"`
	Proto string `json:"proto"`
	Port  int    `json:"port"` // of the service; -1: there is none
	// Opened says that the address opened the connections, and not its peer.
	Opened   bool      `json:"opened"`
	State    hit.State `json:"state"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Flows    uint64    `json:"flows"`
	Sent     uint64    `json:"sent"` // bytes, by the address
	Received uint64    `json:"received"`
	Rhythm   *Rhythm   `json:"rhythm,omitempty"` // absent: there is nothing to say
	Gaps     *Gaps     `json:"gaps,omitempty"`   // absent: there are too few
}

// Rhythm says how regularly a pair talks.
type Rhythm struct {
	Words     string  `json:"words"`
	Score     float64 `json:"score"` // from 0.5 on regular, from 0.8 on like a clock; 0: neither
	Period    float64 `json:"period_s,omitempty"`
	Deviation float64 `json:"deviation_s,omitempty"` // half of the gaps are within
	Contacts  int     `json:"contacts,omitempty"`
	Held      float64 `json:"held_s,omitempty"` // a connection is held open so long
}

// Gaps counts the times between contacts that follow each other.
type Gaps struct {
	// Edges, in seconds, are one more than Counts: each is from one edge to the next.
	Edges   []float64 `json:"edges_s"`
	Counts  []int     `json:"counts"`
	Outside int       `json:"outside,omitempty"` // shorter or longer than the edges
}

const (
	// mostPairs are answered, and mostApart told apart before, with the regularity of
	// mostContacts records: 22 MB in all.
	mostPairs, mostApart, mostContacts = 200, 20_000, 1 << 18
	// gapPieces is how many bars gaps are counted in, and fewGaps how many it takes.
	gapPieces, fewGaps = 21, 4
)

// talk answers whom an address talked to, how much and how regularly.
func (a *API) talk(w http.ResponseWriter, r *http.Request) {
	addr, ok := addressOf(w, r)
	if !ok {
		return
	}
	a.ask(w, r, func(ctx context.Context, q *asking) (any, error) {
		groups, beyond, err := a.pairs(ctx, q, addr)
		if err != nil {
			return nil, err
		}
		out := Talk{From: q.from.UTC(), To: q.to.UTC(), First: q.first(), Total: len(groups), Pairs: []Pair{}, Beyond: beyond, About: map[string]About{}}
		type found struct {
			pair Pair
			peer netip.Addr
			of   *hunt.Group
			rank int
		}
		all := make([]found, 0, len(groups))
		for _, g := range groups {
			pair, peer := pairOf(g)
			x := found{pair: pair, peer: peer, of: g}
			if len(a.d.Listed(peer)) > 0 {
				x.rank = 1
			}
			all = append(all, x)
		}
		slices.SortStableFunc(all, func(x, y found) int {
			return cmp.Or(y.rank-x.rank, cmp.Compare(y.pair.Sent+y.pair.Received, x.pair.Sent+x.pair.Received))
		})
		for _, x := range all[:min(len(all), mostPairs)] {
			x.pair.Rhythm, x.pair.Gaps = rhythmOf(x.of.Regular()), gapsOf(x.of.Gaps())
			out.Pairs = append(out.Pairs, x.pair)
			if y := a.about(x.peer); y != (About{}) {
				out.About[x.pair.Peer] = y
			}
		}
		out.Damaged, out.TookMS = q.damaged, time.Since(q.begun).Milliseconds()
		return out, nil
	})
}

// pairs finds whom an address talked to: it is looked for like a listed one.
func (a *API) pairs(ctx context.Context, q *asking, addr netip.Addr) ([]*hunt.Group, uint64, error) {
	network := netip.PrefixFrom(addr, addr.BitLen())
	b := intel.NewBuilder("asked")
	b.Add(&intel.Indicator{Prefix: network, Score: intel.DefaultConfidence})
	finder := hunt.NewFinder(alert.NewPolicy(a.d.Networks(), a.d.History.ServicePorts(), nil), intel.NewSet(b.Block()), q.begun)
	finder.Bound(mostApart, mostContacts)
	set := query.NewAddrSet([]flow.Range{flow.RangeOf(network)})
	alone := q.Filter.All()
	q.Filter = q.Filter.And(hunt.Listed(set))
	_, err := q.data.Records(ctx, q.Question, hunt.Options(alone), func(f *query.Found) error {
		finder.Add(&f.Record.Record, hunt.Sides(&f.Record.Record, set.Contains))
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	groups, beyond := finder.Groups()
	return groups, beyond, nil
}

// pairOf returns what passed in a group, and with whom.
func pairOf(g *hunt.Group) (p Pair, peer netip.Addr) {
	h := g.Sums()
	p = Pair{
		Peer: h.Local.String(), Proto: hit.ProtoName(h.Proto), Port: h.DstPort, Opened: h.Src == h.Remote, State: h.State,
		First: h.Start, Last: h.End, Flows: h.Count, Sent: h.SrcBytes, Received: h.DstBytes,
	}
	if !p.Opened {
		p.Sent, p.Received = p.Received, p.Sent
	}
	if p.Proto == "" {
		p.Proto = fmt.Sprint(h.Proto)
	}
	if flow.IsICMP(h.Proto) {
		p.Port = hit.NoPort
	}
	return p, h.Local
}

func rhythmOf(r *hit.Regular) *Rhythm {
	if r == nil {
		return nil
	}
	return &Rhythm{r.String(), math.Round(r.Score*100) / 100, r.PeriodSeconds, r.DeviationSeconds, r.Contacts, r.HeldSeconds}
}

// gapsOf counts gaps in pieces: of equal length around the middle where they are much
// alike, else of equal ratio, from the shortest to the longest.
func gapsOf(gaps []float64) *Gaps {
	if len(gaps) < fewGaps {
		return nil
	}
	slices.Sort(gaps)
	at := func(part float64) float64 { return max(gaps[int(part*float64(len(gaps)-1))], 0.1) }
	x := &Gaps{Counts: make([]int, gapPieces)}
	low, middle, high := at(0.1), at(0.5), at(0.9)
	edge := func(i int) float64 { return low * math.Pow(high/low, float64(i)/gapPieces) }
	if high/low < 4 {
		half := max(middle-low, high-middle, middle/50, 1) * 1.5
		low = max(0, middle-half)
		width := (middle + half - low) / gapPieces
		edge = func(i int) float64 { return low + width*float64(i) }
	} else {
		low, high = at(0), at(1)*1.001
	}
	for i := range gapPieces + 1 {
		x.Edges = append(x.Edges, math.Round(edge(i)*1000)/1000)
	}
	for _, gap := range gaps {
		i, _ := slices.BinarySearch(x.Edges, math.Nextafter(max(gap, 0.1), math.Inf(1)))
		if i == 0 || i > gapPieces {
			x.Outside++
			continue
		}
		x.Counts[i-1]++
	}
	return x
}
