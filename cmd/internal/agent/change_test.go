package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/config"
)

// TestChangeIsAllOrNothing: whichever part rejects its new settings, every part has
// its old ones afterwards, and they were put back in the opposite order.
func TestChangeIsAllOrNothing(t *testing.T) {
	t.Parallel()
	from, to := &config.Config{DataDir: "old"}, &config.Config{DataDir: "new"}
	const parts = 5
	for fails := range parts + 1 {
		rejected := errors.New("rejected")
		var has [parts]string
		var order []int
		var changes []func(from, to *config.Config) error
		for i := range parts {
			has[i] = from.DataDir
			changes = append(changes, func(_, to *config.Config) error {
				if i == fails && to.DataDir == "new" {
					return rejected
				}
				has[i] = to.DataDir
				order = append(order, i)
				return nil
			})
		}
		err := change(changes, from, to)
		if fails == parts {
			if err != nil || has != [parts]string{"new", "new", "new", "new", "new"} {
				t.Errorf("%v, %v", has, err)
			}
			continue
		}
		var want []int
		for i := range fails {
			want = append(want, i)
		}
		for i := range slices.Backward(want) {
			want = append(want, i)
		}
		if !errors.Is(err, rejected) || has != [parts]string{"old", "old", "old", "old", "old"} || fmt.Sprint(order) != fmt.Sprint(want) {
			t.Errorf("part %d rejects: %v, order %v, %v", fails, has, order, err)
		}
	}
}

// TestRefusedReloadChangesNothing: a part that is asked last rejects its new
// settings, and all parts of a running agent that had taken theirs over give them back.
func TestRefusedReloadChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"ours.txt": "198.51.100.1\n", "more.txt": "198.51.100.2\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parse := func(settings string) *config.Config {
		t.Helper()
		c, err := config.Parse(filepath.Join(dir, "flowhound.yaml"), []byte(`listen: ["udp://127.0.0.1:0"]
data_dir: data
web: {listen: ""}
`+settings))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	old := parse(`log: {path: alerts.log, hostname: gw}
feeds:
  - {name: ours, type: list, path: ours.txt, category: policy}
  - {name: more, type: list, path: more.txt, category: c2, confidence: 70}
exports: [{format: plain, path: out.txt}]
`)
	next := parse(`log: {path: elsewhere.log, hostname: gw}
feeds: [{name: ours, type: list, path: ours.txt, category: spam, confidence: 11}]
exports: [{format: plain, path: other.txt}]
dnsbl: {zones: [{zone: bl.example}], resolvers: ["127.0.0.1:9"]}
alert: {min_severity: critical, max_keys: 2048}
exporters: {allow: [127.0.0.1]}
mute: [{src: 0.0.0.0/0, until: 2099-01-01, why: everything}]
`)
	a := New(old, Options{Log: slog.New(slog.DiscardHandler), Version: "1.2.0", StopTime: time.Minute})
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceValue(a.Stop)
	defer func() { _ = stop() }()
	state := func() string {
		st := a.stage.State()
		text := fmt.Sprintf("%d indicators, lists %v, mutes %v, hears 192.0.2.1: %v\n", st.Set.Len(), a.dnsbl.States(), st.Policy.Mutes(), st.Allows(netip.MustParseAddr("192.0.2.1")))
		for _, f := range a.feeds.States() {
			text += fmt.Sprintf("%s %s %d\n", f.Name, f.Status, f.Indicators)
		}
		for f := range st.Set.All(a.started, nil) {
			text += fmt.Sprintf("%s %s %d\n", f.Prefix, f.Category, f.Score)
		}
		return text
	}
	had := state()
	rejected := errors.New("rejected")
	steps := append(a.changes(t.Context()), func(_, to *config.Config) error {
		if to == next {
			return rejected
		}
		return nil
	})
	var changed string
	steps = slices.Insert(steps, len(steps)-1, func(*config.Config, *config.Config) error { changed = state(); return nil })
	if err := change(steps, old, next); !errors.Is(err, rejected) {
		t.Fatal(err)
	}
	if changed == had {
		t.Error("the new settings were never taken over")
	}
	if now := state(); now != had {
		t.Errorf("after a rejected reload:\n%s\nbefore:\n%s", now, had)
	}
	if err := stop(); err != nil { // all lines are written then
		t.Error(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "alerts.log")); err != nil || !strings.Contains(string(b), "agent status=stopped ") {
		t.Errorf("lines go elsewhere after a rejected reload: %v\n%s", err, b)
	}
}
