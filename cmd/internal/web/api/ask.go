package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/series"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/history/query/alerts"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/hit"
)

// span is the time that a question is about.
type span struct{ from, to time.Time }

// mostBack is how far back a question may go.
const mostBack = 366 * 24 * time.Hour

// spanOf reads last=24h, or from= and to= (RFC 3339, or seconds since 1970).
func spanOf(q url.Values, now time.Time) (s span, err error) {
	s = span{now.Add(-24 * time.Hour), now}
	if text := q.Get("last"); text != "" {
		d, err := settings.ParseDuration(text)
		if err != nil || d <= 0 || d > mostBack {
			return s, fmt.Errorf("last=%.20s is not a time between 1m and 366d, such as 24h", text)
		}
		s.from = now.Add(-d)
	}
	for key, at := range map[string]*time.Time{"from": &s.from, "to": &s.to} {
		text := q.Get(key)
		if text == "" {
			continue
		}
		if *at, err = parseTime(text); err != nil {
			return s, fmt.Errorf("%s=%.40s is not a time, such as 2026-11-28T02:00:00Z", key, text)
		}
	}
	switch {
	case !s.from.Before(s.to):
		return s, fmt.Errorf("the range ends before it begins: from %s to %s", s.from.Format(time.RFC3339), s.to.Format(time.RFC3339))
	case s.to.Sub(s.from) > mostBack:
		return s, fmt.Errorf("the range is longer than 366 days")
	}
	return s, nil
}

func parseTime(text string) (time.Time, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 && n < 1<<33 {
		return time.Unix(n, 0), nil
	}
	return time.Parse(time.RFC3339, text)
}

// numberOf reads a number between 0 and most.
func numberOf(q url.Values, key string, byDefault, most int) (int, error) {
	text := q.Get(key)
	if text == "" {
		return byDefault, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%s=%.20s is not a number between 0 and %d", key, text, most)
	}
	return n, nil
}

// field is what a hit can be filtered by, and counted by beside the list.
type field struct {
	name string
	of   func(x *series.Series) string
}

var fields = []field{
	{"severity", func(x *series.Series) string { return x.Severity.String() }},
	{"direction", func(x *series.Series) string { return string(x.Newest.Direction) }},
	{"category", func(x *series.Series) string { return x.Newest.Category }},
	{"feed", func(x *series.Series) string { return x.Newest.Feed }},
	{"exporter", func(x *series.Series) string { return x.Newest.Exporter.String() }},
	{"state", func(x *series.Series) string { return string(x.Newest.State) }},
	{"kind", func(x *series.Series) string { return string(x.Newest.Kind) }},
}

// known are the other parameters of a question about hits.
var known = []string{"last", "from", "to", "min", "q", "expression", "limit", "offset"}

// described says what each parameter means.
var described = map[string]string{
	"last": "The range: so long, until now, such as 1h, 24h, 7d. By default 24h.",
	"from": "The begin of the range, RFC 3339 or seconds since 1970.", "to": "Its end.",
	"min": "The lowest severity.", "limit": "How many at most.", "offset": "How many are left out at the begin.",
	"q":          "Words that must all fit: an address, a network or a port (:443) on either side, or a piece of a name, list, tag or id.",
	"expression": "Which flows, in the language of flowhound top: src country CH and dst port 443. Of hits: src is who opened the connection, bytes and packets are those of the whole series.",
	"fields":     "What is grouped by, with commas: sip dip sport dport proto service scc dcc sas das exporter; ip port cc as of either side; minute 5min hour day.",
	"value":      "What is added up: bytes, packets, flows, sips or dips.", "count": "How many rows; 0: all, in the order of their fields.",
	"bottom": "true: the smallest first.", "raw": "true: counts as exported, not multiplied by the sampling rate.", "sort": "start, end, bytes, packets or duration, and -start for the other way.",
	"since": "Begin after this change: \"change\" of the answer to hits, or the id of an event.",
}

