package agent_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/agent"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/control/feeds"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestFetchedFeed: a feed goes away, comes back changed, times out, breaks off and
// recovers while flows run; after a restart without network it matches at once.
func TestFetchedFeed(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	var answer atomic.Value // http.HandlerFunc
	list := func(last ...string) {
		answer.Store(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, ours(last...)) }))
	}
	var agents atomic.Value // the last User-Agent
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agents.Store(r.UserAgent())
		answer.Load().(http.HandlerFunc)(w, r)
	}))
	t.Cleanup(server.Close)
	list()
	dir := t.TempDir()
	settings := `alert: {window: 1s, max_window: 1s}
contact: noc@example.net
feeds:
  - {name: theirs, type: list, url: "` + server.URL + `/list.txt", every: 1s, category: policy}
`
	hurry := agent.Options{Fetch: fetch.Options{Header: 5 * time.Second, Retries: -1}}
	r := startWith(t, dir, settings, hurry)
	r.awaitLine(`feed id=theirs status=ok indicators=1 msg="1 indicator"`)
	x := r.traffic()
	r.awaitHit(always)
	if got := agents.Load(); got != "flowhound/1.2.0 (+https://github.com/flowhound/flowhound; noc@example.net)" {
		t.Errorf("the publisher saw %q", got)
	}

	answer.Store(http.HandlerFunc(http.NotFound))
	r.awaitLine(`feed id=theirs status=error indicators=1 msg="feed theirs: http://127.0.0.1:\d+/list.txt: the server answers 404 \(Not Found\).*; the 1 indicator of .* stay in use"`)
	r.wantDegraded("theirs")

	list("2") // comes back changed
	r.awaitHit("198.51.100.2")
	r.wantHealthy()
	r.awaitLine(`feed id=theirs status=ok indicators=2 `)

	answer.Store(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	r.awaitLine(`feed id=theirs status=error indicators=2 msg=".*timed out.*; the 2 indicators of .* stay in use"`)
	answer.Store(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, ours("2", "4"))
	}))
	r.awaitMetric(`flowhound_feed_errors_total{feed="theirs"}`, 3)
	list("2", "3")
	r.awaitHit("198.51.100.3")
	r.wantHealthy()

	list("2", "3", "5")
	cfg, err := config.Load(r.path("flowhound.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r.update(cfg, 4)
	r.awaitHit("198.51.100.5")
	states, err := asked(cfg).States(t.Context())
	if err != nil || len(states) != 1 || states[0].Status != feed.OK || states[0].Errors < 3 || states[0].NextAt.IsZero() {
		t.Errorf("states %+v, %v", states, err)
	}
	if r.findLine("alerts.log", "198.51.100.4") != nil {
		t.Error("half a document was used")
	}
	if m := r.metrics(); m[`flowhound_feed_age_seconds{feed="theirs"}`] > 60 || m[`flowhound_feed_fetches_total{feed="theirs",result="changed"}`] < 4 {
		t.Errorf("metrics %v", m)
	}
	x.end(r, "alerts.log")

	// Nobody runs: the commands work on data_dir.
	if states, err = asked(cfg).States(t.Context()); err != nil || len(states) != 1 || states[0].Indicators != 4 {
		t.Errorf("without an agent: %+v, %v", states, err)
	}
	list("2", "3", "5", "6")
	time.Sleep(time.Second) // the least between two fetches of a list
	r.update(cfg, 5)

	// No network, but a start matches at once.
	server.Close()
	if err := os.Remove(r.path("alerts.log")); err != nil {
		t.Fatal(err)
	}
	r = startWith(t, dir, settings, hurry)
	r.awaitLine(`agent status=started .*, 5 indicators from 1 feed`)
	x = r.traffic()
	r.awaitHit("198.51.100.6")
	r.awaitLine(`feed id=theirs status=error indicators=5 .*connection refused`)
	x.end(r, "alerts.log")
}

// update fetches all feeds by command and wants so many indicators afterwards. The
// schedule may have been faster.
func (r *running) update(cfg *config.Config, indicators int) {
	r.t.Helper()
	told := 0
	err := asked(cfg).Update(r.t.Context(), slog.New(slog.DiscardHandler), nil, func(e feeds.Event) error {
		if o := e.Outcome; o != nil {
			told++
			if o.Error != "" && !o.NotYet || !o.NotYet && o.State.Indicators != indicators {
				r.t.Errorf("outcome %+v", o)
			}
		}
		return nil
	})
	if err != nil || told != 1 {
		r.t.Errorf("update: %d outcomes, %v", told, err)
	}
}
