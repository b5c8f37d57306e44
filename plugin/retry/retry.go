// Package retry says when to try again: after a wait that doubles, or when the
// server asks for it. It never waits itself.
package retry

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Backoff is a wait that doubles with every failure in a row.
type Backoff struct {
	First time.Duration // after the first failure
	Most  time.Duration // never longer than this
}

// After returns the wait after that many failures in a row: 0 after none.
func (b Backoff) After(failures int) time.Duration {
	if failures <= 0 {
		return 0
	}
	wait := min(b.First, b.Most)
	for range failures - 1 {
		if wait >= b.Most/2 {
			return b.Most
		}
		wait *= 2
	}
	return wait
}

// MaxAfter bounds what a server may ask for.
const MaxAfter = 7 * 24 * time.Hour

// After reads the header Retry-After (RFC 9110, section 10.2.3), seconds or a date,
// and returns how long the server asks to be left alone: from 0 to MaxAfter. ok is
// false where it asks for nothing that can be understood. A date is held against
// the server's own clock, its header Date, and against now where there is none.
func After(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if strings.Trim(v, "0123456789.") == "" {
		s, err := strconv.ParseFloat(v, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0, false
		}
		return Seconds(s), true
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), MaxAfter), true
}

// Seconds is the wait that a server asks for by a number of seconds elsewhere than
// in the header: from 0 to MaxAfter.
func Seconds(s float64) time.Duration {
	if math.IsNaN(s) {
		return 0
	}
	return time.Duration(min(max(s, 0), MaxAfter.Seconds()) * float64(time.Second))
}
