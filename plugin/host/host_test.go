package host

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/plugintest"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// testLog logs into buf, safely.
// logInto makes o log into what is returned.
func logInto(o *Options) *peer.Log {
	l := &peer.Log{}
	o.Log = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return l
}

func notesOf(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

func TestPluginDelivers(t *testing.T) {
	t.Parallel()
	o, notes := options(t, "good", map[string]any{"key": "hunter2"})
	log := logInto(&o)
	p := runPlugin(t, o)
	s := ready(t, p)
	if err := p.Write(t.Context(), plugintest.Hits(3)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	want := "open\nhit 7k3m9q2v8w1xz-1\nhit 7k3m9q2v8w1xz-2\nhit 7k3m9q2v8w1xz-3\nclose\n"
	if got := notesOf(t, notes); got != want {
		t.Errorf("calls:\n%s", got)
	}
	if got := log.String(); !strings.Contains(got, `msg=opening output=mine n=1000000 with=<secret>`) || strings.Contains(got, "hunter2") {
		t.Errorf("log:\n%s", got)
	}
	gone(t, p, o, s.PID)
}

// gone checks that a stopped plugin has left no process and no socket.
func gone(t *testing.T, p *Plugin, o Options, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, 0); err == nil {
		t.Errorf("process %d is still there", pid)
	}
	if left, err := os.ReadDir(o.RunDir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := p.Write(t.Context(), plugintest.Hits(1)); !errors.Is(err, ErrNotReady) {
		t.Errorf("after Stop, Write says %v", err)
	}
	if s := p.State(); s.Ready || s.PID != 0 {
		t.Errorf("after Stop, the state is %+v", s)
	}
}

func TestErrorsCrossTheWire(t *testing.T) {
	t.Parallel()
	for do, check := range map[string]func(error) bool{
		"refuse": func(err error) bool { return plugin.IsPermanent(err) && err.Error() == "bad hits for <secret>" },
		"later": func(err error) bool {
			var later *plugin.RetryAfterError
			return errors.As(err, &later) && later.After == 90*time.Second && err.Error() == "slow down"
		},
		"some": func(err error) bool {
			var some *plugin.PartialError
			return errors.As(err, &some) && len(some.Errs) == 3 && some.Errs[0] == nil && plugin.IsPermanent(some.Errs[1]) && some.Errs[2].Error() == "even" && !plugin.IsPermanent(some.Errs[2])
		},
		"short": func(err error) bool {
			return strings.Contains(err.Error(), "1 results for 3 hits")
		},
		"panic": func(err error) bool { return err.Error() == "panic: in Write, of <secret>" },
		"giant": func(err error) bool { return len(err.Error()) < 2000 && strings.HasPrefix(err.Error(), "giant giant") },
	} {
		t.Run(do, func(t *testing.T) {
			t.Parallel()
			o, _ := options(t, "good", map[string]any{"do": do, "key": "hunter2"})
			p := runPlugin(t, o)
			ready(t, p)
			for range 2 { // the process lives on
				if err := p.Write(t.Context(), plugintest.Hits(3)); err == nil || !check(err) {
					t.Errorf("%v", err)
				}
			}
			if n := p.State().Restarts; n != 0 {
				t.Errorf("it was restarted %d times", n)
			}
		})
	}
}
