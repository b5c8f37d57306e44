package throttle

import (
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/regular"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/hit"
)

// route finds the entry for an event, or makes it. Noise goes to its group, also that
// of a visitor who is known; what is part of a crowd to the crowd's shared key; the
// rest to the pair's own.
func (t *Table) route(ev *alert.Event, c *conn, first bool) (e *entry, isNew bool) {
	t.nat.learn(ev, t.now)
	if e := t.yield(ev); e != nil {
		return e, false
	}
	pair := pairKey(ev)
	e = t.entries[pair]
	if e != nil {
		e.meet(ev)
	} else if !ev.OpenerTold {
		t.settleOpener(pair, ev)
	}
	t.weigh(e, ev, c, first)
	if k, ok := noiseKey(ev); ok {
		return t.find(t.noise.fit(k, t.entries), ev)
	}
	if !ev.Raised {
		if k, ok := t.crowds.shares(t, ev, e); ok {
			shared, isNew := t.find(k, ev)
			t.share(shared, e, ev)
			t.remember(ev, shared)
			return shared, isNew
		}
	}
	if isNew = e == nil; isNew {
		e = t.insertPair(pair, ev)
	} else {
		e.tick(ev)
	}
	t.remember(ev, e)
	return e, isNew
}

// find returns the entry of a key, or makes it.
func (t *Table) find(k key, ev *alert.Event) (e *entry, isNew bool) {
	if e = t.entries[k]; e != nil {
		return e, false
	}
	return t.insert(k, newSeries(k, ev.First)), true
}

// insertPair makes the entry of a pair whose first event is ev.
func (t *Table) insertPair(pair key, ev *alert.Event) *entry {
	e := t.insert(pair, newSeries(pair, ev.First))
	e.opened = ev.LocalOpened
	e.clock = new(regular.State)
	e.tick(ev)
	e.sent, e.received, e.raised = volume(ev)
	e.group = groupOfEvent(ev)
	t.crowds.add(e, ev.Severity > hit.Medium, t.now, t.o.Window)
	e.meet(ev)
	return e
}

// trackFrom is how much one record of a crowd must send for its pair to be counted
// apart: what is carried out in pieces of less takes all day to be worth it.
const trackFrom = 64_000

// share lets a pair that is part of a crowd go on in the shared entry. What it holds
// goes along; it stays known itself for its volume and its clock.
func (t *Table) share(shared, e *entry, ev *alert.Event) {
	if e == nil {
		if sent, _, ok := ev.SentOut(); ok && sent >= trackFrom {
			e = t.insertPair(pairKey(ev), ev)
			e.idle, e.saidAt = true, t.now
			t.until(e, saturate(t.now, int64(t.o.MaxWindow)))
		}
		return
	}
	e.tick(ev)
	e.saidAt = t.now // it lives, though it says nothing itself
	t.recent.used(e)
	t.surrender(e, shared)
}

// surrender moves what e holds to a shared entry.
func (t *Table) surrender(e, shared *entry) {
	if e.held == nil {
		return
	}
	o := e.held
	if shared.held == nil {
		shared.held = o
	} else {
		shared.held.add(&o.sums, o.shown.exporter, o.exporters)
	}
	if shared.key.scope != scopePair {
		shared.held.addAddresses(o.shown.local, o.shown.remote, o.shown.localOpened, flow.Sum(o.count, o.duplicates), &t.addrs)
	}
	e.held = nil
}

// What was sent to a listed address is worth a severity: this much, or this much and
// so many times what came back.
const (
	raiseBytes                 = 100_000_000
	raiseFromBytes, raiseTimes = 10_000_000, 5
)

// volume returns what an event sends out of the own networks and what comes in, and
// whether that makes it worse. A side whose packets are all small acknowledges and
// sends nothing.
func volume(ev *alert.Event) (sent, received uint64, raised bool) {
	sent, received, ok := ev.SentOut()
	if !ok {
		return 0, 0, false
	}
	packets := ev.LocalPackets
	if !ev.LocalNetwork.IsValid() {
		packets = ev.RemotePackets
	}
	small := uint64(80)
	if !ev.Local.Is4() {
		small = 100
	}
	if packets > 0 && sent/packets <= small {
		sent = 0
	}
	return sent, received, tooMuch(sent, received)
}

func tooMuch(sent, received uint64) bool {
	return sent >= raiseBytes || sent >= raiseFromBytes && sent/raiseTimes >= received
}

// weigh judges an event by what came before it: how long the connection lasts and how
// much went over it and over the pair.
func (t *Table) weigh(e *entry, ev *alert.Event, c *conn, first bool) {
	if ev.LogsIn() && !ev.LocalOpened {
		lasted := c.lasted(ev)
		ev.Outlasted = ev.Outlasted || lasted > int64(alert.LoginGrace) || e != nil && e.outlasts(lasted)
		if e != nil {
			e.visit(lasted, first)
		}
	}
	sent, received, raised := volume(ev)
	if e != nil {
		e.sent, e.received = flow.Sum(e.sent, sent), flow.Sum(e.received, received)
		if !e.raised && tooMuch(e.sent, e.received) {
			e.raised, e.mustSay = true, true
		}
		raised = e.raised
	}
	ev.Raised = raised
	ev.Assess()
}

// An attempt to log in is told from a session when there were tries attempts: a
// session is outlast times as long as the longest of the first, and outlastFrom.
const (
	tries       = 10
	outlast     = 4
	outlastFrom = int64(30 * time.Second)
)

// visit notes how long the attempts of a pair take.
func (e *entry) visit(lasted int64, first bool) {
	if e.visits < tries {
		e.usual = uint16(min(max(int64(e.usual), lasted/1e8), 1<<16-1))
	}
	if first && e.visits < 1<<8-1 {
		e.visits++
	}
}

func (e *entry) outlasts(lasted int64) bool {
	return e.visits >= tries && lasted > outlastFrom && lasted > outlast*int64(e.usual)*1e8
}

// told returns the entry that counts what one exporter told after others, and that
// no line of its own key will say.
func (t *Table) again(exporter flow.Addr, first int64) *entry {
	k := key{scope: scopeAgain, port: hit.NoPort, a: exporter}
	if e := t.entries[k]; e != nil {
		return e
	}
	e := t.insert(k, newSeries(k, first))
	e.window = int64(time.Hour)
	e.saidAt = t.now
	t.until(e, saturate(t.now, t.nextWindow(e)))
	return e
}
