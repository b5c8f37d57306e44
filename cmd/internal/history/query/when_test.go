package query

import (
	"strings"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 18, 15, 30, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-11-17": "2026-11-17T00:00:00+01:00 2026-11-18T00:00:00+01:00", "2026/11/17": "2026-11-17T00:00:00+01:00 2026-11-18T00:00:00+01:00",
		"2026-11-17T14:00": "2026-11-17T14:00:00+01:00 2026-11-17T14:00:00+01:00", "2026-11-17 14:00:30": "2026-11-17T14:00:30+01:00 2026-11-17T14:00:30+01:00",
		"2026/11/17:14": "2026-11-17T14:00:00+01:00 2026-11-17T14:00:00+01:00", "2026-11-17T14:00:00Z": "2026-11-17T14:00:00Z 2026-11-17T14:00:00Z", "2026-11-17T14:00-05:00": "2026-11-17T14:00:00-05:00 2026-11-17T14:00:00-05:00",
		"14:00": "2026-11-18T14:00:00+01:00 2026-11-18T14:00:00+01:00", "Yesterday": "2026-11-17T00:00:00+01:00 2026-11-18T00:00:00+01:00", "today": "2026-11-18T00:00:00+01:00 2026-11-19T00:00:00+01:00", "now": "2026-11-18T16:30:00+01:00 2026-11-18T16:30:00+01:00",
	} {
		first, last, err := ParseTime(text, zone, now)
		if got := first.Format(time.RFC3339) + " " + last.Format(time.RFC3339); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "18.11.2026", "2026-13-01", "25:00", "yesteday"} {
		if _, _, err := ParseTime(text, zone, now); err == nil || text == "yesteday" && !strings.Contains(err.Error(), "did you mean yesterday?") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSpan(t *testing.T) {
	now := time.Date(2026, 11, 18, 15, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		start, end string
		last       time.Duration
		want       string
	}{
		{"", "", 0, "2026-11-17 15:30 to 0001-01-01 00:00 false"}, {"", "", time.Hour, "2026-11-18 14:30 to 0001-01-01 00:00 true"},
		{"2026-11-17", "2026-11-17", 0, "2026-11-17 00:00 to 2026-11-18 00:00 true"}, {"", "2026-11-17", 0, "0001-01-01 00:00 to 2026-11-18 00:00 true"},
		{"2026-11-17T10:00", "2026-11-17T11:00", 0, "2026-11-17 10:00 to 2026-11-17 11:00 true"},
	} {
		from, to, asked, err := Span(c.start, c.end, c.last, time.UTC, now)
		got := from.Format("2006-01-02 15:04") + " to " + to.Format("2006-01-02 15:04")
		if asked {
			got += " true"
		} else {
			got += " false"
		}
		if err != nil || got != c.want {
			t.Errorf("%+v: %s, %v", c, got, err)
		}
	}
	for _, c := range [][2]string{{"2026-11-18", "2026-11-17"}, {"nonsense", ""}, {"", "nonsense"}} {
		if _, _, _, err := Span(c[0], c[1], 0, time.UTC, now); err == nil {
			t.Errorf("%v is accepted", c)
		}
	}
	if _, _, _, err := Span("today", "", time.Hour, time.UTC, now); err == nil {
		t.Error("--last and --start together are accepted")
	}
}
