package api

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/series"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/nearest"
	"github.com/flowhound/flowhound/rules"
)

// Series is one series as lists have it. What is empty is absent.
type Series struct {
	ID        string        `json:"series"`
	Line      string        `json:"id"` // of its newest line
	Severity  hit.Severity  `json:"sev"`
	Kind      hit.Kind      `json:"kind"`
	Direction hit.Direction `json:"dir"`
	State     hit.State     `json:"state"`
	Category  string        `json:"cat"`
	Score     int           `json:"score"`
	Feed      string        `json:"feed"`
	IOC       string        `json:"ioc"`
	Src       string        `json:"src"`
	SrcPort   int           `json:"sport"` // -1: none, or several
	Dst       string        `json:"dst"`
	DstPort   int           `json:"dport"`
	Proto     string        `json:"proto"`
	Local     string        `json:"local"`
	Remote    string        `json:"remote"`
	LocalHost string        `json:"local_host,omitempty"` // name of one's own address, where it is known
	Country   string        `json:"cc,omitempty"`
	Exporter  string        `json:"exporter"`
	Began     time.Time     `json:"first"` // first flow that is known
	Last      time.Time     `json:"last"`  // last flow
	Said      time.Time     `json:"at"`    // when its newest line was written: of kind retro long after its last flow
	Lines     int           `json:"lines"`
	Count     uint64        `json:"count"` // of all lines, as the sums below
	Bytes     uint64        `json:"bytes"`
	Packets   uint64        `json:"pkts"`
	Ref       string        `json:"ref,omitempty"`
	Name      string        `json:"name,omitempty"`
	Sources   int           `json:"sources,omitempty"`
	Targets   int           `json:"targets,omitempty"`
	// Period is by how many seconds it comes again, 0: without a rhythm; Deviation is
	// how far half of the gaps are off at most.
	Period    float64  `json:"period_s,omitempty"`
	Deviation float64  `json:"deviation_s,omitempty"`
	Rule      int      `json:"rule"` // of OSSEC and Wazuh for its newest line
	Level     int      `json:"level"`
	Ticks     []uint64 `json:"ticks,omitempty"` // flows in equal pieces of the range
}

// ticks is how many pieces the range has in a list.
const ticks = 48

func (a *API) seriesOf(x *series.Series, s span) Series {
	h := &x.Newest
	rule, level := rules.Of(h)
	y := Series{
		ID: x.ID, Line: h.ID, Severity: x.Severity, Kind: h.Kind, Direction: h.Direction, State: h.State, Category: h.Category,
		Score: h.Score, Feed: h.Feed, IOC: hit.FormatIOC(h.IOC), Src: h.Src.String(), SrcPort: h.SrcPort, Dst: h.Dst.String(), DstPort: h.DstPort,
		Proto: hit.ProtoName(h.Proto), Local: h.Local.String(), Remote: h.Remote.String(), Country: h.Country, Exporter: h.Exporter.String(),
		Began: x.Began, Last: h.Last, Said: h.Time, Lines: x.Lines, Count: x.Count, Bytes: x.Bytes, Packets: x.Packets, Ref: h.Ref, Name: h.Name,
		Sources: h.Sources, Targets: h.Targets, Rule: rule, Level: level, Ticks: ticksOf(x.Spans, s),
	}
	if y.LocalHost = h.DstPlace.Host; h.Local == h.Src {
		y.LocalHost = h.SrcPlace.Host
	}
	if y.LocalHost == "" && a.d.About != nil && h.Local.IsValid() && time.Since(h.Last) < 24*time.Hour { // later the address may be another's
		y.LocalHost = a.d.About(h.Local).Host // asked for when the hit was said, and known by now
	}
	if y.Proto == "" {
		y.Proto = fmt.Sprint(h.Proto)
	}
	if g := h.Regular; g != nil && g.Score >= 0.5 {
		y.Period, y.Deviation = g.PeriodSeconds, g.DeviationSeconds
	}
	return y
}

// ticksOf spreads the flows of lines over the pieces of the range that they are in.
func ticksOf(spans []series.Span, s span) []uint64 {
	out := make([]uint64, ticks)
	width := s.to.Sub(s.from)
	at := func(t time.Time) int {
		return int(int64(ticks) * int64(t.Sub(s.from)/time.Second) / int64(max(1, width/time.Second)))
	}
	for _, p := range spans {
		a, b := at(p.First), at(p.Last)
		n := uint64(b - a + 1)
		for i := a; i <= b; i++ {
			if i < 0 || i >= ticks {
				continue
			}
			k := uint64(i - a)
			out[i] += p.Count*(k+1)/n - p.Count*k/n
		}
	}
	return out
}

