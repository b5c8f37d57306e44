package host

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// agentEnv makes the test's binary an agent with one plugin, whose Options it holds.
const agentEnv = "FLOWHOUND_TEST_AGENT"

// runAgent starts the plugin, says its process id, and lives until it is killed.
func runAgent(options string) {
	var o Options
	if json.Unmarshal([]byte(options), &o) != nil {
		os.Exit(9)
	}
	p := New(o)
	p.Start()
	for !p.State().Ready {
		<-p.Changed()
	}
	_, _ = os.Stdout.WriteString(strings.TrimSpace(jsonOf(p.State().PID)) + "\n")
	select {}
}

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// TestNoOrphan kills the agent with -9: its plugin closes its output and ends.
func TestNoOrphan(t *testing.T) {
	t.Parallel()
	o, notes := options(t, "good", nil)
	o.Log = nil
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	agent := exec.Command(self)
	agent.Env = append(os.Environ(), agentEnv+"="+jsonOf(o))
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	var pid int
	if err != nil || json.Unmarshal([]byte(line), &pid) != nil || !alive(pid) {
		t.Fatalf("the agent said %q, %v", line, err)
	}
	if err := agent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = agent.Wait()
	if !within(func() bool { return !alive(pid) }) {
		t.Fatalf("process %d outlived its agent", pid)
	}
	if got := notesOf(t, notes); got != "open\nclose\n" {
		t.Errorf("calls:\n%s", got)
	}
	if left, _ := filepath.Glob(filepath.Join(o.RunDir, "mine", "*")); slices.ContainsFunc(left, isSocket) {
		t.Errorf("left behind: %q", left)
	}
}

func isSocket(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&os.ModeSocket != 0
}

func TestSocketIsOursAlone(t *testing.T) {
	t.Parallel()
	o, _ := options(t, "good", nil)
	dir := filepath.Join(o.RunDir, "mine")
	if err := os.MkdirAll(filepath.Join(dir, "stale"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := runPlugin(t, o)
	ready(t, p)
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	found, _ := filepath.Glob(dir + "/*")
	found = slices.DeleteFunc(found, func(path string) bool { return !isSocket(path) })
	if len(found) != 1 {
		t.Fatalf("sockets: %q", found)
	}
	if _, err := os.Stat(filepath.Join(dir, "stale")); err == nil {
		t.Error("the directory was not swept")
	}
	conn, err := net.Dial("unix", found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	err = c.Handshake()
	if err == nil { // with TLS 1.3 the server's verdict comes after it
		_, err = c.Read(make([]byte, 1))
	}
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("one without flowhound's certificate got in: %v", err)
	}
}

func TestPathOfTheSocketIsTooLong(t *testing.T) {
	t.Parallel()
	o, _ := options(t, "good", nil)
	o.RunDir = filepath.Join(o.RunDir, strings.Repeat("x", 80))
	p := runPlugin(t, o)
	s := until(t, p, "refused", func(s State) bool { return s.Restarts > 0 })
	if !strings.Contains(s.Problem, "use a shorter run_dir") {
		t.Error(s.Problem)
	}
}

func TestCheckAndSetup(t *testing.T) {
	t.Parallel()
	o, notes := options(t, "good", map[string]any{"wiat": "5s", "nested": map[string]any{"size": 99}})
	r, err := Check(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range r.Problems {
		got = append(got, p.Error())
	}
	want := []string{"wiat: unknown key; did you mean wait?", "nested.size: 99 is too large; the most is 9"}
	if !slices.Equal(got, want) || !slices.Equal(r.Secrets, []string{"key"}) || !r.CanSetup {
		t.Errorf("%+v", r)
	}
	if err := Setup(t.Context(), o); err == nil || !strings.Contains(err.Error(), "output mine: settings: wiat: unknown key") {
		t.Errorf("%v", err)
	}
	o.Settings = []byte(jsonOf(map[string]any{"path": notes}))
	if err := Setup(t.Context(), o); err != nil {
		t.Error(err)
	}
	if got := notesOf(t, notes); got != "setup\n" {
		t.Errorf("calls: %s", got)
	}
	live := runPlugin(t, o) // they do not touch the one that runs
	s := ready(t, live)
	if r, err := Check(t.Context(), o); err != nil || len(r.Problems) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if now := live.State(); now.PID != s.PID || live.Write(t.Context(), nil) != nil {
		t.Errorf("the live one: %+v", now)
	}
	o.Type = "none"
	if _, err := Check(t.Context(), o); err == nil || !strings.Contains(err.Error(), "output mine: there is no flowhound-output-none in") {
		t.Errorf("%v", err)
	}
	if _, err := Check(t.Context(), Options{Name: "mine", Type: "dies", Dir: install(t, "dies")}); err == nil || !strings.HasSuffix(err.Error(), "no licence found") {
		t.Errorf("of a plugin that does not start: %v", err)
	}
}

func TestStartDoesNotWait(t *testing.T) {
	t.Parallel()
	o, _ := options(t, "silent", nil)
	p := New(o)
	p.Start() // would hang here
	if s := p.State(); s.Ready || s.Problem == "" {
		t.Errorf("%+v", s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func TestOOMKillerTakesThePluginFirst(t *testing.T) {
	t.Parallel()
	o, _ := options(t, "good", nil)
	p := runPlugin(t, o)
	s := ready(t, p)
	b, err := os.ReadFile("/proc/" + jsonOf(s.PID) + "/oom_score_adj")
	if err != nil || strings.TrimSpace(string(b)) != "500" {
		t.Errorf("%q, %v", b, err)
	}
	s = until(t, p, "measured", func(s State) bool { return s.Memory > 0 })
	if s.Memory > 200<<20 {
		t.Errorf("%d bytes of memory", s.Memory)
	}
}
