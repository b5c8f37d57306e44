package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/plugintest"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

func TestPluginThatDoesNotStart(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]string{
		"chatty":       `printed "Hello, I am a plugin!" before it was ready`,
		"dies":         `exited before it was ready (exit status 3): no licence found`,
		"panics-early": `exited before it was ready (exit status 2): panic: in main: panics-early`,
		"silent":       `did not complete the handshake within 1s`,
		"future":       `speaks version 7 of the plugin protocol, this flowhound speaks 1`,
		"elsewhere":    `not a socket in`,
		"long-line":    `printed "xxxx`,
	} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			o, _ := options(t, typ, nil)
			p := New(o)
			p.times = fastTimes()
			if typ == "silent" {
				p.times.start = time.Second
			}
			p.Start()
			defer stop(t, p)
			s := until(t, p, "restarted", func(s State) bool { return s.Restarts > 0 && strings.Contains(s.Problem, want) })
			if s.Ready {
				t.Errorf("state %+v", s)
			}
			if err := p.Write(t.Context(), plugintest.Hits(1)); !errors.Is(err, ErrNotReady) {
				t.Errorf("Write says %v", err)
			}
		})
	}
}

func TestPluginIsStartedAgain(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	for do, want := range map[string]*regexp.Regexp{
		"exit":      regexp.MustCompile(`^exited \(exit status 7\)`),
		"goroutine": regexp.MustCompile(`^exited \(exit status 2\): panic: in a goroutine, of <secret>$`),
		"hang":      regexp.MustCompile(`^hangs: Write did not return within 2s of its deadline$`),
		"leak":      regexp.MustCompile(`^uses \d+ MiB of memory, and the limit is 512 MiB$|^exited .*(out of memory|cannot allocate memory)`),
	} {
		t.Run(do, func(t *testing.T) {
			if do != "leak" {
				t.Parallel()
			}
			o, _ := options(t, "good", map[string]any{"do": do, "key": "hunter2"})
			log := logInto(&o)
			p := New(o)
			p.times = fastTimes()
			p.times.backoff, p.times.backoffTo = 3*time.Second, 3*time.Second // time to look, on a busy machine too
			p.Start()
			defer stop(t, p)
			first := ready(t, p)
			patience := time.Minute
			if do == "hang" {
				patience = time.Second // and no less: one that is over at once asks nobody
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := p.Write(ctx, plugintest.Hits(3)); err == nil || plugin.IsPermanent(err) {
				t.Errorf("Write says %v", err)
			}
			s := until(t, p, "down", func(s State) bool { return !s.Ready })
			if !want.MatchString(s.Problem) {
				t.Errorf("the problem is %q", s.Problem)
			}
			s = ready(t, p)
			if s.Restarts != 1 || s.PID == first.PID || s.Problem != "" {
				t.Errorf("afterwards %+v", s)
			}
			if strings.Contains(log.String(), "hunter2") {
				t.Errorf("the log has the secret:\n%s", log)
			}
		})
	}
}

func TestStoppedProcessIsReplaced(t *testing.T) {
	peer.Long(t)
	t.Parallel()
	o, _ := options(t, "good", nil)
	p := New(o)
	p.times = fastTimes()
	p.times.health = 2 * time.Second
	p.Start()
	defer stop(t, p)
	first := ready(t, p)
	if err := syscall.Kill(first.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s := until(t, p, "replaced", func(s State) bool { return s.Ready && s.PID != first.PID })
	if err := syscall.Kill(first.PID, 0); err == nil {
		t.Error("the old process is still there")
	}
	if err := p.Write(t.Context(), plugintest.Hits(1)); err != nil || s.Restarts != 1 {
		t.Errorf("%v, %+v", err, s)
	}
}

func TestSignalsOfTheGroupAreIgnored(t *testing.T) {
	t.Parallel()
	o, _ := options(t, "good", nil)
	p := runPlugin(t, o)
	s := ready(t, p)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if err := syscall.Kill(s.PID, sig); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		if err := p.Write(t.Context(), plugintest.Hits(1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if now := p.State(); now.PID != s.PID || now.Restarts != 0 {
		t.Errorf("it was restarted: %+v", now)
	}
}

func TestFloodIsCounted(t *testing.T) {
	t.Parallel()
	o, _ := options(t, "good", map[string]any{"do": "flood"})
	log := logInto(&o)
	p := runPlugin(t, o)
	ready(t, p)
	if err := p.Write(t.Context(), plugintest.Hits(1)); err != nil {
		t.Fatal(err)
	}
	stop(t, p)
	text := log.String()
	if n := strings.Count(text, "msg=flood"); n < burst/2 || n > burst+perSecond*30 {
		t.Errorf("%d lines of 2000 were logged", n)
	}
	dropped := 0
	for _, m := range regexp.MustCompile(`lines were dropped" output=mine lines=(\d+)`).FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		dropped += n
	}
	if n := strings.Count(text, "msg=flood"); n+dropped < 2000 || n+dropped > 2010 {
		t.Errorf("%d logged and %d counted as dropped are not 2000", n, dropped)
	}
}

func TestWhatIsPrintedReachesTheLog(t *testing.T) {
	t.Parallel()
	o, _ := options(t, "good", map[string]any{"do": "print"})
	log := logInto(&o)
	p := runPlugin(t, o)
	ready(t, p)
	if err := p.Write(t.Context(), plugintest.Hits(1)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`text="printed to stdout"`, `text="printed to stderr"`} {
		if !within(func() bool { return strings.Contains(log.String(), want) }) {
			t.Errorf("%s is not in the log:\n%s", want, log)
		}
	}
}

func TestEnvironmentIsClean(t *testing.T) {
	t.Setenv("OTX_KEY", "hunter2")
	t.Setenv("HTTPS_PROXY", "http://proxy.example:3128")
	t.Setenv("no_proxy", "10.0.0.0/8")
	t.Setenv("SSL_CERT_FILE", "/etc/ca.pem")
	t.Setenv("TZ", "Europe/Berlin")
	o, notes := options(t, "good", map[string]any{"do": "environ"})
	p := runPlugin(t, o)
	ready(t, p)
	if err := p.Write(t.Context(), plugintest.Hits(1)); err != nil {
		t.Fatal(err)
	}
	got := notesOf(t, notes)
	for _, want := range []string{"env PATH=", "env HTTPS_PROXY=http://proxy.example:3128\n", "env no_proxy=10.0.0.0/8\n", "env SSL_CERT_FILE=/etc/ca.pem\n", "env TZ=Europe/Berlin\n", "env FLOWHOUND_VERSION=test\n", "env PLUGIN_UNIX_SOCKET_DIR=" + o.RunDir + "/mine\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(got, "hunter2") || strings.Contains(got, "env HOME=") {
		t.Errorf("flowhound's environment is inherited:\n%s", got)
	}
}

func TestGrandchildrenEndToo(t *testing.T) {
	t.Parallel()
	o, notes := options(t, "good", map[string]any{"do": "child"})
	p := runPlugin(t, o)
	ready(t, p)
	if err := p.Write(t.Context(), plugintest.Hits(1)); err != nil {
		t.Fatal(err)
	}
	var child int
	for line := range strings.Lines(notesOf(t, notes)) {
		_, _ = fmt.Sscanf(line, "child %d", &child)
	}
	if child == 0 || syscall.Kill(child, 0) != nil {
		t.Fatalf("there is no child %d", child)
	}
	stop(t, p)
	if !within(func() bool { return !alive(child) }) {
		t.Errorf("child %d is still there", child)
	}
}

// alive reports whether pid runs: one that nobody reaped does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func TestSettingsThatAreWrong(t *testing.T) {
	t.Parallel()
	o, notes := options(t, "good", map[string]any{"do": "o", "wat": 1, "nested": map[string]any{"size": 10}})
	p := runPlugin(t, o)
	s := until(t, p, "refused", func(s State) bool { return s.Restarts > 0 })
	for _, want := range []string{"settings: ", `wat: unknown key`, `nested.size: 10 is too large; the most is 9`, `do: "o" is not one of ok, refuse,`} {
		if !strings.Contains(s.Problem, want) {
			t.Errorf("%q is not in %q", want, s.Problem)
		}
	}
	if got := notesOf(t, notes); got != "" {
		t.Errorf("it was called: %s", got)
	}
}

func TestOpenIsTriedAgain(t *testing.T) {
	t.Parallel()
	down := filepath.Join(t.TempDir(), "down")
	if err := os.WriteFile(down, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o, notes := options(t, "good", map[string]any{"fail": down, "key": "hunter2"})
	log := logInto(&o)
	p := runPlugin(t, o)
	s := until(t, p, "failing to open", func(s State) bool { return strings.HasSuffix(s.Problem, "down is down for <secret>") })
	if s.Ready || s.PID == 0 {
		t.Errorf("%+v", s)
	}
	if !within(func() bool { return strings.Count(notesOf(t, notes), "open\n") > 2 }) {
		t.Error("it is not opened again")
	}
	if err := os.Remove(down); err != nil {
		t.Fatal(err)
	}
	if after := ready(t, p); after.PID != s.PID || after.Restarts != 0 {
		t.Errorf("a new process was started: %+v, then %+v", s, after)
	}
	if n := strings.Count(log.String(), "cannot be opened"); n != 1 {
		t.Errorf("the same problem was told %d times", n)
	}
}

// TestOpenThatTakesTooLong: what the output says of its deadline is the problem, and
// costs no process.
func TestOpenThatTakesTooLong(t *testing.T) {
	peer.Long(t)
	t.Parallel()
	o, _ := options(t, "good", map[string]any{"do": "unheard"})
	p := New(o)
	p.times = fastTimes()
	p.times.call = 5 * time.Second
	p.Start()
	t.Cleanup(func() { stop(t, p) })
	before := until(t, p, "opening", func(s State) bool { return strings.HasPrefix(s.Problem, "is being opened") })
	s := until(t, p, "failing to open", func(s State) bool { return !strings.HasPrefix(s.Problem, "is being") })
	if s.Problem != "ask the target: context deadline exceeded" || s.PID != before.PID || s.Restarts != 0 {
		t.Errorf("%+v, before %+v", s, before)
	}
}

func TestWriteEndsWithItsContext(t *testing.T) {
	t.Parallel()
	o, _ := options(t, "good", map[string]any{"do": "deadline"})
	p := runPlugin(t, o)
	s := ready(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := p.Write(ctx, plugintest.Hits(1)); err == nil || err.Error() != "context deadline exceeded" {
		t.Errorf("at the deadline: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := p.Write(ctx, plugintest.Hits(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := p.Write(ctx, plugintest.Hits(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	if now := p.State(); now.PID != s.PID {
		t.Errorf("it was restarted: %+v", now)
	}
}

func TestWritesComeOneAtATime(t *testing.T) {
	t.Parallel()
	o, notes := options(t, "good", nil)
	p := runPlugin(t, o)
	ready(t, p)
	errs := make(chan error)
	for range 8 {
		go func() { errs <- p.Write(t.Context(), plugintest.Hits(50)) }()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for i, line := range strings.Split(strings.TrimPrefix(strings.TrimSpace(notesOf(t, notes)), "open\n"), "\n") {
		if want := fmt.Sprintf("hit 7k3m9q2v8w1xz-%d", i%50+1); line != want {
			t.Fatalf("line %d is %q, want %q: batches were mixed", i, line, want)
		}
	}
}

func TestBatchOfManyMessages(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	o, notes := options(t, "good", nil)
	p := runPlugin(t, o)
	ready(t, p)
	const n = 20000 // 8 MB
	hits := plugintest.Hits(n)
	hits[7].Name = strings.Repeat("x", 4<<20)
	err := p.Write(t.Context(), hits)
	var partial *plugin.PartialError
	if !errors.As(err, &partial) || len(partial.Errs) != n || !plugin.IsPermanent(partial.Errs[7]) || !strings.HasPrefix(err.Error(), "1 of 20000 hits: ") {
		t.Fatalf("%v", err)
	}
	if got := strings.Count(notesOf(t, notes), "hit "); got != n-1 {
		t.Errorf("%d hits arrived", got)
	}
}

func TestOddTextsCostNoBatch(t *testing.T) {
	t.Parallel()
	o, _ := options(t, "good", nil)
	p := runPlugin(t, o)
	ready(t, p)
	if err := p.Write(t.Context(), []plugin.Hit{{Name: "\xff\x00", Feed: "a\xc3", Kind: hit.Kind("\xfe")}}); err != nil {
		t.Error(err)
	}
	if err := p.Write(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestStopAtAnyTime(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	for _, typ := range []string{"good", "dies", "silent"} {
		for _, after := range []time.Duration{0, 5 * time.Millisecond, 40 * time.Millisecond, 100 * time.Millisecond} {
			t.Run(fmt.Sprint(typ, after), func(t *testing.T) {
				t.Parallel()
				o, _ := options(t, typ, nil)
				p := New(o)
				p.times = fastTimes()
				p.Start()
				time.Sleep(after)
				pid := p.State().PID
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := p.Stop(ctx); err != nil {
					t.Error(err)
				}
				if ctx.Err() != nil {
					t.Error("Stop took its whole deadline")
				}
				if pid == 0 {
					pid = 1 << 30
				}
				gone(t, p, o, pid)
			})
		}
	}
	o, _ := options(t, "good", nil)
	if err := New(o).Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStopOfAHungOutput(t *testing.T) {
	peer.Long(t)
	t.Parallel()
	o, notes := options(t, "good", map[string]any{"do": "hang"})
	p := runPlugin(t, o)
	s := ready(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for !strings.Contains(notesOf(t, notes), "hit ") && t.Context().Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		cancel() // it has the hit, and hangs
	}()
	if err := p.Write(ctx, plugintest.Hits(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := p.Stop(ctx); err == nil {
		t.Error("Stop does not say that Close was not heard")
	}
	gone(t, p, o, s.PID)
}
