package ingest

import "time"

// Outdated returns Expired for an indicator that is not worth keeping by now
// because it has expired. A zero expires never does.
func Outdated(expires, now time.Time) Reason {
	if !expires.IsZero() && !expires.After(now) {
		return Expired
	}
	return ""
}
