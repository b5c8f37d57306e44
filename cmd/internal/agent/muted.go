package agent

import (
	"fmt"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
)

// mutes remembers which entries of mute were said to have ended. It belongs to the
// goroutine of watch.
type mutes map[alert.Mute]bool

// ended returns what to say of the entries that have ended since the last look,
// each once.
func (m mutes) ended(entries []alert.Muted, now time.Time) []string {
	var say []string
	for _, e := range entries {
		if !e.Over(now) || m[e.Mute] {
			continue
		}
		m[e.Mute] = true
		say = append(say, fmt.Sprintf("the mute of %s (%s) ended at %s: it is reported again; remove the entry, or give it another end",
			e.String(), e.Why, e.Until.UTC().Format(time.RFC3339)))
	}
	return say
}
