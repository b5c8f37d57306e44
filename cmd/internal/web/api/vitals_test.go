package api

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/plugin/hit"
)

// TestLostHits asserts that only queues of hits count as lost hits, and readers of the
// pages and questions as nothing that is dropped.
func TestLostHits(t *testing.T) {
	r := prometheus.NewRegistry()
	dropped := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "flowhound_dropped_total", Help: "x"}, []string{"queue"})
	datagrams := prometheus.NewCounter(prometheus.CounterOpts{Name: "flowhound_udp_drops_total", Help: "x"})
	r.MustRegister(dropped, datagrams)
	datagrams.Add(1000)
	for queue, n := range map[string]float64{"alerts": 1, "log": 2, "output:siem": 4, "history": 8, "web": 16, "events": 32, "dnsbl": 64, "sites": 128} {
		dropped.WithLabelValues(queue).Add(n)
	}
	a := API{d: newLab(t).api.d, rates: newRates(r)}
	a.rates.look(time.Now())
	if v := a.vitals(time.Now()); v.LostHits != 7 || v.Dropped != 1015 || v.Feeds != 2 || v.Outputs != 1 {
		t.Errorf("%+v", v)
	}
}

// TestHitsOfFeeds asserts that feeds tell their hits of seven days.
func TestHitsOfFeeds(t *testing.T) {
	l := newLab(t)
	l.say(made("tafmy5n3he9te", hit.High, "198.51.100.7"))
	var f Feeds
	if code, _ := l.do("GET", "feeds", "", &f); code != 200 || f.Feeds[0].Hits != 1 || f.Feeds[1].Hits != 0 {
		t.Errorf("%d %+v", code, f.Feeds)
	}
}
