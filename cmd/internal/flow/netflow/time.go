package netflow

import (
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Times of a flow are kept in this window around its arrival. A week back leaves
// long-lived connections their start, five minutes ahead forgive a clock that is
// a little fast; exporters without a set clock, with a wrong zone or with garbage
// in the field lie outside.
const (
	maxPast   = int64(7 * 24 * time.Hour)
	maxFuture = int64(5 * time.Minute)
)

// clock is what the times in a message refer to.
type clock struct {
	received int64  // Unix ns
	export   int64  // when the exporter sent it, by its own clock, Unix ns
	slow     int64  // how much that clock is slow, ns: 0 where it is right, or not steady
	uptime   uint32 // ms since the exporter started, modulo 2^32, at export
	// hasUptime is false for IPFIX until the exporter told when it started
	// (element 160): its header has no uptime.
	hasUptime bool
}

// atUptime turns milliseconds since the exporter started into Unix nanoseconds.
// The counter wraps after 49.7 days; what counts is its distance to the uptime
// at export, in either direction, so that the wrap needs no case of its own.
func (c *clock) atUptime(ms uint32) int64 {
	return c.export - int64(int32(c.uptime-ms))*1e6
}

// atUptimeOrUnix is atUptime for elements 21 and 22, which some exporters send
// with 8 bytes: most as an uptime still (NX-OS), others as Unix milliseconds,
// which no 32 bits hold.
func (c *clock) atUptimeOrUnix(v uint64) int64 {
	if v > 1<<32-1 {
		return int64(v) * 1e6
	}
	return c.atUptime(uint32(v))
}

// startedAt sets the uptime of an IPFIX message from when its exporter started,
// in Unix milliseconds. The header of v9 knows the uptime itself.
func (m *message) startedAt(ms uint64) {
	if m.domain.key.version == ipfix && ms != 0 {
		m.uptime, m.hasUptime = uint32(uint64(m.export/1e6)-ms), true
	}
}

// assumeUptime is for IPFIX exporters that send uptimes and never say when they
// started: the flow is taken to have ended when it was exported. The end of a
// flow comes before its start in a program, so both use it.
func (c *clock) assumeUptime(r *flow.Record, ms uint64) {
	if !c.hasUptime && r.End == 0 {
		c.uptime = uint32(ms)
	}
}

// ntpToUnix is the seconds from 1900 to 1970.
const ntpToUnix = 2208988800

// unixFromNTP converts the 64-bit NTP format that RFC 7011 section 6.1.9 wants
// for micro- and nanoseconds: seconds since 1900 and a binary fraction. Seconds
// below 2^31 are of the era that starts in 2036 (RFC 4330).
func unixFromNTP(v uint64) int64 {
	if v == 0 {
		return 0
	}
	seconds := int64(v >> 32)
	if seconds < 1<<31 {
		seconds += 1 << 32
	}
	return (seconds-ntpToUnix)*1e9 + int64(((v&(1<<32-1))*1e9+1<<31)>>32)
}

// setDuration gives a record with only one end the other.
func setDuration(r *flow.Record, ns uint64) {
	switch {
	case r.End == 0 && r.Start != 0:
		r.End = r.Start + int64(ns)
	case r.Start == 0 && r.End != 0:
		r.Start = r.End - int64(ns)
	}
}

// clampTimes keeps the times of a record in the window and in order, and takes
// a time of 0 for none.
func (c *clock) clampTimes(r *flow.Record) {
	switch {
	case r.Start != 0 && r.End != 0:
		r.Start, r.End = c.clamp(r.Start+c.slow, r.End+c.slow)
		return
	case r.Start != 0:
		r.Start = min(max(r.Start+c.slow, c.received-maxPast), c.received+maxFuture)
	case r.End != 0:
		_, r.End = c.clamp(r.End, r.End+c.slow)
	}
	if r.Start == 0 {
		r.Has &^= flow.HasStart
	}
	if r.End == 0 {
		r.Has &^= flow.HasEnd
	}
}

// clamp moves a flow whose end lies outside the window, so that it ended when it
// arrived and is as long as before, and cuts what is too long.
func (c *clock) clamp(start, end int64) (int64, int64) {
	earliest := c.received - maxPast
	if uint64(end-earliest) > uint64(maxPast+maxFuture) { // before it or after
		start += c.received - end
		end = c.received
	}
	return min(max(start, earliest), end), end
}
