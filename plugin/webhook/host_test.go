package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/host"
	"github.com/flowhound/flowhound/plugin/plugintest"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestBinary builds the program and has flowhound's side of the wire run it.
func TestBinary(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	s := newServer(t, accepts["slack"])
	bin, run := t.TempDir(), t.TempDir()
	if len(run) > 70 { // a socket's path is short
		var err error
		if run, err = os.MkdirTemp("", "fh"); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(run)
	}
	for _, dir := range []string{bin, run} {
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	peer.InstallProgram(t, "plugin/webhook", bin)
	log := &peer.Log{}
	settings, _ := json.Marshal(map[string]string{"service": "slack", "url": s.URL + testPath, "timeout": "5s"})
	o := host.Options{Name: "chat", Type: "webhook", Dir: bin, Settings: settings, RunDir: run, Version: "test",
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}

	bad := o
	bad.Settings = json.RawMessage(`{"service":"slack","url":"http://hooks.example/5EcReT","template":"{{"}`)
	report, err := host.Check(t.Context(), bad)
	if err != nil || len(report.Problems) != 1 || !strings.Contains(report.Problems[0].Error(), "url: must start with https://") {
		t.Errorf("check: %+v, %v", report, err)
	}

	p := host.New(o)
	p.Start()
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	for timeout := time.After(time.Minute); !p.State().Ready; {
		select {
		case <-p.Changed():
		case <-timeout:
			t.Fatalf("not ready: %+v\n%s", p.State(), log)
		}
	}
	if err := p.Write(t.Context(), plugintest.Hits(200)); err != nil || len(s.requests()) != 1 || !strings.Contains(string(s.requests()[0].body), "200 hits: 40 critical") {
		t.Errorf("write: %v, %d requests", err, len(s.requests()))
	}
	if cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.State().PID)); err == nil {
		checkNoSecret(t, "process list", string(cmdline))
	}
	s.now(says(404, "no such path "+testPath))
	if err := p.Write(t.Context(), plugintest.Hits(1)); outcome(err) != "permanent" {
		t.Errorf("rejected: %v", err)
	} else {
		checkNoSecret(t, "error", err.Error())
	}
	s.now(says(429, "", "Retry-After", "11"))
	if err := p.Write(t.Context(), plugintest.Hits(1)); outcome(err) != "11s" {
		t.Errorf("throttled: %v", err)
	}
	s.now(says(410, ""))
	for range 2 {
		if err := p.Write(t.Context(), plugintest.Hits(1)); outcome(err) != "permanent" || len(s.requests()) != 1 {
			t.Errorf("gone: %v", err)
		}
	}
	checkNoSecret(t, "log", log.String())
}
