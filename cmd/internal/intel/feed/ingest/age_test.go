package ingest

import (
	"testing"
	"time"
)

func TestOutdated(t *testing.T) {
	now := time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)
	for ends, want := range map[time.Time]Reason{
		{}: "", now.Add(time.Hour): "", now: "", now.AddDate(0, 0, -89): "", now.AddDate(0, 0, -90): Expired,
	} {
		if got := Outdated(ends, now); got != want {
			t.Errorf("ended %v: %q, want %q", ends, got, want)
		}
	}
}
