package history

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

// clock watches the system's clock. One that is set forward would make all flows old at
// once: for a day after that, or after a long time without flows, nothing expires by its
// age, over restarts, too. That a clock is set is said, because what was kept carries the
// other time.
type clock struct {
	last time.Time     // the system's
	up   time.Duration // at that moment, by a clock that nobody sets
	wait time.Time     // nothing expires until then
	why  string
	// file holds nothing, and wait as the time of its change; "": there is none.
	file string
}

const clockTolerance = time.Hour

// look takes the time of now; up is how long the run has lasted, quiet how long no flow
// had arrived when some arrived again, or now; zero: no such time is known.
func (c *clock) look(now time.Time, up time.Duration, quiet dataset.Quiet, report func(status, message string)) {
	now = now.Round(0) // without the clock that nobody sets
	set, before := time.Duration(0), c.wait
	if c.last.IsZero() {
		before = c.read(now)
	} else {
		set = now.Sub(c.last) - (up - c.up)
	}
	switch {
	case c.last.IsZero() && now.Before(quiet.Until.Add(day)) && c.wait.Before(quiet.Until.Add(day)):
		c.wait, c.why = quiet.Until.Add(day), "no flow arrived for "+rounded(quiet.Until.Sub(quiet.From))+": the clock may be wrong"
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
	if !c.wait.Equal(before) {
		c.write()
	}
}

// read takes up the wait of a former run, and returns it as it is on the disk. A clock that
// was set back since makes it shorter.
func (c *clock) read(now time.Time) (kept time.Time) {
	info, err := os.Stat(c.file)
	if err != nil || !now.Before(info.ModTime()) {
		return c.wait
	}
	c.wait, c.why = info.ModTime(), "the system clock was set before this start"
	if end := now.Add(day); c.wait.After(end) {
		c.wait = end
	}
	return info.ModTime()
}

// write keeps the wait for the next run. Where the disk does not let it, that run looks at
// the times of the flows.
func (c *clock) write() {
	if c.file == "" {
		return
	}
	if f, err := os.OpenFile(c.file, os.O_CREATE|os.O_WRONLY, 0o640); err == nil { //nolint:gosec // the group reads the flows
		_ = f.Close()
		_ = os.Chtimes(c.file, c.wait, c.wait)
	}
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
