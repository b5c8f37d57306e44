package ingest

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// When is Time for a moment that is only compared or shown: what cannot be read is
// the zero time, and so are durations.
func When(s string) time.Time {
	t, _ := Time(s, time.Time{})
	return t
}

// Time reads a time as feeds write it: RFC 3339 with any offset, the same with a
// blank for the T, "/" or "." for the dashes, without seconds or without an offset
// (then it is UTC), a date alone, 20200131 and 20200131T100000Z, epoch seconds,
// milliseconds, microseconds and nanoseconds, the forms of RFC 1123, ctime and "31 Jan
// 2020". A duration ("3h59m57.6s", "4 days", "-1h") is counted from now; when now
// is zero, it cannot be read. Of 31/12/2020 and 12/31/2020 the number over 12 tells
// the day; 01/02/2020 cannot be read.
//
// The words for "none" and "never" are the zero time and true. What cannot be read
// is the zero time and false.
func Time(s string, now time.Time) (t time.Time, ok bool) {
	s = strings.TrimSpace(s)
	if isNever(s) {
		return time.Time{}, true
	}
	if c := s[0]; c >= '0' && c <= '9' || c == '-' || c == '+' {
		if t, ok = isoTime(s); !ok {
			t, ok = epoch(s)
		}
		if !ok && !now.IsZero() {
			t, ok = fromNow(s, now)
		}
	}
	if !ok {
		t, ok = wordyTime(s)
	}
	if !ok || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, false
	}
	return t.UTC(), true
}

// isNever knows how lists say that there is no time.
func isNever(s string) bool {
	switch strings.ToLower(s) {
	case "", "-", "0", "none", "null", "nil", "nan", "nat", "n/a", "na", "never", "no", "forever", "permanent", "permanently", "infinity", "infinite", "inf",
		"unlimited", "unknown", "0000-00-00", "0000-00-00 00:00:00", "0001-01-01t00:00:00z", "1970-01-01t00:00:00z", "1970-01-01 00:00:00":
		return true
	}
	return false
}

// isoTime reads the forms that begin with a year, and dates with the day or month
// in front.
func isoTime(s string) (t time.Time, ok bool) {
	year, month, day, rest, ok := cutDate(s)
	if !ok {
		return t, false
	}
	hour, minute, second, nano, rest, ok := cutClock(rest)
	if !ok {
		return t, false
	}
	offset, ok := zone(rest)
	if !ok {
		return t, false
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second, nano, time.UTC)
	if t.Day() != day || t.Month() != time.Month(month) {
		return t, false // 31 February
	}
	return t.Add(-offset), true
}

// cutDate splits off 2020-01-31, 2020/01/31, 2020.01.31, 20200131, 31.01.2020,
// 31/01/2020, 31-01-2020, each number also without its zero.
func cutDate(s string) (year, month, day int, rest string, ok bool) {
	first, n := number(s)
	if n == 8 {
		return first / 10000, first / 100 % 100, first % 100, s[n:], inRange(first/100%100, 1, 12)
	}
	if n != 4 && n != 1 && n != 2 || n == len(s) || strings.IndexByte("-/.", s[n]) < 0 {
		return 0, 0, 0, s, false
	}
	mark := s[n]
	rest = s[n+1:]
	second, m := number(rest)
	if m < 1 || m > 2 || m == len(rest) || rest[m] != mark {
		return 0, 0, 0, s, false
	}
	rest = rest[m+1:]
	third, k := number(rest)
	rest = rest[k:]
	if n == 4 {
		return first, second, third, rest, (k == 1 || k == 2) && inRange(second, 1, 12) && inRange(third, 1, 31)
	}
	switch {
	case k != 4:
		return 0, 0, 0, s, false
	case mark == '.' || first > 12: // nobody writes the month in front with dots
		day, month = first, second
	case second > 12:
		month, day = first, second
	case first == second:
		month, day = first, second
	default:
		return 0, 0, 0, s, false // 01/02/2020
	}
	return third, month, day, rest, inRange(month, 1, 12) && inRange(day, 1, 31)
}

// cutClock splits off what stands behind a date: nothing, or a T, blanks, an underscore or
// a colon and hours, minutes, seconds and their fraction.
func cutClock(s string) (hour, minute, second, nano int, rest string, ok bool) {
	body := strings.TrimLeft(s, " T_t:")
	if body == "" || body == s {
		return 0, 0, 0, 0, s, true
	}
	hour, n := number(body)
	if n == 6 || n == 4 { // 100000, 1000
		if n == 4 {
			hour *= 100
		}
		hour, minute, second, body = hour/10000, hour/100%100, hour%100, body[n:]
	} else {
		if n < 1 || n > 2 {
			return 0, 0, 0, 0, s, true // what follows may be a zone alone: "2020-01-01 UTC"
		}
		if body = body[n:]; !strings.HasPrefix(body, ":") {
			return 0, 0, 0, 0, s, false
		}
		minute, n = number(body[1:])
		if body = body[1+n:]; n != 2 {
			return 0, 0, 0, 0, s, false
		}
		if strings.HasPrefix(body, ":") {
			second, n = number(body[1:])
			if body = body[1+n:]; n != 2 {
				return 0, 0, 0, 0, s, false
			}
		}
	}
	if strings.HasPrefix(body, ".") || strings.HasPrefix(body, ",") {
		_, n := number(body[1:])
		if n == 0 {
			return 0, 0, 0, 0, s, false
		}
		digits := (body[1:1+n] + "000000000")[:9]
		nano, _ = strconv.Atoi(digits)
		body = body[1+n:]
	}
	ok = hour < 24 && minute < 60 && second < 61 || hour == 24 && minute == 0 && second == 0
	return hour, minute, second, nano, body, ok
}

