package finding

import (
	"testing"
	"time"
)

func TestMoves(t *testing.T) {
	noon := time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)
	var m Moves
	for _, step := range []struct {
		at          time.Duration
		count, want uint64
	}{
		{0, 0, 0},
		{5 * time.Second, 40, 40},
		{10 * time.Second, 70, 0}, // too early for another line
		{RepeatAfter, 70, 0},
		{RepeatAfter + 5*time.Second, 70, 30},
		{2*RepeatAfter + 5*time.Second, 70, 0}, // nothing new
		{3 * RepeatAfter, 71, 1},
		{5 * RepeatAfter, 3, 0}, // it never falls, but if it does nothing is said
	} {
		if got := m.Since(step.count, noon.Add(step.at)); got != step.want {
			t.Errorf("after %s: %d of %d, want %d", step.at, got, step.count, step.want)
		}
	}
}
