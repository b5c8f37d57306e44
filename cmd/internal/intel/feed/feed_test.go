package feed

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

func TestMain(m *testing.M) {
	peer.Waiting()
	goleak.VerifyTestMain(m)
}

// bench is a running Feeds over files in a folder of its own.
type bench struct {
	t      *testing.T
	dir    string
	feeds  *Feeds
	sets   chan *intel.Set
	states chan State
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) rename(from, to string) {
	b.t.Helper()
	if err := os.Rename(b.path(from), b.path(to)); err != nil {
		b.t.Fatal(err)
	}
}

// start loads a feed for each name and watches them until the test ends.
func start(t *testing.T, dir string, names ...string) *bench {
	t.Helper()
	b := load(t, dir, names...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.feeds.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

func load(t *testing.T, dir string, names ...string) *bench {
	t.Helper()
	b := &bench{t: t, dir: dir, sets: make(chan *intel.Set, 100), states: make(chan State, 100)}
	var cfgs []Source
	for _, n := range names {
		cfgs = append(cfgs, Source{Name: n, Type: List, Path: b.path(n)})
	}
	var err error
	b.feeds, err = open(cfgs, Options{
		OnSwap:  func(s *intel.Set, _ time.Duration) { b.sets <- s },
		OnState: func(s State) { b.states <- s },
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = b.feeds.Load(context.Background()) // States tell
	return b
}

// patience is how long a test waits for what a user is promised within 2 s: this
// is no place to measure it.
const patience = time.Minute

// nextSet waits for the next set, and checks what it knows.
func (b *bench) nextSet(want ...string) {
	b.t.Helper()
	select {
	case s := <-b.sets:
		var got []string
		for d := range 10 {
			if ip := netip.AddrFrom4([4]byte{192, 0, 2, byte(d)}); len(s.Lookup(ip, time.Now())) > 0 {
				got = append(got, fmt.Sprint(d))
			}
		}
		if g, w := strings.Join(got, " "), strings.Join(want, " "); g != w {
			b.t.Fatalf("the set holds %s, want %s", g, w)
		}
	case <-time.After(patience):
		b.t.Fatalf("no new set")
	}
}

// nextState waits for the next state, which must say says.
func (b *bench) nextState(status Status, says string) {
	b.t.Helper()
	select {
	case s := <-b.states:
		if s.Status != status || !strings.Contains(s.Message, says) {
			b.t.Fatalf("state %s %q, want %s %q", s.Status, s.Message, status, says)
		}
	case <-time.After(patience):
		b.t.Fatalf("no state, want %s %q", status, says)
	}
}

// quiet checks that nothing more happens.
func (b *bench) quiet() {
	b.t.Helper()
	select {
	case <-b.sets:
		b.t.Fatal("an unexpected set")
	case s := <-b.states:
		b.t.Fatalf("an unexpected state: %s %s", s.Status, s.Message)
	case <-time.After(1600 * time.Millisecond):
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	list := filepath.Join(dir, "ours.txt")
	pulses := filepath.Join(dir, "pulses.json")
	for path, text := range map[string]string{
		list:   "192.0.2.1\n10.0.0.0/8\n198.51.100.0/24\n",
		pulses: `{"id":"5f0000000000000000000001","name":"Wave 3","indicators":[{"indicator":"203.0.113.7","type":"IPv4"}]}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var set *intel.Set
	f, err := open([]Source{
		{Name: "ours", Type: List, Path: list, Category: intel.Policy, HasCategory: true, Confidence: 80, Reference: "https://wiki.example/list"},
		{Name: "otx", Type: OTX, Path: pulses, Confidence: 60},
		{Name: "gone", Type: List, Path: filepath.Join(dir, "gone")},
		{Name: "folder", Type: List, Path: t.TempDir()},
	}, Options{
		Local:  []netip.Prefix{netip.MustParsePrefix("198.51.100.0/25")},
		OnSwap: func(s *intel.Set, _ time.Duration) { set = s },
	})
	if err != nil {
		t.Fatal(err)
	}
	err = f.Load(context.Background())
	for _, want := range []string{"feed gone: ", "does not exist", "feed folder: ", "holds no files"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load: %v, want it to say %q", err, want)
		}
	}
	ours := intel.Indicator{
		Prefix: netip.MustParsePrefix("192.0.2.1/32"), Feed: "ours", Name: "ours", Category: intel.Policy, Score: 80, Combined: 80, Ref: "https://wiki.example/list",
	}
	if got := set.Lookup(ours.Prefix.Addr(), time.Now()); len(got) != 1 || got[0] != ours {
		t.Errorf("ours: %+v", got)
	}
	pulse := intel.Indicator{
		Prefix: netip.MustParsePrefix("203.0.113.7/32"), Feed: "otx", Name: "Wave 3", Category: intel.Malware, Score: 60, Combined: 60,
		Ref: "https://otx.alienvault.com/pulse/5f0000000000000000000001",
	}
	if got := set.Lookup(pulse.Prefix.Addr(), time.Now()); len(got) != 1 || got[0] != pulse {
		t.Errorf("otx: %+v", got)
	}
	states := f.States()
	if s := states[0]; s.Status != OK || s.Indicators != 1 || s.LoadedAt.IsZero() || s.Drops[ingest.SpecialUse].Count != 1 || s.Drops[ingest.Local].Count != 1 ||
		!strings.Contains(s.Message, "1 own local network (first: line 3, 198.51.100.0/24)") {
		t.Errorf("ours: %+v", s)
	}
	if s := states[2]; s.Status != Error || s.Indicators != 0 || !s.LoadedAt.IsZero() {
		t.Errorf("gone: %+v", s)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := Source{Name: "a", Type: List, Path: "x"}
	for says, change := range map[string]func(*Source){
		"no name": func(c *Source) { c.Name = "" }, "no path": func(c *Source) { c.Path = "" },
		"unknown type": func(c *Source) { c.Type = "msip" }, "unknown format": func(c *Source) { c.Format = "xml" },
		"confidence": func(c *Source) { c.Confidence = 101 }, "for lists": func(c *Source) { c.Type, c.Column = OTX, "ip" },
		"format csv": func(c *Source) { c.Format, c.Column = "plain", "ip" },
	} {
		c := good
		change(&c)
		if _, err := open([]Source{c}, Options{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	if _, err := open([]Source{good, good}, Options{}); err == nil || !strings.Contains(err.Error(), "two feeds have this name") {
		t.Errorf("the same name twice: %v", err)
	}
}

// A reload makes new Feeds; a list that is bad at that moment must not be lost.
func TestPreviousLendsItsVersions(t *testing.T) {
	t.Parallel()
	old := load(t, t.TempDir(), "a")
	old.nextSet()
	old.write("a", "192.0.2.1\n")
	if err := old.feeds.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	old.nextSet("1")
	old.write("a", "<html>")

	same, other := old.feeds.sources[0].cfg, old.feeds.sources[0].cfg
	other.Confidence = 7
	for _, tt := range []struct {
		cfg  Source
		want State
	}{{same, State{Status: Stale, Indicators: 1}}, {other, State{Status: Error}}} {
		f, err := open([]Source{tt.cfg}, Options{Previous: old.feeds})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Load(context.Background()); err == nil {
			t.Error("a web page was loaded")
		}
		if s := f.States()[0]; s.Status != tt.want.Status || s.Indicators != tt.want.Indicators {
			t.Errorf("%+v, want %+v", s, tt.want)
		}
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := load(t, t.TempDir(), "a")
	b.nextSet()
	b.write("a", "192.0.2.1\n")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.feeds.Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Load: %v", err)
	}
	select {
	case <-b.sets:
		t.Error("a set was handed out")
	default:
	}
}
