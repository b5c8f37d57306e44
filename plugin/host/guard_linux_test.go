package host

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/plugintest"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// stemming returns the processes that descend from the plugin with options o, the
// guard too: they have its socket's directory in their environment.
func stemming(t *testing.T, o Options) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil || len(files) == 0 {
		t.Fatal("no /proc")
	}
	for _, f := range files {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		env, err := os.ReadFile(f)
		if err == nil && bytes.Contains(env, []byte("PLUGIN_UNIX_SOCKET_DIR="+o.RunDir)) && alive(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// waitForNone fails when something of the plugin stays alive.
func waitForNone(t *testing.T, o Options) {
	t.Helper()
	if within(func() bool { return len(stemming(t, o)) == 0 }) {
		return
	}
	for _, pid := range stemming(t, o) {
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		t.Errorf("process %d lives on: %q", pid, cmdline)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func waitForSome(t *testing.T, o Options, n int) (pids []int) {
	t.Helper()
	if !within(func() bool { pids = stemming(t, o); return len(pids) >= n }) {
		t.Fatalf("%d processes, want %d", len(pids), n)
	}
	return pids
}

// TestNothingOutlivesTheAgent kills an agent with -9 whose plugin does all it can
// to stay: nothing is left.
func TestNothingOutlivesTheAgent(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	for _, c := range []struct {
		name, typ string
		processes int // guard and plugin, and what it starts
		before    func(pids []int)
	}{
		{name: "daemons, no lifeline", typ: "deaf", processes: 3},
		{name: "no handshake", typ: "silent", processes: 2},
		{name: "all stopped", typ: "deaf", processes: 3, before: func(pids []int) {
			for _, pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGSTOP)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o, _ := options(t, c.typ, nil)
			o.Log = nil
			agent := exec.Command("/proc/self/exe")
			agent.Env = append(os.Environ(), agentEnv+"="+jsonOf(o))
			agent.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // as a service's main process is
			if err := agent.Start(); err != nil {
				t.Fatal(err)
			}
			pids := waitForSome(t, o, c.processes)
			if c.before != nil {
				c.before(pids)
			}
			_ = agent.Process.Kill()
			_ = agent.Wait()
			waitForNone(t, o)
		})
	}
}

// TestNothingOutlivesThePlugin stops a plugin, and ends another, that have put
// processes into sessions of their own.
func TestNothingOutlivesThePlugin(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	for _, how := range []string{"stop", "kill", "kill the guard"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			o, _ := options(t, "good", map[string]any{"do": "daemon"})
			p := runPlugin(t, o)
			ready(t, p)
			if err := p.Write(t.Context(), plugintest.Hits(1)); err != nil {
				t.Fatal(err)
			}
			waitForSome(t, o, 4) // two daemons
			pid := p.State().PID
			switch how {
			case "kill":
				_ = syscall.Kill(pid, syscall.SIGKILL)
			case "kill the guard":
				_ = syscall.Kill(parentOf(pid), syscall.SIGKILL)
			}
			if how != "stop" && !within(func() bool { return !alive(pid) }) {
				t.Fatal("the plugin lives on")
			}
			stop(t, p)
			if how == "kill the guard" { // the kernel ends the plugin; its daemons have no keeper
				for _, left := range stemming(t, o) {
					_ = syscall.Kill(left, syscall.SIGKILL)
				}
			}
			waitForNone(t, o)
		})
	}
}

// TestStoppedGuard stops the guard and the plugin: Stop still comes to an end.
func TestStoppedGuard(t *testing.T) {
	peer.Long(t)
	t.Parallel()
	o, _ := options(t, "good", nil)
	p := runPlugin(t, o)
	ready(t, p)
	pid := p.State().PID
	_ = syscall.Kill(parentOf(pid), syscall.SIGSTOP)
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_ = p.Stop(ctx)
	waitForNone(t, o)
}
