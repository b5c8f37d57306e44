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

// condition knows how an output is doing, and what was said of that.
type condition struct {
	say func(status, msg string)

	mu      sync.Mutex
	failure string    // of the last attempt; "": it did not fail
	writer  string    // what keeps the writer from working
	since   time.Time // either is there since then; zero: neither is
	at      time.Time // it goes down then, unless it works before
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
	count, seen, told uint64 // now, at the last look, and when it was said
	reason            string // of the last one
}

func (t *tally) add(n uint64, why string) {
	t.count += n
	t.reason = why
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
		c.at = now
	}
}

// worked says that something was delivered.
func (c *condition) worked() { c.failed("", false) }

// look keeps since when it fails. The caller holds mu.
func (c *condition) look(now time.Time) {
	switch failing := c.problem() != ""; {
	case !failing:
		c.since = time.Time{}
	case c.since.IsZero():
		c.since, c.at = now, now.Add(downAfter)
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
	c.lost.add(n, why)
	c.reason = why
}

// die counts a hit that became a dead letter, and returns how many those are.
func (c *condition) die(why string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead.add(1, why)
	c.reason = why
	return c.dead.count
}

// fill sets what the condition knows of an output; writer is what keeps the writer
// from working now, of what the journal has lost.
func (c *condition) fill(s *Stats, writer string, of journal.Lost) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.writer = writer
	c.look(now)
	s.Dropped, s.Dead = c.lost.count+of.Sum()-c.journal.Sum(), c.dead.count
	switch failing := !c.since.IsZero(); {
	case failing && (c.down || !now.Before(c.at)):
		s.Status, s.Problem = Down, c.problem()
	case c.dropping:
		s.Status, s.Problem = Dropping, c.reason
	case failing:
		s.Status, s.Problem = Trying, c.problem()
	default:
		s.Status = OK
	}
}

// why returns what keeps hits from being delivered.
func (c *condition) why() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.problem()
}

// tick says what has changed by now: of is what the journal has lost, writer what keeps
// the writer from working, "" when nothing does. An output that has nothing to deliver
// is down, too, while it could not.
func (c *condition) tick(now time.Time, of journal.Lost, writer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count(of)
	c.tellLosses(now)
	c.writer = writer
	c.look(now)
	switch failing := !c.since.IsZero(); {
	case failing && !c.down && !now.Before(c.at):
		c.down = true
		c.say(string(Down), c.problem())
	case !failing && c.down:
		c.down = false
		c.say(string(OK), "delivers again")
	}
}

// count adds what the journal has lost since the last time. mu is held.
func (c *condition) count(of journal.Lost) {
	for _, x := range []struct {
		now, before uint64
		why         string
	}{
		{of.Damaged, c.journal.Damaged, "the journal was damaged on disk"},
		{of.Memory, c.journal.Memory, "data_dir cannot be written, and memory was full"},
		{of.Full, c.journal.Full, "more waits than spool allows: the oldest hits made room for new ones"},
	} {
		if x.now > x.before {
			c.lost.add(x.now-x.before, x.why)
			c.reason = x.why
		}
	}
	c.journal = of
}

// tellLosses says of hits that the output gave up what there is to say. mu is held.
func (c *condition) tellLosses(now time.Time) {
	var news []string
	for _, x := range []struct {
		*tally
		what string
	}{{&c.lost, "lost"}, {&c.dead, "dead letters, which output replay-dead sends again"}} {
		if x.count > x.seen {
			x.seen, c.grown = x.count, now
		}
		if n := x.count - x.told; n > 0 {
			news = append(news, fmt.Sprintf("%d hits are %s: %s", n, x.what, x.reason))
		}
	}
	switch {
	case len(news) > 0 && (!c.dropping || now.Sub(c.said) >= dropEvery):
		c.say(string(Dropping), strings.Join(news, "; "))
		c.lost.told, c.dead.told, c.dropping, c.said = c.lost.count, c.dead.count, true, now
	case c.dropping && len(news) == 0 && now.Sub(c.grown) >= dropEvery:
		c.dropping = false
		if !c.down {
			c.say(string(OK), fmt.Sprintf("drops no more hits; since the start %d are lost, %d dead letters", c.lost.count, c.dead.count))
		}
	}
}
