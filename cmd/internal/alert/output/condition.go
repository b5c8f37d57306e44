package output

import (
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
)

// condition knows what was said of an output and says what changes.
type condition struct {
	say func(status, msg string)

	mu      sync.Mutex
	failure string    // of the last attempt; "": it did not fail
	writer  string    // what keeps the writer from working
	since   time.Time // either is there since then; zero: neither is
	at      time.Time // it goes down then, unless it works before
	down    bool      // that was said

	losses losses

	told journal.Lost
}

// failed says that nothing can be delivered, and why. For sure is what does not
// pass by itself.
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
func (c *condition) worked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = ""
	c.look(time.Now())
}

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

// lostTo keeps why hits were lost.
func (c *condition) lostTo(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.losses.lost.reason, c.losses.reason = why, why
}

// diedOf keeps why a hit became a dead letter.
func (c *condition) diedOf(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.losses.dead.reason, c.losses.reason = why, why
}

// grew reports whether a count is above what it was before.
func (c *condition) grew(before *uint64, count uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	grown := count > *before
	*before = count
	return grown
}

// now returns the status and what is to be said of it; writer is what keeps the
// writer from working now.
func (c *condition) now(writer string) (Status, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.writer = writer
	c.look(now)
	switch failing := !c.since.IsZero(); {
	case failing && (c.down || !now.Before(c.at)):
		return Down, c.problem()
	case c.losses.dropping:
		return Dropping, c.losses.reason
	case failing:
		return Trying, c.problem()
	}
	return OK, ""
}

// why returns what keeps hits from being delivered.
func (c *condition) why() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.problem()
}

// tick says what has changed by now: lost is how many hits were lost in all, dead how
// many became dead letters, writer what keeps the writer from working, "" when nothing
// does. An output that has nothing to deliver is down, too, while it could not.
func (c *condition) tick(now time.Time, lost, dead uint64, writer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.losses.tick(now, lost, dead, func(status Status, msg string) {
		if status != OK || !c.down {
			c.say(string(status), msg)
		}
	})
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
