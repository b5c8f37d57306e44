package query

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin/nearest"
)

// ParseTime reads a moment: a date (2026-11-18), a date and a time (2026-11-18 14:00,
// 2026-11-18T14:00:30Z), a time of today (14:00), today, yesterday or now. What has no
// zone of its own is in zone. It names a span: first is when it starts, and last when it
// ends, which is the next midnight for a day and the same moment for a time.
func ParseTime(text string, zone *time.Location, now time.Time) (first, last time.Time, err error) {
	now = now.In(zone)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone)
	switch strings.ToLower(text) {
	case "now":
		return now, now, nil
	case "today":
		return midnight, midnight.AddDate(0, 0, 1), nil
	case "yesterday":
		return midnight.AddDate(0, 0, -1), midnight, nil
	}
	for _, day := range []string{"2006-01-02", "2006/01/02"} {
		if t, err := time.ParseInLocation(day, text, zone); err == nil {
			return t, t.AddDate(0, 0, 1), nil
		}
		for _, sep := range []string{"T", " ", ":", "."} {
			for _, clock := range []string{"15:04", "15:04:05", "15", "15:04Z07:00", "15:04:05Z07:00"} {
				if t, err := time.ParseInLocation(day+sep+clock, text, zone); err == nil {
					return t, t, nil
				}
			}
		}
	}
	for _, clock := range []string{"15:04", "15:04:05"} {
		if t, err := time.ParseInLocation(clock, text, zone); err == nil {
			t = midnight.Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second)
			return t, t, nil
		}
	}
	return time.Time{}, time.Time{}, &Error{Text: text, End: len(text), Suggestion: nearest.Word(strings.ToLower(text), []string{"today", "yesterday", "now"}),
		Message: strconv.Quote(text) + " is not a time such as 2026-11-18, 2026-11-18T14:00, 14:00, yesterday or now"}
}

// Span reads --start, --end and --last. --end of a day is the end of that day. Without
// --start and --last it is everything before the end; without any of them the last 24
// hours, and asked is false.
func Span(start, end string, last time.Duration, zone *time.Location, now time.Time) (from, to time.Time, asked bool, err error) {
	if last > 0 && (start != "" || end != "") {
		return from, to, true, fmt.Errorf("give --last or --start and --end, not both")
	}
	if last > 0 {
		return now.Add(-last), time.Time{}, true, nil
	}
	if start == "" && end == "" {
		return now.Add(-24 * time.Hour), time.Time{}, false, nil
	}
	if start != "" {
		if from, _, err = ParseTime(start, zone, now); err != nil {
			return from, to, true, named(err, "--start")
		}
	}
	if end != "" {
		if _, to, err = ParseTime(end, zone, now); err != nil {
			return from, to, true, named(err, "--end")
		}
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return from, to, true, fmt.Errorf("--end (%s) is not after --start (%s)", to.Format(time.DateTime), from.Format(time.DateTime))
	}
	return from, to, true, nil
}

func named(err error, option string) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		e.Option = option
	}
	return err
}
