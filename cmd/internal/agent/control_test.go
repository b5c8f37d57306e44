package agent_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/agent"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

const oursFeed = "feeds:\n  - {name: ours, type: list, path: ours.txt, category: c2}\n"

// TestControlSocket: a running agent answers, also while it knows no such request;
// a stopped one leaves nothing.
func TestControlSocket(t *testing.T) {
	t.Parallel()
	r := start(t, writeList(t, t.TempDir()), oursFeed)
	run := r.path("data/run")
	var problem *control.Problem
	if err := control.Call(t.Context(), run, "/none", nil, nil); !errors.As(err, &problem) {
		t.Errorf("a running agent: %v", err)
	}

	// Another agent with a data_dir of its own on the same run_dir.
	dir := t.TempDir()
	cfg, err := config.Parse(dir+"/flowhound.yaml", []byte(base("")+oursFeed+"run_dir: "+run+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	other := agent.New(cfg, agent.Options{Log: slog.New(slog.DiscardHandler)})
	if err := other.Run(context.Background(), nil); !errors.Is(err, control.ErrInUse) || !strings.Contains(err.Error(), "give this one a run_dir of its own") {
		t.Errorf("a second agent on one run_dir: %v", err)
	}

	r.stop()
	if err := control.Call(t.Context(), run, "/none", nil, nil); !errors.Is(err, control.ErrNoAgent) {
		t.Errorf("a stopped agent: %v", err)
	}
	if _, err := os.Stat(control.SocketPath(run)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a stopped agent's socket: %v", err)
	}
}

// TestNoRunDir: an agent without a run directory works, and says what it lacks.
func TestNoRunDir(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := writeList(t, t.TempDir())
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, oursFeed+"run_dir: file/run\n")
	r.awaitLine(`agent status=error .*commands cannot reach this agent: run_dir: .*not a directory`)
	if code, h := r.health(); code != 503 || len(h.Problems) != 1 || !strings.Contains(h.Problems[0], "commands cannot reach this agent") {
		t.Errorf("health: %d %v", code, h.Problems)
	}
	r.router("127.0.0.1", 9).export(call(always))
	r.awaitLine(`hit kind=new .* dst=` + always)
}
