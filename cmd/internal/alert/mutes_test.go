package alert

import (
	"strings"
	"testing"
	"time"
)

// The end of a mute is said once, and that of its successor again.
func TestMutesEnded(t *testing.T) {
	end := time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)
	m := Mute{Cat: "scanner", Until: end, Why: "our own scanner"}
	said := Ended{}
	look := func(m Mute, now time.Time) int {
		say := said.News([]Muted{{Mute: m}}, now)
		if len(say) > 0 && !strings.HasPrefix(say[0], "the mute of cat=scanner (our own scanner) ended at 2026-06-0") {
			t.Error(say)
		}
		return len(say)
	}
	if look(m, end.Add(-time.Second)) != 0 || look(m, end) != 1 || look(m, end.Add(time.Hour)) != 0 {
		t.Error("not said once at its end")
	}
	m.Until = end.Add(24 * time.Hour)
	if look(m, end) != 0 || look(m, m.Until) != 1 {
		t.Error("its successor's end is not said")
	}
}