// zone reads what stands behind the clock.
func zone(s string) (offset time.Duration, ok bool) {
	s = strings.TrimSpace(s)
	s = strings.TrimPrefix(strings.TrimSuffix(s, ")"), "(")
	for _, name := range []string{"UTC", "GMT", "Z", "z"} {
		if rest, found := strings.CutPrefix(s, name); found {
			s = strings.TrimSpace(rest)
			break
		}
	}
	if s == "" {
		return 0, true
	}
	sign := time.Duration(1)
	switch s[0] {
	case '-':
		sign = -1
	case '+':
	default:
		return 0, false
	}
	hours, n := number(s[1:])
	rest := s[1+n:]
	minutes := 0
	rest, _, _ = strings.Cut(rest, " ") // "+0200 CEST": the number says it all
	switch {
	case n == 4 && rest == "":
		hours, minutes = hours/100, hours%100
	case n == 2 && rest == "":
	case n == 2 && len(rest) == 3 && rest[0] == ':':
		if minutes, n = number(rest[1:]); n != 2 {
			return 0, false
		}
	default:
		return 0, false
	}
	return sign * (time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute), hours < 24 && minutes < 60
}

// number reads the digits that s begins with, nine at most.
func number(s string) (value, digits int) {
	for digits < len(s) && digits < 9 && s[digits] >= '0' && s[digits] <= '9' {
		value = value*10 + int(s[digits]-'0')
		digits++
	}
	return value, digits
}

func inRange(n, least, most int) bool { return n >= least && n <= most }

// epoch reads a count since 1970 of seconds, milliseconds, microseconds or
// nanoseconds, which its length tells apart from 1973 to 5138; seconds also
// with a fraction.
func epoch(s string) (t time.Time, ok bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	if strings.Trim(fraction, "0123456789") != "" {
		return t, false
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 || whole[0] == '+' {
		return t, false
	}
	switch digits := len(whole); {
	case digits >= 9 && digits <= 11:
		return time.Unix(n, 0), true
	case digits >= 12 && digits <= 14:
		return time.UnixMilli(n), true
	case digits >= 15 && digits <= 17:
		return time.UnixMicro(n), true
	case digits >= 18 && digits <= 19:
		return time.Unix(0, n), true
	}
	return t, false
}

// units of durations by the start of their names, the longer name first where one
// begins like another.
var units = []struct {
	name string
	long time.Duration
}{
	{"ms", time.Millisecond}, {"millisecond", time.Millisecond},
	{"month", 30 * 24 * time.Hour}, {"min", time.Minute}, {"m", time.Minute},
	{"s", time.Second}, {"h", time.Hour}, {"d", 24 * time.Hour}, {"w", 7 * 24 * time.Hour}, {"y", 365 * 24 * time.Hour},
}

// fromNow reads a duration such as crowdsec's "3h59m57.6s", "4 days" or "1d 2h".
func fromNow(s string, now time.Time) (t time.Time, ok bool) {
	sign := 1.0
	if s[0] == '-' || s[0] == '+' {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	var sum float64 // seconds
	for s != "" {
		end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if end <= 0 {
			return t, false
		}
		n, err := strconv.ParseFloat(s[:end], 64)
		if err != nil {
			return t, false
		}
		s = strings.TrimLeft(s[end:], " ")
		end = strings.IndexFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
		if end < 0 {
			end = len(s)
		}
		long := unit(strings.ToLower(s[:end]))
		if long == 0 {
			return t, false
		}
		sum += n * long.Seconds()
		s = strings.TrimLeft(s[end:], " ,")
	}
	if sum > math.MaxInt64/1e9 {
		return t, false
	}
	return now.Add(time.Duration(sign * sum * 1e9)), true
}

// unit returns how long the unit of that name is, 0 for what is none.
func unit(name string) time.Duration {
	for _, u := range units {
		if name == u.name || len(u.name) > 1 && strings.HasPrefix(name, u.name) {
			return u.long
		}
	}
	for long, of := range map[string]time.Duration{"sec": time.Second, "hour": time.Hour, "hr": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour, "year": 365 * 24 * time.Hour} {
		if strings.HasPrefix(name, long) {
			return of
		}
	}
	return 0
}

// wordyTime reads the forms with names in them.
func wordyTime(s string) (t time.Time, ok bool) {
	if len(s) < len("1 Jan 20") || len(s) > 60 {
		return t, false
	}
	s = strings.Join(strings.Fields(strings.ReplaceAll(s, ",", " ")), " ")
	if day, rest, found := strings.Cut(s, " "); found && isWeekday(day) {
		s = rest
	}
	for _, layout := range []string{
		"2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 MST", "2 Jan 2006 15:04:05", "2 Jan 2006 15:04", "2 Jan 2006", "2 January 2006", "2-Jan-2006", "2-Jan-2006 15:04:05",
		"2-Jan-06 15:04:05 MST", "Jan 2 15:04:05 2006 MST", "Jan 2 15:04:05 2006", "Jan 2 15:04:05 MST 2006", "Jan 2 15:04:05 -0700 2006", "Jan 2 2006 15:04:05", "Jan 2 2006", "January 2 2006",
	} {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		if zone, offset := t.Zone(); offset == 0 && zone != "" && zone != "UTC" && zone != "GMT" && zone != "Z" {
			return time.Time{}, false // an abbreviation that means different offsets to different people
		}
		return t, true
	}
	return t, false
}

func isWeekday(s string) bool {
	if len(s) < 3 {
		return false
	}
	for d := range time.Weekday(7) {
		if strings.EqualFold(s, d.String()) || strings.EqualFold(s, d.String()[:3]) {
			return true
		}
	}
	return false
}
