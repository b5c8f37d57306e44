package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// print tells an answer to a person, or as JSON, one object a line.
func (a *answer) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return a.printJSON(w)
	}
	var b strings.Builder
	if a.unused != "" {
		fmt.Fprintf(&b, "%s: %s: no feed can list it\n", a.query, a.unused)
	}
	if len(a.found)+len(a.allowed)+len(a.within) == 0 {
		fmt.Fprintf(&b, "%s: no indicator covers it\n", a.query)
	}
	if a.shared != "" {
		fmt.Fprintf(&b, "%s: many sites share this address of %s: a listing of it alone is worth half\n", a.query, a.shared)
	}
	if a.scanner != "" {
		fmt.Fprintf(&b, "%s: the research project %s scans from here: inbound it is info at most\n", a.query, a.scanner)
	}
	for _, e := range a.allowed {
		fmt.Fprintf(&b, "%s: allowed by %s: %s%s\n", a.query, e.List, e, after(", ", e.Reason))
	}
	for i := range a.mutes {
		m := &a.mutes[i]
		if m.Src.IsValid() {
			fmt.Fprintf(&b, "%s: muted only where %s, until %s: %s\n", a.query, m, stamp(m.Until), m.Why)
		} else {
			fmt.Fprintf(&b, "%s: muted until %s where %s: %s\n", a.query, stamp(m.Until), m, m.Why)
		}
	}
	for from := 0; from < len(a.found); {
		to := from + 1
		for to < len(a.found) && samePlace(&a.found[from], &a.found[to]) {
			to++
		}
		for i := from; i < to; i++ {
			a.indicator(&b, &a.found[i])
		}
		a.together(&b, a.found[from:to])
		from = to
	}
	a.inside(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// mostInside is how many indicators within a network a person is shown.
const mostInside = 20

// inside tells which indicators lie within a network.
func (a *answer) inside(b *strings.Builder) {
	if len(a.within) == 0 {
		return
	}
	fmt.Fprintf(b, "%s: %s within\n", a.query, counted(len(a.within), "indicator lies", "indicators lie"))
	for n := range a.within[:min(len(a.within), mostInside)] {
		i := &a.within[n]
		fmt.Fprintf(b, "    %s in feed %s, category %s, score %d\n", ioc(i), i.Feed, i.Category, i.Score)
	}
	if more := len(a.within) - mostInside; more > 0 {
		fmt.Fprintf(b, "    and %d more; --json lists all\n", more)
	}
}

func samePlace(x, y *cover) bool {
	return x.Prefix == y.Prefix && x.Domain == y.Domain && x.URL == y.URL
}

// indicator tells one indicator.
func (a *answer) indicator(b *strings.Builder, f *cover) {
	state, score := "", f.Score
	switch {
	case f.allowed:
		state = " (allowed: does not match)"
	case f.Over:
		state, score = " (expired: no longer matches)", f.Base
	}
	fmt.Fprintf(b, "%s: %s in feed %s, category %s, score %d%s\n", a.query, ioc(&f.Indicator), f.Feed, f.Category, score, state)
	for _, line := range []struct{ label, value string }{
		{"name", f.Name}, {"reference", f.Ref}, {"tags", f.Tags}, {"first seen", stamp(f.FirstSeen)}, {"last seen", stamp(f.LastSeen)},
		{"expires", stamp(f.Expires)}, {"score", a.age(f)}, {"port", port(f)},
	} {
		if line.value != "" {
			fmt.Fprintf(b, "    %-10s  %s\n", line.label, line.value)
		}
	}
}

// age tells how age has moved a score; "" where it does not.
func (a *answer) age(f *cover) string {
	switch {
	case f.Over && f.Expires.IsZero():
		return fmt.Sprintf("%d at first, nothing since %s: %s without a new sighting", f.Base, stamp(f.Ends), days(f.Lifetime))
	case f.Over:
		return fmt.Sprintf("%d at first, nothing since %s", f.Base, stamp(f.Ends))
	case f.Lifetime == 0:
		return ""
	}
	now := fmt.Sprintf("%d at first, %d now", f.Base, f.Score)
	switch seen := ", last seen " + days(a.now.Sub(f.Seen)) + " ago"; {
	case !f.Expires.IsZero():
		return now + seen
	case f.LastSeen.IsZero():
		return fmt.Sprintf("%s; if the feed cannot be fetched any more, it falls to 0 by %s", now, stamp(f.Ends))
	default:
		return fmt.Sprintf("%s%s; it falls to 0 by %s unless it is seen again", now, seen, stamp(f.Ends))
	}
}

// port tells what a port does to the score.
func port(f *cover) string {
	if f.Port == 0 {
		return ""
	}
	if f.Over {
		return fmt.Sprint(f.Port)
	}
	return fmt.Sprintf("%d: score %d on it, %d on others", f.Port, alert.PortScore(f.Score, true), alert.PortScore(f.Score, false))
}

// together tells what the feeds on one thing are worth together, where there are
// several.
func (a *answer) together(b *strings.Builder, on []cover) {
	best := map[string]uint8{}
	var order, aggregates []string
	for i := range on {
		f := &on[i]
		if !f.live() {
			continue
		}
		if _, seen := best[f.Feed]; !seen {
			order = append(order, f.Feed)
			if f.Aggregate {
				aggregates = append(aggregates, f.Feed)
			}
		}
		best[f.Feed] = max(best[f.Feed], f.Score)
	}
	if len(order) < 2 {
		return
	}
	says := make([]string, len(order))
	for i, feed := range order {
		says[i] = fmt.Sprintf("%s %d", feed, best[feed])
	}
	fmt.Fprintf(b, "%s: %s together score %d: %s", a.query, ioc(&on[0].Indicator), on[0].Combined, strings.Join(says, ", "))
	if len(aggregates) > 0 {
		fmt.Fprintf(b, "; %s: gathered from other feeds, adds nothing to them", strings.Join(aggregates, ", "))
	}
	b.WriteByte('\n')
}

// days says a duration as people count ages.
func days(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f hours", d.Hours())
	default:
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	}
}

