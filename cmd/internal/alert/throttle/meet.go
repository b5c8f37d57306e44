package throttle

import (
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
)

// recently is a map that forgets what was put into it one to two generations ago, and
// sooner when there is much: each generation is bounded.
type recently[V any] struct {
	generation int64
	now, then  map[key]V
}

// turn begins another generation where that of before is another, or has most entries.
func (r *recently[V]) turn(generation int64, most int) {
	if r.now == nil || r.generation != generation || len(r.now) >= most {
		r.generation, r.then, r.now = generation, r.now, make(map[key]V)
	}
}

func (r *recently[V]) get(k key) (v V, ok bool) {
	if v, ok = r.now[k]; !ok {
		v, ok = r.then[k]
	}
	return v, ok
}

// maxFirstSenders bounds each generation of Table.first: 1 MB together.
const maxFirstSenders = 8192

// settleOpener turns an event whose opener is not told to the pair's first sender, as
// far as one to two windows remember: of conversations that look alike from both sides
// (equal ports, as of NTP and SIP) and begin as noise, so that they have no entry yet.
func (t *Table) settleOpener(pair key, ev *alert.Event) {
	t.first.turn(t.now/int64(t.o.Window), maxFirstSenders)
	local, ok := t.first.get(pair)
	if !ok {
		local = ev.LocalOpened
	}
	t.first.now[pair] = local
	if local != ev.LocalOpened {
		ev.LocalOpened = local
		ev.Assess()
	}
}

// meetWithin is how far apart the two directions of a conversation are received
// at most: exporters send them within a timeout of each other.
const meetWithin = int64(5 * time.Minute)

// meet lets a pair's two directions tell together what neither tells alone: who
// opened, and whether both sides sent data. It assesses the event again if so.
func (e *entry) meet(ev *alert.Event) {
	changed := false
	if ev.LocalOpened != e.opened {
		if ev.OpenerTold { // another conversation, the other way round
			e.opened, e.localData, e.remoteData = ev.LocalOpened, 0, 0
		} else {
			ev.LocalOpened, changed = e.opened, true
		}
	}
	if ev.LocalData {
		e.localData = ev.Last
	}
	if ev.RemoteData {
		e.remoteData = ev.Last
	}
	if ev.LocalData != ev.RemoteData && e.localData != 0 && e.remoteData != 0 && max(e.localData, e.remoteData)-min(e.localData, e.remoteData) <= meetWithin {
		ev.LocalData, ev.RemoteData, changed = true, true, true
	}
	if changed {
		ev.Assess()
	}
}
