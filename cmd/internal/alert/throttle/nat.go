package throttle

import (
	"fmt"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/flow"
)

const (
	// maxInside conversations are remembered as seen from inside, for insideFor at least:
	// also of those that come back once an hour, the view from outside is often told first.
	maxInside = 8192
	insideFor = int64(12 * time.Hour)
	// quietInside is how long no view from inside has come when none is expected.
	quietInside = int64(30 * time.Minute)
)

// natView remembers by which key a conversation was last told as seen from inside, where
// addresses are translated: those of networks.nat, and what natLearner found.
type natView struct {
	recently[key]
	last int64 // when the last view from inside came
	// early are the keys of conversations that were seen from outside first.
	early   map[key]key
	outside map[key]*tally
	natLearner
}

// tally is what was seen outside of a pair that is known inside, by volume.
type tally struct{ sent, received seen }

// seen is what one side sent, as seen outside: in all, and by the last line, where it was
// inside then, and what lines have said of it.
type seen struct{ all, before, inside, given uint64 }

// outer is what both views of a conversation have in common, the remote side: the
// other's port may be translated too, and who opened be guessed from that.
func outer(ev *alert.Event) key {
	return key{scope: scopeRemote, proto: ev.Proto, port: int32(ev.RemotePort), a: ev.Remote}
}

// translated reports whether an event is of an address that others are translated to.
func (n *natView) translated(ev *alert.Event) bool {
	return ev.BehindNAT() || n.isNAT(ev.Local)
}

// active reports whether any address is known to be one that others are translated to.
func (n *natView) active(ev *alert.Event) bool { return ev.NATKnown() || n.learned > 0 }

// remember notes that e tells of an event's conversation as it is inside.
func (t *Table) remember(ev *alert.Event, e *entry) {
	n := &t.nat
	if !n.active(ev) || n.translated(ev) || !ev.LocalNetwork.IsValid() {
		return
	}
	n.turn(t.now/insideFor, maxInside)
	n.now[outer(ev)], n.last = e.key, t.now
}

// joinEarly makes a duplicate of what was seen outside, and said, before e held the
// conversation as it is inside.
func (t *Table) joinEarly(ev *alert.Event, e *entry) {
	o := outer(ev)
	k, ok := t.nat.early[o]
	if !ok || t.nat.now[o] != e.key || k == e.key {
		return
	}
	delete(t.nat.early, o)
	first := t.entries[k]
	if first == nil || first.held == nil || first.lines != 1 {
		return // its own line has counted it
	}
	if e.key.scope == scopePair {
		t.nat.count(e, first.sent, first.received)
	}
	h := first.held
	h.duplicates, h.count = flow.Sum(h.duplicates, h.count), 0
	h.srcBytes, h.srcPackets, h.dstBytes, h.dstPackets = 0, 0, 0, 0
	h.clientPort = e.held.clientPort
	h.shown.local, h.shown.natLocal = ev.Local, h.shown.local
	t.surrender(first, e)
}

// lately reports whether conversations were seen from inside in the last minutes.
func (n *natView) lately(now int64) bool { return n.last > 0 && now-n.last <= quietInside }

// yield returns the entry that tells of the event's conversation as it is inside, nil
// when that was not seen or the event itself tells. The event becomes a duplicate: its
// severity and its volume count, its records do not.
func (t *Table) yield(ev *alert.Event) *entry {
	n := &t.nat
	if !n.translated(ev) {
		return nil
	}
	k, ok := n.get(outer(ev))
	e := t.entries[k]
	if !ok || e == nil {
		return nil
	}
	sent, received, raised := volume(ev)
	if k.scope == scopePair {
		ev.NATLocal, ev.Local = ev.Local, k.a
		e.meet(ev)
		x := n.count(e, sent, received)
		if !e.raised && tooMuch(x.sent.all, x.received.all) {
			e.raised, e.mustSay = true, true
		}
		if e.raised {
			ev.Raised = true
			ev.Assess()
		}
		if e.idle && e.held == nil { // so that what is seen here alone is not held for a day
			e.idle = false
			t.until(e, saturate(t.now, int64(t.o.Window)))
		}
	} else if raised {
		return nil // nobody keeps the volume of one pair there
	}
	ev.Duplicates, ev.Count = flow.Sum(ev.Duplicates, ev.Count), 0
	ev.LocalBytes, ev.LocalPackets, ev.RemoteBytes, ev.RemotePackets = 0, 0, 0, 0
	return e
}

// count adds to what was seen outside of a pair.
func (n *natView) count(e *entry, sent, received uint64) *tally {
	if n.outside == nil {
		n.outside = make(map[key]*tally)
	}
	x := n.outside[e.key]
	if x == nil {
		x = new(tally)
		n.outside[e.key] = x
	}
	x.sent.all, x.received.all = flow.Sum(x.sent.all, sent), flow.Sum(x.received.all, received)
	return x
}

// settle adds to what e holds what was seen outside alone: so a forged record from
// inside makes no volume smaller.
func (n *natView) settle(e *entry) {
	x := n.outside[e.key]
	if x == nil {
		return
	}
	sent, received := x.sent.beyond(e.sent), x.received.beyond(e.received)
	if !e.held.shown.localOpened {
		sent, received = received, sent
	}
	e.held.srcBytes, e.held.dstBytes = flow.Sum(e.held.srcBytes, sent), flow.Sum(e.held.dstBytes, received)
}

// beyond returns what was seen outside and not inside: as of the line before, because the
// views come at different times; as of now where since then more than twice as much was
// seen outside.
func (x *seen) beyond(inside uint64) uint64 {
	until := x.before
	if (x.all-x.before)/2 > inside-min(inside, x.inside) {
		until = x.all
	}
	d := until - min(until, flow.Sum(inside, x.given))
	x.before, x.inside, x.given = x.all, inside, flow.Sum(x.given, d)
	return d
}

// sayEarly says what was seen outside, where a view from inside is to be expected, without
// counting it yet: the line of the host inside counts it, or, if none comes, the next one
// of this key.
func (t *Table) sayEarly(e *entry, o key) {
	e.said, e.saidBytes, e.saidAt = e.held.severity, e.held.bytes(), t.now
	e.idle, e.mustSay = false, false
	t.until(e, saturate(t.now, t.nextWindow(e)))
	e.lines++
	h := e.held.hit(e)
	h.Name += fmt.Sprintf(" (seen outside the address translation, %d bytes: who it is inside may follow)", h.Bytes)
	h.Count, h.Duplicates, h.Bytes, h.Packets, h.SrcBytes, h.DstBytes, h.SrcPackets, h.DstPackets, h.Exporters = 0, 0, 0, 0, 0, 0, 0, 0, nil
	t.tell(e, h, e.kind(true), t.now)
	if t.nat.early == nil || len(t.nat.early) >= maxInside {
		t.nat.early = make(map[key]key)
	}
	t.nat.early[o] = e.key
}
