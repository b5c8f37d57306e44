package feed

import (
	"context"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/known"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// allowing makes a folder with one feed and one allow list, and watches both.
func allowing(t *testing.T, allow string) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{t: t, dir: dir, sets: make(chan *intel.Set, 100), states: make(chan State, 100)}
	b.write("a", "192.0.2.1\n192.0.2.2\n192.0.2.3\n")
	b.write("good", allow)
	var err error
	b.feeds, err = open([]Source{
		{Name: "a", Type: List, Path: b.path("a")},
		{Name: "allow:good", Type: TypeAllow, Path: b.path("good")},
	}, Options{OnSwap: func(s *intel.Set, _ time.Duration) { b.sets <- s }, OnState: func(s State) { b.states <- s }})
	if err != nil {
		t.Fatal(err)
	}
	_ = b.feeds.Load(context.Background())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.feeds.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

// An allow list changes what is in use as soon as it changes, and the feed says so.
func TestAllowListChanges(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	b := allowing(t, "192.0.2.2 # the resolver\n")
	b.nextSet("1", "3")
	b.nextState(OK, "2 indicators; left out: 1 on an allow list (first: 192.0.2.2 of "+b.path("good"))
	b.nextState(OK, "1 allowed entry")

	b.write("good", "192.0.2.2\n192.0.2.0/31\n")
	b.nextSet("3")
	b.nextState(OK, "1 indicator; left out: 2 on an allow list (first: 192.0.2.0/31 ")
	b.nextState(OK, "2 allowed entries")

	b.write("good", `{"type": "cidr", "name": "x", "list": ["192.0.2.3"]}`)
	b.nextSet("1", "2")
	b.nextState(OK, "2 indicators")
	b.nextState(OK, "1 allowed entry")

	// What is bad now does not make yesterday's resolver an enemy.
	for _, tt := range []struct{ text, says string }{
		{"<html>503</html>\n", "web page"},
		{`{"type": "regex", "list": ["x"]}`, `type is "regex"`},
		{"", "is empty now"},
	} {
		b.write("good", tt.text)
		b.nextState(Stale, tt.says)
		if s := b.feeds.States()[1]; s.Indicators != 1 || !strings.Contains(s.Message, "the 1 allowed entry of") || !strings.HasPrefix(s.Message, "allow list ") {
			t.Errorf("%+v", s)
		}
	}
	if err := os.Remove(b.path("good")); err != nil {
		t.Fatal(err)
	}
	b.nextState(Stale, "does not exist")
	b.write("a", "192.0.2.3\n192.0.2.4\n")
	b.nextSet("4")
	b.nextState(OK, "1 indicator (1 added, 2 removed); left out: 1 on an allow list")
	b.write("good", "# nothing any more\n")
	b.nextSet("3", "4")
	b.nextState(OK, "2 indicators")
	b.nextState(OK, "0 allowed entries")
	b.quiet()
}

// What stays in use over an error is counted without what an allow list takes away.
func TestCountOverErrors(t *testing.T) {
	t.Parallel()
	p := publish(t, map[string]string{"/list.txt": "192.0.2.1\n192.0.2.2\n192.0.2.3\n"})
	dir := t.TempDir()
	allow := filepath.Join(t.TempDir(), "good")
	if err := os.WriteFile(allow, []byte("192.0.2.2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := fetching(t, dir, ownList(p), Source{Name: "allow:good", Type: TypeAllow, Path: allow})
	b.updated(true)
	p.answer(http.NotFound)
	b.failed("404")
	if s := b.feeds.States()[0]; s.Indicators != 2 || !strings.Contains(s.Message, "; the 2 indicators of ") {
		t.Errorf("fetched: %+v", s)
	}

	a := allowing(t, "192.0.2.2\n")
	a.nextState(OK, "2 indicators; left out: 1 on an allow list")
	a.nextState(OK, "1 allowed entry")
	a.write("a", "<html>503</html>\n")
	a.nextState(Stale, "; the 2 indicators of ")
}

// A feed is told once its allow lists are heard, not before, whoever tells.
func TestToldAfterSwap(t *testing.T) {
	t.Parallel()
	p := publish(t, map[string]string{"/list.txt": "192.0.2.1\n192.0.2.2\n"})
	allow := filepath.Join(t.TempDir(), "good")
	if err := os.WriteFile(allow, []byte("192.0.2.2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := fetching(t, t.TempDir(), ownList(p), Source{Name: "allow:good", Type: TypeAllow, Path: allow})
	b.nextState(OK, "1 allowed entry")
	b.stop()
	f, s := b.feeds, b.feeds.sources[0]
	if changed, err := f.attempt(t.Context(), s, nil); !changed || err != nil {
		t.Fatal(changed, err)
	}
	f.tell() // as another feed does
	f.swap(time.Now())
	f.tell()
	b.nextState(OK, "1 indicator; left out: 1 on an allow list")
}

func TestAllowListsJoin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var cfgs []Source
	for name, text := range map[string]string{
		"one":  "192.0.2.1 # mine\n0.0.0.0/0\n10.0.0.0/7\nfe80::/9\n2000::/3\n224.0.0.0/3 \n240.0.0.0/4\nfc00::/7\n",
		"two":  `{"type": "hostname", "name": "Two", "list": [".good.example"]}`,
		"feed": "192.0.2.1\nx.good.example\nhttp://good.example/x\nbad.example\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c := Source{Name: name, Type: TypeAllow, Path: path}
		if name == "feed" {
			c.Type = List
		}
		cfgs = append(cfgs, c)
	}
	var set *intel.Set
	f, err := open(cfgs, Options{OnSwap: func(s *intel.Set, _ time.Duration) { set = s }})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	if e, ok := set.Allow().Addr(netip.MustParseAddr("192.0.2.1")); !ok || e.List != filepath.Join(dir, "one") || e.Reason != "mine" {
		t.Errorf("%+v", e)
	}
	if e, ok := set.Allow().Domain("x.good.example"); !ok || e.List != filepath.Join(dir, "two") || e.Reason != "Two" {
		t.Errorf("%+v", e)
	}
	if set.Len() != 1 {
		t.Errorf("%d indicators are in use", set.Len())
	}
	for _, s := range f.States() {
		switch {
		case s.Name == "one" && (s.Indicators != 3 || s.Drops[ingest.TooWide].Count != 5):
			t.Errorf("%+v", s)
		case s.Name == "feed" && (s.Indicators != 1 || s.Drops[ingest.Allowed].Count != 3):
			t.Errorf("%+v", s)
		}
	}
}

// A reload must not lose an allow list that is bad at that moment.
func TestPreviousLendsAllowLists(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "good")
	cfg := []Source{{Name: "good", Type: TypeAllow, Path: path}}
	var previous *Feeds
	for _, text := range []string{"192.0.2.1\n", "<html>"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var set *intel.Set
		f, err := open(cfg, Options{Previous: previous, Known: known.Config{Disable: known.Classes}, OnSwap: func(s *intel.Set, _ time.Duration) { set = s }})
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Load(context.Background())
		if set.Allow().Len() != 1 {
			t.Errorf("%q: %+v", text, f.States())
		}
		previous = f
	}
	if s := previous.States()[0]; s.Status != Stale {
		t.Errorf("%+v", s)
	}
}

// A list of one's own may name own addresses, if it says so; exporters it may not.
func TestOwnAddresses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "own")
	if err := os.WriteFile(path, []byte("10.1.2.3\n10.1.0.0/16\n10.9.9.9\n192.168.7.7\n198.51.100.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for own, want := range map[bool]int{false: 1, true: 3} {
		var set *intel.Set
		f, err := open([]Source{{Name: "ours", Type: List, Path: path, Format: "plain", Confidence: 80, Own: own}}, Options{
			Local:     []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
			Exporters: []netip.Prefix{netip.MustParsePrefix("10.9.9.9/32")},
			OnSwap:    func(s *intel.Set, _ time.Duration) { set = s },
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Load(context.Background()); err != nil || set.Len() != want {
			t.Errorf("own %v: %d indicators, %v", own, set.Len(), err)
		}
	}
}

// Against a capture of the past, the capture's time counts: what ended long before
// ours is kept.
func TestPastKeepsWhatIsLongOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "old.csv")
	if err := os.WriteFile(path, []byte("ip,expires\n198.51.100.1,2019-03-01\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for past, want := range map[bool]int{false: 0, true: 1} {
		var set *intel.Set
		f, err := open([]Source{{Name: "old", Type: List, Path: path, Format: "csv", Column: "ip", Confidence: 80}}, Options{
			Past: past, OnSwap: func(s *intel.Set, _ time.Duration) { set = s },
		})
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Load(context.Background())
		ip := netip.MustParseAddr("198.51.100.1")
		if got := set.Lookup(ip, time.Date(2019, 2, 1, 0, 0, 0, 0, time.UTC)); len(got) != want {
			t.Errorf("past %v: %+v", past, got)
		}
		if got := set.Lookup(ip, time.Date(2019, 4, 1, 0, 0, 0, 0, time.UTC)); len(got) != 0 {
			t.Errorf("past %v, after its end: %+v", past, got)
		}
	}
}
