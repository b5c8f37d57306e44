package history

import (
	"fmt"
	"strings"
	"time"
)

// clock watches the system's clock. One that is set forward would make all flows old at
// once: for a day after that, or after a start with none but old flows, nothing expires
// by its age. That a clock is set is said, because what was kept carries the other time.
type clock struct {
	last time.Time     // the system's
	up   time.Duration // at that moment, by a clock that nobody sets
	wait time.Time     // nothing expires until then
	why  string
}

const clockTolerance = time.Hour

// look takes the time of now; up is how long the run has lasted, newest when the newest
// flow arrived, zero when there is none.
func (c *clock) look(now time.Time, up time.Duration, newest time.Time, keep time.Duration, report func(status, message string)) {
	now = now.Round(0) // without the clock that nobody sets
	set := time.Duration(0)
	if !c.last.IsZero() {
		set = now.Sub(c.last) - (up - c.up)
	}
	switch {
	case c.last.IsZero() && !newest.IsZero() && now.Sub(newest) > keep/2:
		c.wait, c.why = now.Add(day), "the newest flow is "+rounded(now.Sub(newest))+" old: the clock may be wrong"
		report("error", "history: "+c.why+"; no flow is removed for its age for a day. Check the time: timedatectl")
	case set > clockTolerance:
		c.wait, c.why = now.Add(day), "the system clock was set forward by "+rounded(set)
		report("error", "history: "+c.why+"; flows are kept under the new time, and none is removed for its age for a day. If the new time is wrong, correct it within a day: timedatectl")
	case set < -clockTolerance:
		if end := now.Add(day); c.wait.After(end) {
			c.wait = end
		}
		report("error", "history: the system clock was set back by "+rounded(-set)+
			"; flows are kept under the new time, nothing is lost or removed. Flows from before the change can carry times that are still to come; --end now leaves them out of an answer. If the new time is wrong, correct it: timedatectl")
	}
	c.last, c.up = now, up
}

// held says why nothing expires by its age, nil when it does.
func (c *clock) held(now time.Time) *string {
	if !now.Before(c.wait) {
		return nil
	}
	return ptr(fmt.Sprintf("no flow is removed for its age until %s: %s", c.wait.UTC().Format(time.RFC3339), c.why))
}

// rounded prints a duration as people do: 24h, 90m.
func rounded(d time.Duration) string {
	d = d.Round(time.Minute)
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}
