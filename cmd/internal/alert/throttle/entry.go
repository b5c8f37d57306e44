package throttle

import (
	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/regular"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/hit"
)

// entry is what is known of one fold key. A full table has tens of thousands: what
// it takes is measured by TestMemoryOfAKey.
type entry struct {
	key     key
	series  uint64
	lines   uint64 // said so far
	created uint64

	end    int64 // Unix nanoseconds: of the window; of an idle entry, when it is forgotten
	window int64 // nanoseconds: the next one; 0: the shortest

	saidBytes uint64 // the most that a line said
	saidAt    int64  // Unix nanoseconds: of the last line, or of the last record that a shared key took

	// Of a pair: when each side was last heard to send data, and how much went out
	// and came in while the entry lives.
	localData, remoteData int64
	sent, received        uint64
	clock                 *regular.State // nil: not a pair

	held *held // nil: nothing

	newer, older *entry // by last use
	at           int32  // place in the queue

	said    hit.Severity // the worst that a line said
	group   group        // of a pair: in which crowds it is counted
	visits  uint8        // of a pair: inbound conversations so far, up to 255
	usual   uint16       // and how long the longest of the first took, in 0.1 s
	idle    bool         // its last window was empty: the next record is said at once
	proven  bool         // it came back: newcomers do not push it out
	opened  bool         // of a pair: by the local side
	raised  bool         // the volume sent, or the number of targets, made it worse
	mustSay bool         // and that was not said yet, though the severity is the same
	kinds   uint8        // of a host's shared key: of listings that it has held
}

// group is how a pair is counted in its crowds.
type group struct {
	category  uint8
	direction direction
	bits      uint8 // of the entry of networks.local that holds the host; 0: none
	inverse   bool  // the listed address is the one inside
	counted   bool
}

// worse reports whether what e holds must be said at once.
func (e *entry) worse() bool {
	b := e.held.bytes()
	return e.held.severity > e.said || e.mustSay || b > worseBytes && b/worseTimes >= e.saidBytes
}

// hold adds an event to what e holds.
func (t *Table) hold(e *entry, ev *alert.Event) {
	h := e.held
	isNew := h == nil
	if isNew {
		h = new(held)
		h.of(ev)
		h.show(ev)
		e.held = h
	}
	if e.key.scope == scopePair {
		if ev.Severity > h.severity {
			h.show(ev)
		}
	} else if ev.Count > 0 || h.behind == nil { // another view may have other addresses
		remotes := h.addAddresses(ev.Local, ev.Remote, ev.LocalOpened, flow.Sum(ev.Count, ev.Duplicates), &t.addrs)
		if remotes.busiest == ev.Remote {
			h.show(ev)
		}
	}
	if !isNew {
		var one sums
		one.of(ev)
		h.add(&one, ev.Exporter, nil)
	}
}

// tick tells the pair's clock of an event.
func (e *entry) tick(ev *alert.Event) {
	if e.clock == nil {
		return
	}
	port := ev.ClientPort()
	e.clock.Add(&regular.Record{
		Start: ev.Start, End: ev.End, Bytes: ev.Told, Exporter: exporterOf(ev),
		Port: uint16(max(port, 0)), TCP: ev.Proto == 6, SYN: ev.SYN, Sampled: ev.Sampling > 1,
	})
}
