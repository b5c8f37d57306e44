package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
	"github.com/flowhound/flowhound/cmd/internal/replay"
)

// keep is the command "keep" of scripts.
func keep(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.Open(args[0])
	ts.Check(err)
	defer f.Close()
	var records []flow.Record
	r := replay.New(config.Default().Replay(nil))
	r.OnFlow = func(f *flow.Record) { records = append(records, *f) }
	ts.Check(r.Read(context.Background(), f))
	r.Close()
	w, err := dataset.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	ts.Check(w.Add(records))
	ts.Check(w.Flush())
	ts.Check(w.Tidy(context.Background(), time.Now().AddDate(10, 0, 0)))
	ts.Check(w.Close())
}

// damage is the command "damage" of scripts.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(ts.MkAbs(filepath.Join(args[0], "*", "*.parquet")))
	ts.Check(err)
	b, err := os.ReadFile(files[0])
	ts.Check(err)
	b[200] ^= 1 // in the first column
	ts.Check(os.WriteFile(files[0], b, 0o600))
}

// TestQuestionInterrupted: an interrupt ends a question with status 130 and leaves no
// file behind.
func TestQuestionInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := dataset.Create(filepath.Join(dir, "flows"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "list")
	if err := syscall.Mkfifo(list, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "flowhound", "flows", "--history", "flows", "--sip", "@list", "--parquet", "found.parquet") // testscript.Main put it on PATH
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(list, os.O_WRONLY, 0) // until it reads
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
		t.Errorf("it ended with %v, want exit status %d", err, exitInterrupted)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
