package api

import (
	"strings"
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

// TestLanesCountTheRunningMinute asserts that a hit of this moment, which the lists
// show, is also counted.
func TestLanesCountTheRunningMinute(t *testing.T) {
	l := newLab(t)
	x := made("tafmy5n3he9te", hit.High, "198.51.100.7")
	x.First, x.Start = x.Last, x.Last
	l.say(x)
	var o Overview
	if code, _ := l.do("GET", "overview?last=1h", "", &o); code != 200 || o.Lanes[1].Total != 3 || o.NowTotal != 1 {
		t.Errorf("%d: %d series, %+v", code, o.NowTotal, o.Lanes[1])
	}
	if o.To.Sub(o.From) != time.Hour || o.To.Second() != 0 {
		t.Errorf("from %s to %s", o.From, o.To)
	}
}

// TestReachable asserts that a router is told an address that it can reach.
func TestReachable(t *testing.T) {
	for listens, want := range map[string]string{"127.0.0.1:2055": "", "[::1]:2055": "", "192.0.2.7:2055": "192.0.2.7", "[2001:db8::7]:2055": "2001:db8::7", "": ""} {
		if got := reachable([]string{"127.0.0.1:1", listens}); got != want {
			t.Errorf("%s: %q, want %q", listens, got, want)
		}
	}
	if got := reachable([]string{"[::]:2055"}); strings.HasPrefix(got, "127.") || strings.HasPrefix(got, "[") {
		t.Errorf("all addresses: %q", got)
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
