package output

import (
	"fmt"
	"strings"
	"time"
)

// dropEvery is how often it is said that hits are lost or given up, and how long none
// may be until that is over.
const dropEvery = time.Minute

// losses knows what was said of hits that the output gave up.
type losses struct {
	lost, dead tally
	reason     string // of whichever came last

	dropping bool // that was said
	said     time.Time
	grown    time.Time
}

// tally is a count of hits.
type tally struct {
	count, told uint64
	reason      string // of the last one
}

// tick says of the new counts what there is to say.
func (l *losses) tick(now time.Time, lost, dead uint64, say func(Status, string)) {
	if lost > l.lost.count || dead > l.dead.count {
		l.lost.count, l.dead.count, l.grown = lost, dead, now
	}
	untold := lost > l.lost.told || dead > l.dead.told
	switch {
	case untold && (!l.dropping || now.Sub(l.said) >= dropEvery):
		var texts []string
		if n := lost - l.lost.told; n > 0 {
			texts = append(texts, fmt.Sprintf("%d hits are lost: %s", n, l.lost.reason))
		}
		if n := dead - l.dead.told; n > 0 {
			texts = append(texts, fmt.Sprintf("%d hits are dead letters, which output replay-dead sends again: %s", n, l.dead.reason))
		}
		say(Dropping, strings.Join(texts, "; "))
		l.lost.told, l.dead.told, l.dropping, l.said = lost, dead, true, now
	case l.dropping && !untold && now.Sub(l.grown) >= dropEvery:
		l.dropping = false
		say(OK, fmt.Sprintf("gives up no hits any more; since the start %d are lost, %d dead letters", lost, dead))
	}
}
