package feeds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/datadir"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnsbl"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// publisher publishes a list of so many addresses; below 0 it fails.
type publisher struct {
	*httptest.Server
	addresses atomic.Int64
}

func newAgent(t *testing.T) (*Agent, *publisher) {
	t.Helper()
	p := &publisher{}
	p.addresses.Store(2)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := p.addresses.Load()
		if n < 0 {
			http.Error(w, "closed", http.StatusForbidden)
		}
		for i := range n {
			fmt.Fprintf(w, "198.51.100.%d\n", i)
		}
	}))
	t.Cleanup(p.Close)
	dir := t.TempDir()
	path := filepath.Join(dir, "ours.txt")
	if err := os.WriteFile(path, []byte("203.0.113.7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return &Agent{
		RunDir: filepath.Join(dir, "run"), DataDir: filepath.Join(dir, "data"), FeedDir: filepath.Join(dir, "data", "feeds"), Version: "1.2.0",
		Zones: []string{"bl.example"},
		Config: feed.Config{Feeds: []feed.Source{
			{Name: "ours", Type: feed.List, Path: path},
			{Name: "theirs", Type: feed.List, URL: p.URL + "/list.txt", Every: time.Hour, MaxShrink: 100},
		}},
	}, p
}

func (a *Agent) wantStates(t *testing.T, ours, theirs int, zone feed.Status) {
	t.Helper()
	got, err := a.States(t.Context())
	if err != nil || len(got) != 3 || got[0].Name != "ours" || got[0].Indicators != ours || got[1].Name != "theirs" || got[1].Indicators != theirs ||
		got[2].Name != "bl.example" || got[2].Type != typeDNSBL || got[2].Status != zone {
		t.Errorf("%+v, %v", got, err)
	}
}

func (a *Agent) update(t *testing.T, names ...string) (outcomes []Outcome, err error) {
	t.Helper()
	err = a.Update(t.Context(), slog.New(slog.DiscardHandler), names, func(e Event) error {
		if e.Outcome != nil {
			outcomes = append(outcomes, *e.Outcome)
		}
		return nil
	})
	return outcomes, err
}

// Without an agent, commands work on data_dir, and leave it unlocked.
func TestWithoutAnAgent(t *testing.T) {
	t.Parallel()
	a, p := newAgent(t)
	a.wantStates(t, 1, 0, feed.Pending)
	got, err := a.update(t)
	if err != nil || len(got) != 1 || !got[0].Changed || got[0].Error != "" || got[0].State.Indicators != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	a.wantStates(t, 1, 2, feed.Pending)
	p.addresses.Store(-1)
	got, err = a.update(t, "theirs")
	for ; err == nil && len(got) == 1 && got[0].NotYet; got, err = a.update(t, "theirs") {
		time.Sleep(100 * time.Millisecond) // a list is asked once a second at most
	}
	if err != nil || len(got) != 1 || got[0].Changed || !strings.Contains(got[0].Error, "403") || got[0].State.Indicators != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err = a.update(t, "nobody"); !errors.Is(err, feed.ErrNoFeed) {
		t.Errorf("%v", err)
	}
	lock, err := datadir.Lock(a.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := a.update(t); !errors.Is(err, control.ErrNoAgent) || !strings.Contains(err.Error(), "in use by another flowhound") {
		t.Errorf("while data_dir is locked: %v", err)
	}
}

// With one, they ask it; it knows more than data_dir does.
func TestWithAnAgent(t *testing.T) {
	t.Parallel()
	a, _ := newAgent(t)
	k, err := feed.New(a.Config, feed.Dependencies{Dir: a.FeedDir, Version: a.Version, Log: slog.New(slog.DiscardHandler), Fetch: fetch.Options{Retries: -1}, OnRequest: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = k.Stop(t.Context()) }()
	s, err := control.Listen(a.RunDir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(context.Background()) }()
	for path, h := range Handlers(k, func() []dnsbl.State { return []dnsbl.State{{Name: "bl.example", Status: dnsbl.OK, Listed: 7}} }) {
		s.Handle(path, h)
	}
	s.Serve()
	got, err := a.update(t, "theirs")
	if err != nil || len(got) != 1 || !got[0].Changed || got[0].State.Indicators != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	a.wantStates(t, 1, 2, feed.OK)
	var problem *control.Problem
	if _, err = a.update(t, "nobody"); !errors.As(err, &problem) || problem.Code != control.BadRequest {
		t.Errorf("%v", err)
	}
	stopped := errors.New("stopped")
	if err := a.Update(t.Context(), slog.New(slog.DiscardHandler), []string{"theirs"}, func(Event) error { return stopped }); !errors.Is(err, stopped) {
		t.Errorf("%v", err)
	}
}
