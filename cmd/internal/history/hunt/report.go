package hunt

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/hit"
)

// maxLines is how many lines one hunt says before it sums up the rest.
const maxLines = 200

// report makes the lines of a task: a hit for each group, one for the inbound attempts
// against each feed's indicators, and beyond maxLines one for all that is left, which
// names the command that lists it.
func report(groups []*Group, beyond uint64, t *Task, now time.Time, back time.Duration) []*hit.Hit {
	attempts := map[string][]*Group{}
	var feeds []string
	var lines []*hit.Hit
	var rest []*Group
	for _, g := range groups {
		feed := g.worst.indicators[0].Feed
		switch {
		case g.probe():
			if attempts[feed] == nil {
				feeds = append(feeds, feed)
			}
			attempts[feed] = append(attempts[feed], g)
		case len(lines) < maxLines:
			lines = append(lines, g.Hit(t.ID, now))
		default:
			rest = append(rest, g)
		}
	}
	slices.Sort(feeds)
	for _, feed := range feeds {
		h := coarse(attempts[feed], t.ID, now)
		h.ID = id(t.ID, &groupKey{port: feedKey(feed)})
		lines = append(lines, h)
	}
	if len(rest) > 0 {
		h := coarse(rest, t.ID, now)
		h.ID = id(t.ID, &groupKey{port: hit.NoPort})
		h.Count = flow.Sum(h.Count, beyond)
		more := fmt.Sprintf("%d more", len(rest))
		if beyond > 0 {
			more = fmt.Sprintf("at least %d more", len(rest))
		}
		// A line goes on behind its name: that is a comment, and the command can be copied with it.
		h.Name = fmt.Sprintf("%s conversations with addresses that are listed since %s: flowhound hunt --listed-since %[2]s --last %[3]dh # lists them", more, stamp(t.To).Format(time.RFC3339), int(math.Ceil(back.Hours())))
		lines = append(lines, h)
	}
	return lines
}

// feedKey tells feeds apart in the id of their lines, away from every port.
func feedKey(feed string) int32 {
	n := uint32(2166136261)
	for i := range len(feed) {
		n = (n ^ uint32(feed[i])) * 16777619
	}
	return int32(n | 1<<30)
}

// coarse sums groups up in one hit: that of the first, which is the worst, with the sums
// of all and how many addresses they are.
func coarse(groups []*Group, seed uint64, now time.Time) *hit.Hit {
	h := groups[0].Hit(seed, now)
	sources, targets, ports := map[netip.Addr]bool{h.Src: true}, map[netip.Addr]bool{h.Dst: true}, true
	for _, g := range groups[1:] {
		x := g.Hit(seed, now)
		h.Count, h.Duplicates = flow.Sum(h.Count, x.Count), flow.Sum(h.Duplicates, x.Duplicates)
		h.Bytes, h.Packets = flow.Sum(h.Bytes, x.Bytes), flow.Sum(h.Packets, x.Packets)
		h.SrcBytes, h.SrcPackets = flow.Sum(h.SrcBytes, x.SrcBytes), flow.Sum(h.SrcPackets, x.SrcPackets)
		h.DstBytes, h.DstPackets = flow.Sum(h.DstBytes, x.DstBytes), flow.Sum(h.DstPackets, x.DstPackets)
		h.Start, h.First = earlier(h.Start, x.Start), earlier(h.First, x.First)
		h.End, h.Last = later(h.End, x.End), later(h.Last, x.Last)
		sources[x.Src], targets[x.Dst] = true, true
		ports = ports && x.DstPort == h.DstPort
	}
	if len(groups) > 1 {
		h.SrcPort, h.Exporters, h.Regular = hit.NoPort, nil, nil
		if !ports {
			h.DstPort = hit.NoPort
		}
	}
	h.Sources, h.Targets = len(sources), len(targets)
	return h
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// talk is what an alert and a group have in common when they speak of the same.
type talk struct {
	a, b  netip.Addr // the lower first
	proto uint8
	port  int32
}

func talkOf(a, b netip.Addr, proto uint8, port int32) talk {
	a, b = a.Unmap(), b.Unmap()
	if b.Less(a) {
		a, b = b, a
	}
	return talk{a, b, proto, port}
}

// unsaid leaves out the groups that alerts have told of: all of what was found of them
// lies between the first and the last record of a pair's alerts.
func (h *Hunter) unsaid(groups []*Group, since time.Time) ([]*Group, error) {
	if len(groups) == 0 {
		return nil, nil
	}
	type span struct{ start, end time.Time }
	told := map[talk]*span{}
	for _, g := range groups {
		told[talkOf(g.key.local.IP(), g.key.remote.IP(), g.key.proto, g.key.port)] = &span{}
	}
	err := h.d.Alerted(since, func(x *hit.Hit) {
		if x.Sources > 1 || x.Targets > 1 || x.Kind == hit.DNSBL {
			return
		}
		port := int32(x.DstPort)
		if flow.IsICMP(x.Proto) {
			port = hit.NoPort
		}
		s := told[talkOf(x.Src, x.Dst, x.Proto, port)]
		switch {
		case s == nil:
		case s.start.IsZero():
			*s = span{x.Start, x.End}
		default:
			s.start, s.end = earlier(s.start, x.Start), later(s.end, x.End)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("the list of earlier alerts cannot be read: %w", err)
	}
	return slices.DeleteFunc(groups, func(g *Group) bool {
		s := told[talkOf(g.key.local.IP(), g.key.remote.IP(), g.key.proto, g.key.port)]
		// A line tells times in whole seconds.
		return !s.start.IsZero() && !stamp(g.start).Before(s.start.Add(-time.Second)) && !stamp(g.end).After(s.end.Add(time.Second))
	}), nil
}
