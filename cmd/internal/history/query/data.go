package query

import (
	"context"
	"errors"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

// Data is the history at one moment: what questions are asked of. Its methods may be
// called concurrently.
type Data struct {
	// Files are in the order of time.
	Files []Part
	// Select, unless it is nil, returns for each of Files the row groups that can hold a
	// flow with one of the addresses on either side or before or after translation:
	// nil for all, empty for none. there are those of the addresses that can be in files
	// whose groups it returns; nil: all can. It may read so many indexes at once.
	Select func(set *AddrSet, workers int) (groups [][]int, there *AddrSet)
	// Recent, unless it is nil, gives the records that are in no file yet.
	Recent func(context.Context, func([]flow.Record) error) error
	// Countries, unless it is nil, gives what countries sent each other in each hour, and
	// returns for which of Files that stands. So many workers, numbered from 0 on, call
	// each at once, with the number of a file in Files and some of its rows, which have the
	// sums and are valid during the call.
	Countries func(workers int, want dataset.Wanted, each func(worker, file int, rows []CountryHour) error) ([]bool, error)
	// Services is Countries for each service.
	Services func(workers int, want dataset.Wanted, each func(worker, file int, rows []CountryHour) error) ([]bool, error)
	// Largest, unless it is nil, gives the lists of the largest ends of a side, of the
	// countries that are wanted, with the number of their file in Files. It returns for
	// which of Files they stand. raw: counts as exported.
	Largest func(side dataset.Side, raw bool, wanted func([2]byte) bool, each func(file int, l *EndList) error) ([]bool, error)
	// Aside names files that were found damaged before and are not among Files.
	Aside []string
	// Places says where the addresses of Recent's records are; nil: nobody knows.
	Places column.Places
}

// parts returns the files and row groups that can hold what is asked.
func (d *Data) parts(q *Question) []Part {
	from, to := q.bounds()
	var groups [][]int
	set := needed(q.Filter.root)
	var there *AddrSet
	if set != nil && d.Select != nil {
		groups, there = d.Select(set, q.workers())
	}
	var out []Part
	for i, p := range d.Files {
		if !p.overlaps(from, to) {
			continue
		}
		if groups != nil && groups[i] != nil {
			if p.Groups = groups[i]; len(p.Groups) == 0 {
				continue
			}
			p.asked, p.there = set, there
		}
		out = append(out, p)
	}
	return out
}

// most4 is how many IPv4 addresses a set may have for an index to be worth asking.
const most4 = 1 << 26

// needed returns addresses one of which every row has that holds a record that n
// accepts, nil when there is no such set or it is too large to help.
func needed(n *node) *AddrSet {
	set := addressesOf(n)
	if set == nil || set.size4() > most4 {
		return nil
	}
	return set
}

func addressesOf(n *node) *AddrSet {
	switch {
	case n == nil:
		return nil
	case n.op == opLeaf && !n.negated && fields[n.field].form == formAddress && n.field != Exporter:
		return n.vals.addrs
	case n.op == opAnd:
		var best *AddrSet
		for _, k := range n.kids {
			if s := addressesOf(k); s != nil && (best == nil || s.size4() < best.size4()) {
				best = s
			}
		}
		return best
	case n.op == opOr:
		var sets []*AddrSet
		for _, k := range n.kids {
			s := addressesOf(k)
			if s == nil {
				return nil
			}
			if !slices.Contains(sets, s) { // src or dst of one list
				sets = append(sets, s)
			}
		}
		if len(sets) == 1 {
			return sets[0]
		}
		var all []flow.Range
		for _, s := range sets {
			all = append(all, s.ranges...)
		}
		return NewAddrSet(all)
	}
	return nil
}

// size4 returns how many IPv4 addresses are in the set; an IPv6 range counts for one.
func (s *AddrSet) size4() (n uint64) {
	for _, r := range s.ranges {
		if r.First.Is4() && r.Last.Is4() {
			n += uint64(r.Last.V4()-r.First.V4()) + 1
		} else {
			n++
		}
	}
	return n
}

// recent gives each the records that are in no file yet and that the question accepts:
// a record that counted both directions is two. What each is given is valid during the
// call.
func (d *Data) recent(ctx context.Context, q *Question, each func(*Conversation, [2]bool) error) error {
	if d.Recent == nil {
		return nil
	}
	from, to := q.bounds()
	err := d.Recent(ctx, func(records []flow.Record) error {
		for i := range records {
			c := d.unwritten(&records[i])
			var found [2]bool
			for w, r := range []*Record{&c.Record, &c.Answer} {
				at := floorMillis(r.Begin())
				found[w] = (w == 0 || c.Answered) && from <= at && at < to && q.Filter.Match(r, q.Raw)
			}
			if found[0] || found[1] {
				if err := each(&c, found); err != nil {
					return err
				}
			}
		}
		return nil
	})
	var damaged *dataset.LogError
	if errors.As(err, &damaged) && q.Damaged != nil {
		q.Damaged("part of "+damaged.Path, damaged)
		return nil
	}
	return err
}

// unwritten returns a record as it will stand in a file.
func (d *Data) unwritten(f *flow.Record) Conversation {
	c := Conversation{Record: Record{Record: *f, SrcCC: "--", DstCC: "--", SrcAS: f.SrcAS, DstAS: f.DstAS}}
	if d.Places != nil {
		c.SrcCC, c.SrcAS = d.place(f.Src, f.SrcAS, c.Begin())
		c.DstCC, c.DstAS = d.place(f.Dst, f.DstAS, c.Begin())
	}
	if f.Has&flow.HasReverse == 0 || f.RevBytes|f.RevPackets == 0 {
		return c
	}
	a := column.Mirror(f)
	a.Received, a.Start, a.End = f.Received, f.Start, f.End
	a.Bytes, a.Packets, a.TCPFlags, a.Has = f.RevBytes, f.RevPackets, f.RevTCPFlags, answerHas(f.Has)
	c.Answer = Record{Record: a, SrcCC: c.DstCC, DstCC: c.SrcCC, SrcAS: c.DstAS, DstAS: c.SrcAS}
	c.Answered = true
	c.Has &^= flow.HasReverse | flow.HasRevTCPFlags
	c.RevBytes, c.RevPackets, c.RevTCPFlags = 0, 0, 0
	return c
}

// place returns the country and AS of an address: the exporter's word on the AS first.
func (d *Data) place(a flow.Addr, sent uint32, at int64) (country string, as uint32) {
	cc, as := d.Places(a, at)
	if sent != 0 {
		as = sent
	}
	if cc == [2]byte{} {
		return "--", as
	}
	return countryName(cc[:]), as
}
