package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/logfile"
	"github.com/flowhound/flowhound/cmd/internal/alert/series"
	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Overview says what needs somebody now.
type Overview struct {
	From time.Time `json:"from"` // of Lanes
	To   time.Time `json:"to"`
	// Now holds the series of severity critical and high with a line in the last 24
	// hours, Later those of severity medium; each the worst first, some at most.
	Now        []Series `json:"now"`
	NowTotal   int      `json:"now_total"`
	Critical   int      `json:"critical"` // of NowTotal
	Hosts      int      `json:"hosts"`    // own hosts in series that are critical
	Later      []Series `json:"later"`
	LaterTotal int      `json:"later_total"`
	// LastCritical is the last flow of a critical series that is known; absent: none is.
	LastCritical time.Time `json:"last_critical,omitzero"`
	// Lanes counts flows that hit by severity. Lists count series.
	Lanes    []series.Lane `json:"lanes"`
	Findings []Trouble     `json:"findings"` // what is wrong with flowhound itself
	Vitals   Vitals        `json:"vitals"`
}

// Trouble is a finding that is not fine, its fix in parts.
type Trouble struct {
	finding.Finding
	Advice  string `json:"advice,omitempty"`  // what to do by hand
	Command string `json:"command,omitempty"` // what to run
	Then    string `json:"then,omitempty"`
}

// Vitals are the numbers that tell whether flowhound works.
type Vitals struct {
	Rate         float64   `json:"flows_per_s"`
	Dropped      float64   `json:"dropped"`   // datagrams, flows of the history and hits, since the start
	LostHits     float64   `json:"lost_hits"` // of Dropped
	Exporters    int       `json:"exporters"`
	Feeds        int       `json:"feeds"` // without allow lists
	Outputs      int       `json:"outputs"`
	Indicators   int       `json:"indicators"`
	NewestFeed   time.Time `json:"newest_feed,omitzero"`
	Started      time.Time `json:"started"`
	HistoryBytes float64   `json:"history_bytes,omitempty"`
	Listening    []string  `json:"listening"`
	// Address is this host's, as a router may reach it: the one that the kernel would
	// send from. Absent where it has none, or listens on loopback alone.
	Address string `json:"address,omitempty"`
}

const (
	mostNow   = 50
	mostLater = 6
	lanePiece = 96
)

func (a *API) overview(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	s, err := spanOf(r.URL.Query(), now)
	if err != nil {
		Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if part := s.to.Sub(s.to.Truncate(time.Minute)); part > 0 { // whole minutes, with the one that runs
		rest := time.Minute - part
		s.from, s.to = s.from.Add(rest), s.to.Add(rest)
	}
	out := Overview{
		From: s.from.Truncate(time.Minute), To: s.to, Now: []Series{}, Later: []Series{},
		Lanes: a.d.Hits.Lanes(s.from, s.to, lanePiece), Findings: a.troubles(), Vitals: a.vitals(now),
	}
	a.needs(&out, now)
	Answer(w, r, out)
}

// needs fills in who has to be looked at.
func (a *API) needs(out *Overview, now time.Time) {
	day := span{now.Add(-24 * time.Hour), now}
	list, _ := a.d.Hits.List(series.Question{Severity: hit.Medium})
	hosts := map[string]bool{}
	for i := range list {
		x := &list[i]
		if x.Severity == hit.Critical && x.Last().After(out.LastCritical) {
			out.LastCritical = x.Last()
		}
		if x.Newest.Time.Before(day.from) {
			continue
		}
		switch {
		case x.Severity >= hit.High:
			if out.NowTotal++; len(out.Now) < mostNow {
				out.Now = append(out.Now, a.seriesOf(x, day))
			}
			if x.Severity == hit.Critical {
				out.Critical++
				hosts[x.Newest.Local.String()] = true
			}
		default:
			if out.LaterTotal++; len(out.Later) < mostLater {
				out.Later = append(out.Later, a.seriesOf(x, day))
			}
		}
	}
	out.Hosts = len(hosts)
}

// troubles are the findings that are not fine.
func (a *API) troubles() []Trouble {
	out := []Trouble{}
	for _, f := range a.d.Findings() {
		if f.Level != finding.OK {
			x := Trouble{Finding: f}
			x.Advice, x.Command, x.Then = f.Steps()
			out = append(out, x)
		}
	}
	return out
}

func (a *API) vitals(now time.Time) Vitals {
	v := Vitals{
		LostHits: a.rates.sum("flowhound_dropped_total", holdsHits), Started: a.d.Started, Exporters: len(a.d.Exporters()),
		Outputs: len(a.d.Outputs()), HistoryBytes: a.rates.value("flowhound_history_bytes"), Listening: a.d.Listening(),
	}
	v.Address = reachable(v.Listening)
	v.Dropped = v.LostHits + a.rates.value("flowhound_udp_drops_total") + a.rates.sum("flowhound_dropped_total", func(queue string) bool { return queue == "history" })
	v.Rate, _ = a.rates.of("flowhound_records_total", "", now)
	v.Rate = round(v.Rate)
	for _, f := range a.d.Feeds() {
		if f.Type == allowType {
			continue
		}
		v.Feeds++
		v.Indicators += f.Indicators
		if f.FreshAt.After(v.NewestFeed) {
			v.NewestFeed = f.FreshAt
		}
	}
	return v
}

// reachable is the address of this host to tell routers, where it listens on the
// given ones. Nothing is sent to find it out.
func reachable(listening []string) string {
	for _, l := range listening {
		at, err := netip.ParseAddrPort(l)
		if err != nil || at.Addr().IsLoopback() {
			continue
		}
		if !at.Addr().IsUnspecified() {
			return at.Addr().String()
		}
		for _, far := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
			conn, err := net.Dial("udp", far)
			if err != nil {
				continue
			}
			here, err := netip.ParseAddrPort(conn.LocalAddr().String())
			if _ = conn.Close(); err == nil && !here.Addr().IsLoopback() {
				return here.Addr().Unmap().String()
			}
		}
	}
	return ""
}

// holdsHits reports whether what a queue drops is hits: those on their way to the
// alert log and the outputs. Others drop readers of the pages, or questions.
func holdsHits(queue string) bool {
	return queue == "alerts" || queue == logfile.Cursor || strings.HasPrefix(queue, "output:")
}

// Counts are the numbers beside the names of the pages.
type Counts struct {
	Now       int `json:"now"` // series that need somebody now
	Exporters int `json:"exporters"`
	Feeds     int `json:"feeds"`
	Outputs   int `json:"outputs"`
}

// counts tells what is in trouble.
func (a *API) counts(now time.Time) (c Counts) {
	var o Overview
	a.needs(&o, now)
	c.Now = o.NowTotal
	for _, x := range a.d.Exporters() {
		if x.Silent && !x.Newcomer {
			c.Exporters++
		}
	}
	for _, f := range a.d.Feeds() {
		if f.Status == "error" || f.Status == "stale" {
			c.Feeds++
		}
	}
	for _, x := range a.d.Outputs() {
		if x.Status != "ok" {
			c.Outputs++
		}
	}
	return c
}
