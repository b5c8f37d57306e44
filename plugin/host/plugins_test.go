package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestMain makes the test's binary a plugin, too: install links it into a plugin
// directory as the type whose behaviour is wanted.
func TestMain(m *testing.M) {
	Guard()
	if _, typ, ok := strings.Cut(filepath.Base(os.Args[0]), prefix); ok {
		servePlugin(typ)
		return
	}
	if o := os.Getenv(agentEnv); o != "" {
		runAgent(o)
	}
	peer.Waiting()
	goleak.VerifyTestMain(m)
}

func servePlugin(typ string) {
	switch typ {
	case "chatty":
		fmt.Println("Hello, I am a plugin!")
	case "dies":
		fmt.Fprintln(os.Stderr, "no licence found")
		os.Exit(3)
	case "panics-early":
		panic("in main: " + typ)
	case "deaf": // knows of no lifeline and starts others in their own sessions
		cmd := exec.Command("sleep", "1000")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		_ = cmd.Start()
		time.Sleep(time.Hour)
	case "silent":
		time.Sleep(time.Hour)
	case "future":
		fmt.Println("1|7|unix|/tmp/x|grpc|")
		time.Sleep(time.Hour)
	case "elsewhere":
		fmt.Println("1|1|unix|/run/elsewhere.sock|grpc|")
		time.Sleep(time.Hour)
	case "long-line":
		for {
			fmt.Print(strings.Repeat("x", 1000))
		}
	}
	plugin.Serve(&recorder{typ: typ})
}

// recorder is an output that does what its type and settings say.
type recorder struct {
	typ    string
	Path   string        `json:"path"` // where it appends what is called, a line each
	Do     string        `json:"do" validate:"omitempty,oneof=ok refuse later some short panic goroutine hang deadline exit leak flood print giant environ child daemon unheard"`
	Fail   string        `json:"fail"` // Open fails while this file is there
	Key    plugin.Secret `json:"key"`
	Wait   time.Duration `json:"wait" validate:"max=1m"`
	Nested struct {
		Size int `json:"size" validate:"min=0,max=9"`
	} `json:"nested"`
	calls int
}

func (r *recorder) note(format string, args ...any) {
	if r.Path == "" {
		return
	}
	f, err := os.OpenFile(r.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		fmt.Fprintf(f, format+"\n", args...)
		f.Close()
	}
}

func (r *recorder) Open(ctx context.Context) error {
	r.note("open")
	slog.Info("opening", "with", r.Key, "n", 1000000)
	if _, err := os.Stat(r.Fail); r.Fail != "" && err == nil {
		return fmt.Errorf("%s is down for %s", r.Fail, r.Key.Reveal())
	}
	if r.Do == "unheard" { // as by a target that takes connections and says nothing
		<-ctx.Done()
		return fmt.Errorf("ask the target: %w", ctx.Err())
	}
	return nil
}

func (r *recorder) Write(ctx context.Context, hits []plugin.Hit) error {
	r.calls++
	for _, h := range hits {
		r.note("hit %s", h.ID)
	}
	switch r.Do {
	case "refuse":
		return plugin.Permanent(errors.New("bad hits for " + r.Key.Reveal()))
	case "later":
		return plugin.RetryAfter(errors.New("slow down"), 90*time.Second)
	case "some":
		errs := make([]error, len(hits))
		errs[1] = plugin.Permanent(errors.New("odd"))
		errs[2] = errors.New("even")
		return plugin.Partial(errs)
	case "short":
		return plugin.Partial([]error{io.EOF})
	case "panic":
		panic("in Write, of " + r.Key.Reveal())
	case "goroutine":
		go panic("in a goroutine, of " + r.Key.Reveal())
		<-ctx.Done()
	case "hang":
		select {}
	case "deadline":
		<-ctx.Done()
		return ctx.Err()
	case "exit":
		os.Exit(7)
	case "leak":
		var kept [][]byte
		for len(kept) < 1<<20 {
			kept = append(kept, bytes.Repeat([]byte{1}, 1<<20))
		}
	case "flood":
		for i := range 2000 {
			slog.Warn("flood", "i", i)
		}
	case "print":
		fmt.Println("printed to stdout")
		fmt.Fprintln(os.Stderr, "printed to stderr")
	case "giant":
		return errors.New(strings.Repeat("giant ", 1<<20))
	case "environ":
		for _, e := range os.Environ() {
			r.note("env %s", e)
		}
	case "child":
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			return err
		}
		r.note("child %d", cmd.Process.Pid)
	case "daemon": // in a session of its own, and nobody's child any more
		cmd := exec.Command("sh", "-c", "sleep 1000 & (sleep 1000 &) &")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Run(); err != nil {
			return err
		}
	}
	return nil
}

func (r *recorder) Close(context.Context) error {
	r.note("close")
	return nil
}

func (r *recorder) Setup(context.Context) error {
	r.note("setup")
	return nil
}

// install links the test's binary into a new plugin directory as each type.
func install(t *testing.T, types ...string) (dir string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, typ := range types {
		path := filepath.Join(dir, prefix+typ)
		if err := os.Link(self, path); err != nil {
			copyFile(t, self, path)
		}
	}
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o755); err != nil {
		t.Fatal(err)
	}
}

// options are those of an output of type typ with settings, a JSON object, whose
// calls are noted in the file that is returned.
func options(t *testing.T, typ string, settings map[string]any) (o Options, notes string) {
	t.Helper()
	run, err := os.MkdirTemp("", "fh") // t.TempDir is long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	notes = filepath.Join(t.TempDir(), "notes")
	all := map[string]any{"path": notes}
	for k, v := range settings {
		all[k] = v
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	o = Options{Name: "mine", Type: typ, Dir: install(t, typ), Settings: b, RunDir: run, Version: "test"}
	logInto(&o)
	return o, notes
}

// fastTimes are short enough for tests; what a healthy plugin must keep is long
// enough for a busy machine.
func fastTimes() times {
	d := defaultTimes()
	d.start, d.health = time.Minute, time.Minute // a busy machine is no trouble
	d.memory, d.backoff, d.backoffTo = 50*time.Millisecond, 20*time.Millisecond, 100*time.Millisecond
	return d
}

// run starts an output and stops it when the test ends, if it did not itself.
func runPlugin(t *testing.T, o Options) *Plugin {
	t.Helper()
	p := New(o)
	p.times = fastTimes()
	p.Start()
	t.Cleanup(func() { stop(t, p) })
	return p
}

func stop(t *testing.T, p *Plugin) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = p.Stop(ctx)
}

// until waits for a state.
func until(t *testing.T, p *Plugin, what string, f func(State) bool) State {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		if s := p.State(); f(s) {
			return s
		}
		select {
		case <-p.Changed():
		case <-time.After(50 * time.Millisecond): // Memory changes without a word
		case <-timeout:
			t.Fatalf("never %s: %+v", what, p.State())
		}
	}
}

// within waits, for a minute at most, until done; it reports whether it was.
func within(done func() bool) bool {
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

func ready(t *testing.T, p *Plugin) State {
	t.Helper()
	return until(t, p, "ready", func(s State) bool { return s.Ready })
}