func after(separator, s string) string {
	if s == "" {
		return ""
	}
	return separator + s
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// ioc is the indicator as people write it.
func ioc(i *intel.Indicator) string {
	switch {
	case i.URL != "":
		return i.URL
	case i.Domain != "":
		return i.Domain
	case i.Prefix.IsSingleIP():
		return i.Prefix.Addr().String()
	}
	return i.Prefix.String()
}

// indicatorJSON is an indicator as lookup --json prints it: the keys of a hit's
// indicators, and how the score came about.
type indicatorJSON struct {
	Query     string         `json:"query"`
	IOC       string         `json:"ioc"`
	Feed      string         `json:"feed"`
	Category  intel.Category `json:"cat"`
	Score     uint8          `json:"score"`              // as it is worth now; of what is over, base
	Base      uint8          `json:"base"`               // as the feed gave it
	Combined  uint8          `json:"combined,omitempty"` // of all feeds on the same thing
	Aggregate bool           `json:"aggregate,omitempty"`
	Port      uint16         `json:"port,omitempty"`
	OnPort    uint8          `json:"score_on_port,omitempty"`
	Elsewhere uint8          `json:"score_elsewhere,omitempty"`
	Ref       string         `json:"ref,omitempty"`
	Name      string         `json:"name,omitempty"`
	Tags      string         `json:"tags,omitempty"`
	FirstSeen time.Time      `json:"first_seen,omitzero"`
	LastSeen  time.Time      `json:"last_seen,omitzero"`
	Expires   time.Time      `json:"expires,omitzero"`
	Ends      time.Time      `json:"ends,omitzero"` // by expiry or decay
	Expired   bool           `json:"expired,omitempty"`
	Allowed   bool           `json:"allowed,omitempty"`
}

// allowedJSON is an entry of an allow list as lookup --json prints it.
type allowedJSON struct {
	Query     string `json:"query"`
	IOC       string `json:"ioc"` // what is allowed: the query, or what it lies in
	AllowedBy string `json:"allowed_by"`
	Reason    string `json:"reason,omitempty"`
}

// mutedJSON is an entry of mute as lookup --json prints it.
type mutedJSON struct {
	Query string    `json:"query"`
	Muted string    `json:"muted"` // what must fit: src=..., ioc=..., cat=...
	Until time.Time `json:"until"`
	Why   string    `json:"why"`
}

// knownJSON says whose address it is, as lookup --json prints it.
type knownJSON struct {
	Query   string `json:"query"`
	Shared  string `json:"shared,omitempty"`
	Scanner string `json:"scanner,omitempty"`
}

// unusedJSON says that no feed may list the query, as lookup --json prints it.
type unusedJSON struct {
	Query  string        `json:"query"`
	Unused ingest.Reason `json:"never_used"`
}

func (a *answer) printJSON(w io.Writer) error {
	var out []any
	for _, e := range a.allowed {
		out = append(out, allowedJSON{a.query, e.String(), e.List, e.Reason})
	}
	if a.shared != "" || a.scanner != "" {
		out = append(out, knownJSON{a.query, a.shared, a.scanner})
	}
	for i := range a.mutes {
		m := &a.mutes[i]
		out = append(out, mutedJSON{a.query, m.String(), m.Until.UTC(), m.Why})
	}
	for i := range a.found {
		f := &a.found[i]
		j := indicatorJSON{
			Query: a.query, IOC: ioc(&f.Indicator), Feed: f.Feed, Category: f.Category, Score: f.Score, Base: f.Base, Combined: f.Combined,
			Aggregate: f.Aggregate, Port: f.Port, Ref: f.Ref, Name: f.Name, Tags: f.Tags, FirstSeen: f.FirstSeen, LastSeen: f.LastSeen,
			Expires: f.Expires, Ends: f.Ends, Expired: f.Over, Allowed: f.allowed,
		}
		if f.Over {
			j.Score = f.Base
		} else if f.Port != 0 {
			j.OnPort, j.Elsewhere = alert.PortScore(f.Score, true), alert.PortScore(f.Score, false)
		}
		out = append(out, j)
	}
	for n := range a.within {
		i := &a.within[n]
		out = append(out, indicatorJSON{
			Query: a.query, IOC: ioc(i), Feed: i.Feed, Category: i.Category, Score: i.Score, Base: i.Score, Combined: i.Combined,
			Port: i.Port, Ref: i.Ref, Name: i.Name, Tags: i.Tags, FirstSeen: i.FirstSeen, LastSeen: i.LastSeen, Expires: i.Expires,
		})
	}
	if a.unused != "" {
		out = append(out, unusedJSON{a.query, a.unused})
	}
	return printLines(w, out...)
}
