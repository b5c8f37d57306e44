package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestInterrupt ends a replay that waits for a pipe: the status is 130, what was seen
// is told, and Go's own words for it are not.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	f, err := os.Open("../../testdata/pcap/mixed-v5.pcap.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	capture, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "flowhound", "replay", "--flows", "-") // testscript.Main put it on PATH
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = r, &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	go io.Copy(w, capture)
	if _, err := io.ReadFull(stdout, make([]byte, 1)); err != nil { // it reads
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, stdout); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
		t.Errorf("it ended with %v, want exit status %d", err, exitInterrupted)
	}
	if got := stderr.String(); !strings.Contains(got, " flows from ") || strings.Contains(got, "context canceled") {
		t.Errorf("it says %q", got)
	}
}
