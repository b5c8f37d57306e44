package plugintest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/plugintest"
)

// sink keeps the contract, but for what its bug says.
type sink struct {
	Key  plugin.Secret `json:"key"`
	Name string        `json:"name"`
	Down bool          `json:"down"`
	bug  string
}

func (s *sink) Open(context.Context) error {
	if s.bug == "logs a secret" {
		slog.Info("opened", "key", s.Key.Reveal())
	}
	if s.Down {
		return fmt.Errorf("down for %s and %s", s.Key.Reveal(), s.Name)
	}
	return nil
}

func (s *sink) Write(ctx context.Context, hits []plugin.Hit) error {
	switch {
	case s.bug == "changes hits":
		hits[0].Name = "mine"
	case s.bug == "short partial" && len(hits) > 1:
		return plugin.Partial([]error{io.EOF})
	case s.bug == "panics on nothing":
		_ = hits[0]
	case s.bug == "ignores its deadline":
		if end, _ := ctx.Deadline(); time.Until(end) < time.Second {
			time.Sleep(6 * time.Second)
		}
	}
	return ctx.Err()
}

func (s *sink) Close(context.Context) error {
	if s.bug == "cannot close" {
		return errors.New("no")
	}
	return nil
}

func suite(bug string) plugintest.Suite {
	s := plugintest.Suite{
		New:      func() plugin.Output { return &sink{bug: bug} },
		Settings: `{"key": "hunter2hunter2"}`,
		Broken:   []string{`{"key": "hunter2hunter2", "down": true}`},
		Secrets:  []string{"hunter2hunter2"},
	}
	if bug == "plain secret" {
		s.Settings = `{"name": "hunter2hunter2"}`
	}
	return s
}

// TestRun runs itself with bugs, each of which Run has to find.
func TestRun(t *testing.T) {
	t.Parallel()
	if bug, ok := os.LookupEnv("BUG"); ok {
		plugintest.Run(t, suite(bug))
		return
	}
	plugintest.Run(t, suite(""))
	for bug, want := range map[string]string{
		"logs a secret": "is in what it says", "changes hits": "Write changed the hits", "short partial": "1 results for 10 hits",
		"panics on nothing": "a batch of 0: panic:", "ignores its deadline": "flowhound would take it for hung", "cannot close": "close: no", "plain secret": "not a plugin.Secret",
	} {
		t.Run(bug, func(t *testing.T) {
			t.Parallel()
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self, "-test.run=^TestRun$")
			cmd.Env = append(os.Environ(), "BUG="+bug)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), want) {
				t.Errorf("not found:\n%s", out)
			}
		})
	}
}

func TestHitsAreFull(t *testing.T) {
	t.Parallel()
	h := plugintest.Hits(2)
	for f, v := range reflect.ValueOf(h[1]).Fields() {
		if v.IsZero() && f.Name != "Kind" {
			t.Errorf("%s is not set", f.Name)
		}
	}
	if h[0].ID == h[1].ID || !reflect.DeepEqual(h, plugintest.Hits(2)) {
		t.Error("hits are alike, or change")
	}
}

func TestSetup(t *testing.T) {
	t.Parallel()
	c := plugintest.Dial(t, &sink{})
	if problems := c.Configure(t, ""); problems != nil {
		t.Fatal(problems)
	}
	if err := c.Setup(t.Context()); err == nil || err.Error() != "this output has nothing to set up" {
		t.Error(err)
	}
	if err := c.Write(t.Context(), plugintest.Hits(1)); err == nil || !strings.HasPrefix(err.Error(), "called in the wrong order") {
		t.Error(err)
	}
}
