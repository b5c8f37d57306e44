package hit

import (
	"math"
	"strconv"

	"github.com/flowhound/flowhound/plugin/text"
)

// Remarks returns what the line and the JSON append to Name, "" when there is nothing
// to remark: whose address it is, how regularly the pair talks, and how many stand
// behind a coarse line. All of it is plain ASCII, of 320 bytes at most:
//
//	(shared: cloudflare) (every 5.0 min +- 2 s, 278 times, same size)
//	(scanner: censys) (+36 sources, 9 targets)
func (h *Hit) Remarks() string { return string(appendRemarks(nil, h)) }

// appendRemarks appends them, each after a space.
func appendRemarks(b []byte, h *Hit) []byte {
	if h.Shared != "" {
		b = append(text.Token.Append(append(b, " (shared: "...), h.Shared, maxLabel), ')')
	}
	if h.Scanner != "" {
		b = append(text.Token.Append(append(b, " (scanner: "...), h.Scanner, maxLabel), ')')
	}
	if words := h.Regular.words(); len(words) > 0 {
		b = append(append(append(b, " ("...), words...), ')')
	}
	if h.Sources > 1 || h.Targets > 1 {
		b = strconv.AppendInt(append(b, " (+"...), int64(h.Sources), 10)
		b = strconv.AppendInt(append(b, " sources, "...), int64(h.Targets), 10)
		b = append(b, " targets)"...)
	}
	return b
}

// regularFrom is the score from which on the words say it.
const regularFrom = 0.5

// String says it to a person, "" when there is nothing to say.
func (r *Regular) String() string { return string(r.words()) }

func (r *Regular) words() []byte {
	if r == nil {
		return nil
	}
	var b []byte
	if r.Score >= regularFrom {
		b = appendSpan(append(b, "every "...), r.PeriodSeconds)
		switch {
		case r.DeviationSeconds < 1:
			b = append(b, " to the second"...)
		case r.DeviationSeconds < r.PeriodSeconds/4:
			b = appendSpan(append(b, " +- "...), r.DeviationSeconds)
		}
		b = strconv.AppendInt(append(b, ", "...), int64(r.Contacts), 10)
		b = append(b, " times"...)
		switch {
		case r.SizeDeviationBytes <= r.SizeBytes*0.02:
			b = append(b, ", same size"...)
		case r.SizeDeviationBytes <= r.SizeBytes*0.2:
			b = append(b, ", similar size"...)
		}
	}
	if r.HeldSeconds > 0 {
		if len(b) > 0 {
			b = append(b, ", "...)
		}
		b = appendSpan(append(b, "held open "...), r.HeldSeconds)
	}
	return b
}

// appendSpan appends a time in its unit; what is no time of this world is a year.
func appendSpan(b []byte, seconds float64) []byte {
	const minute, hour, day, year = 60, 3600, 24 * 3600, 365 * 24 * 3600
	if !(seconds >= 0 && seconds < year) {
		seconds = year
	}
	round := func(unit float64, name string) []byte {
		v := seconds / unit
		if v < 10 && math.Abs(v-math.Round(v)) >= 0.05 {
			b = strconv.AppendFloat(b, v, 'f', 1, 64)
		} else {
			b = strconv.AppendFloat(b, v, 'f', 0, 64)
		}
		return append(b, name...)
	}
	switch {
	case seconds < 2*minute:
		return round(1, " s")
	case seconds < 2*hour:
		return round(minute, " min")
	case seconds < 3*day:
		return round(hour, " h")
	}
	return round(day, " d")
}