// Hits is the answer to a question about hits.
type Hits struct {
	From   time.Time                 `json:"from"`
	To     time.Time                 `json:"to"`
	Total  int                       `json:"total"` // series that fit; Series may have fewer
	Counts map[string]map[string]int `json:"counts"`
	Series []Series                  `json:"hits"`
	Change uint64                    `json:"change"` // what events begin after
}

const (
	byDefaultSeries = 500
	mostSeries      = 5000
	mostValues      = 12 // of a field, in Counts
)

func (a *API) hits(w http.ResponseWriter, r *http.Request) {
	s, want, ok := a.asked(w, r)
	if !ok {
		return
	}
	limit, err := numberOf(r.URL.Query(), "limit", byDefaultSeries, mostSeries)
	offset, err2 := numberOf(r.URL.Query(), "offset", 0, 1<<20)
	if err != nil || err2 != nil {
		Refuse(w, http.StatusBadRequest, errorOf(err, err2).Error())
		return
	}
	list, change := a.d.Hits.List(want)
	out := Hits{From: s.from, To: s.to, Total: len(list), Counts: countsOf(list), Series: []Series{}, Change: change}
	list = list[min(offset, len(list)):]
	for i := range list[:min(limit, len(list))] {
		out.Series = append(out.Series, a.seriesOf(&list[i], s))
	}
	// The range of "last" moves on; without it an answer stays the same, and its ETag.
	out.From, out.To = out.From.Truncate(time.Minute), out.To.Truncate(time.Minute)
	Answer(w, r, out)
}

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// countsOf tells how many series have which value, for each field.
func countsOf(list []series.Series) map[string]map[string]int {
	out := map[string]map[string]int{}
	for _, f := range fields {
		all := map[string]int{}
		for i := range list {
			all[f.of(&list[i])]++
		}
		values := make([]string, 0, len(all))
		for v := range all {
			values = append(values, v)
		}
		slices.SortFunc(values, func(x, y string) int { return all[y] - all[x] })
		for _, v := range values[min(len(values), mostValues):] {
			delete(all, v)
		}
		out[f.name] = all
	}
	return out
}

// Story is all that is known of one series.
type Story struct {
	Series
	Hit   hit.Hit       `json:"hit"`   // its newest line, as the outputs have it
	Text  string        `json:"text"`  // the same as OSSEC and Wazuh read it, without its header
	Spans []series.Span `json:"spans"` // its newest lines, the oldest first
	// Why is what this category and score make of a hit.
	Why Why `json:"why"`
}

// Why is one category's part of the severity table.
type Why struct {
	OutAnswered   hit.Severity `json:"out_answered"`
	OutUnanswered hit.Severity `json:"out_unanswered"`
	InAnswered    hit.Severity `json:"in_answered"`
	InServed      hit.Severity `json:"in_served"` // where a service gave more than a refusal
	InUnanswered  hit.Severity `json:"in_unanswered"`
	// Plain says that the table alone gives the hit's severity; else what is known of
	// the address, or the volume, changed it.
	Plain bool `json:"plain"`
}

func (a *API) story(w http.ResponseWriter, r *http.Request) {
	s, err := spanOf(r.URL.Query(), time.Now())
	if err != nil {
		Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	id := r.PathValue("series")
	x, ok := a.d.Hits.Get(id)
	if !ok {
		Refuse(w, http.StatusNotFound, a.noSeries(id))
		return
	}
	Answer(w, r, Story{
		Series: a.seriesOf(&x, s), Hit: x.Newest, Text: string(hit.AppendLine(nil, &x.Newest)), Spans: x.Spans,
		Why: whyOf(a.d.Policy(), &x),
	})
}

func (a *API) noSeries(id string) string {
	if len(id) > 48 {
		id = id[:48]
	}
	list, _ := a.d.Hits.List(series.Question{})
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	text := fmt.Sprintf("There is no series %q. Series are kept for %d days.", id, int(series.Keep/(24*time.Hour)))
	if n := nearest.Word(id, ids); n != "" {
		text += " The nearest is " + n + "."
	}
	return text
}

func whyOf(p *alert.Policy, x *series.Series) Why {
	h := &x.Newest
	cat := intel.Other
	_ = cat.UnmarshalText([]byte(h.Category)) // one of a newer version is other
	of := func(d hit.Direction, s hit.State, served bool) hit.Severity {
		return p.Severity(cat, uint8(min(max(h.Score, 0), 100)), d, s, served)
	}
	y := Why{
		of(hit.Outbound, hit.Established, false), of(hit.Outbound, hit.Attempt, false),
		of(hit.Inbound, hit.Established, false), of(hit.Inbound, hit.Established, true), of(hit.Inbound, hit.Attempt, false), false,
	}
	own := of(h.Direction, h.State, false)
	y.Plain = h.Severity == own || h.Direction == hit.Inbound && h.State == hit.Established && h.Severity == y.InServed
	return y
}