// filterOf reads which series are wanted: severity=high, not-severity=info and so on,
// several values of one field with commas; min=medium; q=, see textOf; expression=, of
// package alerts.
func filterOf(q url.Values, s span, local []netip.Prefix) (series.Question, error) {
	want := series.Question{From: s.from, To: s.to}
	if text := q.Get("min"); text != "" {
		if err := want.Severity.UnmarshalText([]byte(text)); err != nil {
			return want, fmt.Errorf("min: %w", err)
		}
	}
	text, err := textOf(q.Get("q"))
	if err != nil {
		return want, err
	}
	if len(q.Get("expression")) > mostExpression {
		return want, fmt.Errorf("expression is longer than %d characters", mostExpression)
	}
	wanted, err := alerts.Parse(q.Get("expression"), query.Env{Local: local})
	if err != nil {
		return want, err
	}
	type condition struct {
		of     func(x *series.Series) string
		values []string
		not    bool
	}
	var all []condition
	for key, values := range q {
		name, not := strings.CutPrefix(key, "not-")
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if i < 0 {
			if slices.Contains(known, key) {
				continue
			}
			return want, fmt.Errorf("there is no parameter %.40q; there are %s", key, strings.Join(parameters(), ", "))
		}
		c := condition{of: fields[i].of, not: not}
		for _, v := range values {
			c.values = append(c.values, strings.Split(v, ",")...)
		}
		all = append(all, c)
	}
	want.Accept = func(x *series.Series) bool {
		for _, c := range all {
			if slices.Contains(c.values, c.of(x)) == c.not {
				return false
			}
		}
		return text(x) && wanted.Accepts(x)
	}
	return want, nil
}

func parameters() (all []string) {
	for _, f := range fields {
		all = append(all, f.name, "not-"+f.name)
	}
	return append(all, known...)
}

// mostText bounds what is searched for.
const mostText = 500

// textOf reads words that must all fit: an address, a network or a port (:443) on
// either side, or a piece of a name, list, tag or id.
func textOf(q string) (func(x *series.Series) bool, error) {
	if len(q) > mostText {
		return nil, fmt.Errorf("q is longer than %d characters", mostText)
	}
	var all []func(x *series.Series) bool
	for word := range strings.FieldsSeq(strings.ToLower(q)) {
		if p, err := netip.ParsePrefix(word); err == nil {
			all = append(all, func(x *series.Series) bool { return x.Of(p.Masked()) })
			continue
		}
		if a, err := netip.ParseAddr(word); err == nil {
			a = a.Unmap().WithZone("")
			all = append(all, func(x *series.Series) bool { return x.Of(netip.PrefixFrom(a, a.BitLen())) })
			continue
		}
		if port, err := strconv.ParseUint(strings.TrimPrefix(word, ":"), 10, 16); err == nil && word[0] == ':' {
			all = append(all, func(x *series.Series) bool {
				return x.Newest.SrcPort == int(port) || x.Newest.DstPort == int(port)
			})
			continue
		}
		all = append(all, func(x *series.Series) bool { return says(x, word) })
	}
	return func(x *series.Series) bool {
		for _, fits := range all {
			if !fits(x) {
				return false
			}
		}
		return true
	}, nil
}

// says reports whether a word, in lower case, stands in what a series is called.
func says(x *series.Series, word string) bool {
	has := func(all ...string) bool {
		return slices.ContainsFunc(all, func(s string) bool { return strings.Contains(strings.ToLower(s), word) })
	}
	h := &x.Newest
	if has(x.ID, h.Name, h.Feed, h.Category, h.Country, hit.ProtoName(h.Proto)) {
		return true
	}
	return slices.ContainsFunc(h.Indicators, func(i hit.Indicator) bool { return has(i.Name, i.Feed) || has(i.Tags...) })
}

// asked reads what all questions about hits have; it answers itself where ok is false.
func (a *API) asked(w http.ResponseWriter, r *http.Request) (s span, want series.Question, ok bool) {
	q := r.URL.Query()
	s, err := spanOf(q, time.Now())
	if err == nil {
		want, err = filterOf(q, s, a.d.Networks())
	}
	if err != nil {
		refuseExpression(w, err)
		return s, want, false
	}
	return s, want, true
}
