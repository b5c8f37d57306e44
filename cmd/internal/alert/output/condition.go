package output

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
)

// Status is how an output is doing. All but Trying are words of output lines.
type Status string

// The statuses.
const (
	OK       Status = "ok"       // nothing is amiss
	Trying   Status = "trying"   // it is not ready, or its last attempt failed, and that is not old enough to be news
	Down     Status = "down"     // that is so for more than 5 s, or does not pass by itself
	Dropping Status = "dropping" // within the last minute it lost hits, or gave them up as dead letters
)

const (
	// downAfter is how long an output may fail before it is said to be down: a
	// restart of the other side is no news.
	downAfter = 5 * time.Second
	// dropEvery is how often it is said that hits are lost or given up, and how long none
	// may be until that is over.
	dropEvery = time.Minute
)

// condition counts what became of an output's hits, and knows how it is doing and what was
// said of that.
type condition struct {
	out *Output

	mu      sync.Mutex
	stats   Stats     // what is counted, Oldest and Tested
	done    int       // hits in hand that are delivered
	failure string    // of the last attempt; "": it did not fail
	writer  string    // what keeps the writer from working
	downAt  time.Time // it goes down then, unless it works before; zero: it works
	down    bool      // that was said

	lost, dead tally
	journal    journal.Lost // what the journal has lost, in lost too
	reason     string       // why the last hit was lost or became a dead letter
	dropping   bool         // that was said
	said       time.Time    // and when, the last time
	grown      time.Time    // when a count rose
}

// tally counts hits that the output gave up.
type tally struct {
	count, told uint64 // now, and when it was said
	reason      string // of the last one
}

// count changes what is counted.
func (c *condition) count(change func(c *condition)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

// failed says that nothing can be delivered, and why; "": it can. For sure is what
// does not pass by itself.
func (c *condition) failed(why string, sure bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = why
	now := time.Now()
	c.look(now)
	if sure {
		c.downAt = now
	}
}

// worked says that something was delivered.
func (c *condition) worked() { c.failed("", false) }

// look keeps since when it fails. mu is held.
func (c *condition) look(now time.Time) {
	switch {
	case c.problem() == "":
		c.downAt = time.Time{}
	case c.downAt.IsZero():
		c.downAt = now.Add(downAfter)
	}
}

func (c *condition) problem() string {
	if c.writer != "" {
		return c.writer
	}
	return c.failure
}

// lose counts hits that are lost.
func (c *condition) lose(n uint64, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveUp(&c.lost, n, why)
}

// die counts a hit that became a dead letter, and returns how many those are.
func (c *condition) die(why string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveUp(&c.dead, 1, why)
	return c.dead.count
}

// giveUp counts hits that the output gave up. mu is held.
func (c *condition) giveUp(t *tally, n uint64, why string) {
	if n > 0 {
		t.count += n
		t.reason, c.reason, c.grown = why, why, time.Now()
	}
}

// update takes what keeps the writer from working and what the journal has lost by now, and
// returns what waits there. mu is held.
func (c *condition) update(now time.Time) (waiting int, bytes int64) {
	o := c.out.opts()
	c.writer = o.Problem()
	c.look(now)
	waiting, bytes, lost := o.Journal.Waiting(CursorOf(o.Name))
	c.giveUp(&c.lost, lost.Damaged-c.journal.Damaged, "the journal was damaged on disk")
	c.giveUp(&c.lost, lost.Memory-c.journal.Memory, "data_dir cannot be written, and memory was full")
	c.giveUp(&c.lost, lost.Full-c.journal.Full, "more waits than spool allows: the oldest hits made room for new ones")
	c.journal = lost
	return waiting, bytes
}

// now returns how the output is doing.
func (c *condition) now() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	waiting, bytes := c.update(now)
	s := c.stats
	s.Dropped, s.Dead = c.lost.count, c.dead.count
	if waiting > 0 {
		s.Depth, s.Bytes = uint64(max(0, waiting-c.done)), bytes
	}
	switch failing := !c.downAt.IsZero(); {
	case failing && (c.down || !now.Before(c.downAt)):
		s.Status, s.Problem = Down, c.problem()
	case c.dropping:
		s.Status, s.Problem = Dropping, c.reason
	case failing:
		s.Status, s.Problem = Trying, c.problem()
	default:
		s.Status = OK
	}
	return s
}

// tick says what has changed by now. An output that has nothing to deliver is down, too,
// while it could not.
func (c *condition) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, report := time.Now(), c.out.opts().Report
	c.update(now)
	c.tellLosses(now, report)
	switch failing := !c.downAt.IsZero(); {
	case failing && !c.down && !now.Before(c.downAt):
		c.down = true
		report(string(Down), c.problem())
	case !failing && c.down:
		c.down = false
		report(string(OK), "delivers again")
	}
}

// tellLosses says of hits that the output gave up what there is to say. mu is held.
func (c *condition) tellLosses(now time.Time, report func(status, msg string)) {
	var news []string
	if n := c.lost.count - c.lost.told; n > 0 {
		news = append(news, fmt.Sprintf("%d hits are lost: %s", n, c.lost.reason))
	}
	if n := c.dead.count - c.dead.told; n > 0 {
		news = append(news, fmt.Sprintf("%d hits are dead letters, which output replay-dead sends again: %s", n, c.dead.reason))
	}
	switch {
	case len(news) > 0 && (!c.dropping || now.Sub(c.said) >= dropEvery):
		report(string(Dropping), strings.Join(news, "; "))
		c.lost.told, c.dead.told, c.dropping, c.said = c.lost.count, c.dead.count, true, now
	case c.dropping && len(news) == 0 && now.Sub(c.grown) >= dropEvery:
		c.dropping = false
		if !c.down {
			report(string(OK), fmt.Sprintf("drops no more hits; since the start %d are lost, %d dead letters", c.lost.count, c.dead.count))
		}
	}
}
