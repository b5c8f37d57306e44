package api

import (
	"math"
	"net/http"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/output/run"
	"github.com/flowhound/flowhound/cmd/internal/alert/series"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow/exporters"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
)

// Exporter is an exporter, and how much it sends.
type Exporter struct {
	exporters.State
	Rate float64    `json:"flows_per_s"`
	Day  []*float64 `json:"day"` // flows a second in each quarter of an hour of the last day; null: not known
	// LossPercent is how much is missing by its own numbering in the last hour, of what
	// it counts; of an exporter that counts datagrams that is rough.
	LossPercent float64 `json:"loss_percent"`
}

// Exporters is the answer about them.
type Exporters struct {
	Exporters []Exporter `json:"exporters"`
	Rate      float64    `json:"flows_per_s"`
	Drops     float64    `json:"kernel_drops"` // datagrams, since the start
	Unread    uint64     `json:"unread"`       // sets of flows without their template
	Listening []string   `json:"listening"`
}

func (a *API) exporters(w http.ResponseWriter, r *http.Request) {
	Answer(w, r, a.allExporters(time.Now()))
}

func (a *API) allExporters(now time.Time) Exporters {
	out := Exporters{Exporters: []Exporter{}, Drops: a.rates.value("flowhound_udp_drops_total"), Listening: a.d.Listening()}
	for _, s := range a.d.Exporters() {
		e := Exporter{State: s}
		e.Rate, e.Day = a.rates.of("flowhound_exporter_records_total", s.Address.String(), now)
		e.Rate = round(e.Rate)
		lost := a.rates.recent("flowhound_exporter_gap_total", s.Address.String(), now)
		came := a.rates.recent("flowhound_exporter_records_total", s.Address.String(), now)
		if s.Datagrams > 0 && len(s.Versions) == 1 && s.Versions[0] == "9" { // which counts datagrams
			came *= float64(s.Datagrams) / float64(max(1, s.Records))
		}
		if lost > 0 {
			e.LossPercent = round(100 * lost / (lost + came))
		}
		out.Rate += e.Rate
		out.Unread += s.Unread
		out.Exporters = append(out.Exporters, e)
	}
	return out
}

// round keeps three figures behind the point, so that noise changes no answer.
func round(v float64) float64 { return math.Round(v*1000) / 1000 }

// Feed is a feed or an allow list.
type Feed struct {
	feed.State
	Hits int `json:"hits_7d"` // series of the last seven days whose newest line names it
}

// Feeds is the answer about feeds and allow lists.
type Feeds struct {
	Feeds      []Feed  `json:"feeds"`
	Indicators int     `json:"indicators"`
	Mutes      []Muted `json:"mutes"`
}

// Muted is an entry of mute, and how many records it kept quiet since the start or
// the last reload.
type Muted struct {
	Src   string    `json:"src,omitempty"`
	IOC   string    `json:"ioc,omitempty"`
	Cat   string    `json:"cat,omitempty"`
	Until time.Time `json:"until"`
	Why   string    `json:"why"`
	By    string    `json:"by,omitempty"`
	At    time.Time `json:"at,omitzero"`
	Over  bool      `json:"over"`
	Count uint64    `json:"count"`
}

func (a *API) feeds(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	out := Feeds{Feeds: []Feed{}, Mutes: []Muted{}}
	hits := a.hitsOf(now.Add(-7*24*time.Hour), now)
	for _, f := range a.d.Feeds() {
		if f.Type != allowType {
			out.Indicators += f.Indicators
		}
		out.Feeds = append(out.Feeds, Feed{f, hits[f.Name]})
	}
	for _, m := range a.d.Policy().Mutes() {
		x := Muted{Cat: m.Cat, Until: m.Until, Why: m.Why, By: m.By, At: m.At, Over: m.Over(now), Count: m.Count}
		if m.Src.IsValid() {
			x.Src = m.Src.String()
		}
		if m.IOC.IsValid() {
			x.IOC = m.IOC.String()
		}
		out.Mutes = append(out.Mutes, x)
	}
	Answer(w, r, out)
}

// hitsOf counts the series of a range by feed.
func (a *API) hitsOf(from, to time.Time) map[string]int {
	list, _ := a.d.Hits.List(series.Question{From: from, To: to})
	n := map[string]int{}
	for i := range list {
		n[list[i].Newest.Feed]++
	}
	return n
}

// allowType is the type of allow lists among feeds.
const allowType = "allow"

// Output is an output, and how much it delivered.
type Output struct {
	run.State
	Hour float64    `json:"delivered_hour"` // hits, in the last hour
	Day  []*float64 `json:"day"`            // hits a second in each quarter of an hour of the last day
}

// Outputs is the answer about them.
type Outputs struct {
	Outputs []Output `json:"outputs"`
}

func (a *API) outputs(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	out := Outputs{Outputs: []Output{}}
	for _, s := range a.d.Outputs() {
		o := Output{State: s, Hour: a.rates.recent("flowhound_output_hits_total", s.Name, now)}
		_, o.Day = a.rates.of("flowhound_output_hits_total", s.Name, now)
		out.Outputs = append(out.Outputs, o)
	}
	Answer(w, r, out)
}

// Findings is what doctor says of the running agent.
type Findings struct {
	Findings finding.List `json:"findings"`
}

func (a *API) findings(w http.ResponseWriter, r *http.Request) {
	Answer(w, r, Findings{a.d.Findings()})
}
