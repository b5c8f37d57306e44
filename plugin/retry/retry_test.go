package retry

import (
	"math"
	"net/http"
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	b := Backoff{First: time.Second, Most: time.Minute}
	for failures, want := range []time.Duration{0, 1, 2, 4, 8, 16, 32, 60, 60} {
		if got := b.After(failures); got != want*time.Second {
			t.Errorf("after %d failures: %s, want %s", failures, got, want*time.Second)
		}
	}
	if got := b.After(math.MaxInt); got != time.Minute {
		t.Errorf("after very many failures: %s", got)
	}
	if got := (Backoff{First: time.Hour, Most: time.Minute}).After(1); got != time.Minute {
		t.Errorf("the first wait is longer than the longest: %s", got)
	}
}

func TestAfter(t *testing.T) {
	now := time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, tt := range []struct {
		after, date string
		want        time.Duration
		ok          bool
	}{
		{"", "", 0, false},
		{"soon", "", 0, false},
		{"-5", "", 0, false},
		{"inf", "", 0, false},
		{"0x10", "", 0, false},
		{"1.2.3", "", 0, false},
		{".", "", 0, false},
		{"0", "", 0, true},
		{" 7 ", "", 7 * time.Second, true},
		{"1.5", "", 1500 * time.Millisecond, true},
		{"99999999999999999999999", "", MaxAfter, true},
		{date(time.Minute), "", time.Minute, true},
		{date(-time.Minute), "", 0, true},
		{date(1000 * time.Hour), "", MaxAfter, true},
		{date(time.Minute), date(-time.Hour), time.Hour + time.Minute, true}, // our clock is an hour ahead
	} {
		h := http.Header{}
		h.Set("Retry-After", tt.after)
		if tt.date != "" {
			h.Set("Date", tt.date)
		}
		if got, ok := After(h, now); got != tt.want || ok != tt.ok {
			t.Errorf("Retry-After %q, Date %q: %s %v, want %s %v", tt.after, tt.date, got, ok, tt.want, tt.ok)
		}
	}
}

func TestSeconds(t *testing.T) {
	for s, want := range map[float64]time.Duration{0.25: 250 * time.Millisecond, -1: 0, math.Inf(1): MaxAfter, math.Inf(-1): 0} {
		if got := Seconds(s); got != want {
			t.Errorf("%v: %s, want %s", s, got, want)
		}
	}
	if got := Seconds(math.NaN()); got != 0 {
		t.Errorf("NaN: %s", got)
	}
}

func FuzzAfter(f *testing.F) {
	f.Add("120", "")
	f.Add("1.5", "Sun, 07 Jun 2026 12:00:00 GMT")
	f.Add("Sun, 07 Jun 2026 12:00:00 GMT", "Sun, 07 Jun 2026 11:00:00 GMT")
	f.Fuzz(func(t *testing.T, after, date string) {
		wait, ok := After(http.Header{"Retry-After": {after}, "Date": {date}}, time.Unix(1780000000, 0))
		if wait < 0 || wait > MaxAfter || !ok && wait != 0 {
			t.Errorf("%s %v", wait, ok)
		}
	})
}
