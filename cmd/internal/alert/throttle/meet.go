package throttle

import (
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
)

// maxFirstSenders bounds each of the two generations of firstSenders: 1 MB together.
const maxFirstSenders = 8192

// firstSenders remembers who was first seen to send between pairs whose
// conversations look alike from both sides (equal ports, as of NTP and SIP) and
// whose first record is noise, so that they have no entry yet. It forgets after
// one to two windows.
type firstSenders struct {
	window    int64
	now, then map[key]bool // whether the local side was first
}

// settle turns an event whose opener is not told to the pair's first sender.
func (f *firstSenders) settle(pair key, ev *alert.Event, window int64) {
	if f.now == nil || f.window != window || len(f.now) >= maxFirstSenders {
		f.window, f.then, f.now = window, f.now, make(map[key]bool)
	}
	local, ok := f.now[pair]
	if !ok {
		if local, ok = f.then[pair]; !ok {
			local = ev.LocalOpened
		}
		f.now[pair] = local
	}
	if local != ev.LocalOpened {
		ev.LocalOpened = local
		ev.Judge()
	}
}

// meetWithin is how far apart the two directions of a conversation are received
// at most: exporters send them within a timeout of each other.
const meetWithin = int64(5 * time.Minute)

// meet lets a pair's two directions tell together what neither tells alone: who
// opened, and whether both sides sent data. It judges the event again if so.
func (e *entry) meet(ev *alert.Event) {
	judge := false
	if ev.LocalOpened != e.opened {
		if ev.OpenerTold { // another conversation, the other way round
			e.opened, e.localData, e.remoteData = ev.LocalOpened, 0, 0
		} else {
			ev.LocalOpened, judge = e.opened, true
		}
	}
	if ev.LocalData {
		e.localData = ev.Last
	}
	if ev.RemoteData {
		e.remoteData = ev.Last
	}
	if ev.LocalData != ev.RemoteData && e.localData != 0 && e.remoteData != 0 && max(e.localData, e.remoteData)-min(e.localData, e.remoteData) <= meetWithin {
		ev.LocalData, ev.RemoteData, judge = true, true, true
	}
	if judge {
		ev.Judge()
	}
}
