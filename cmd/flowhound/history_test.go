package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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

// TestSearchInterrupted: an interrupt in the middle of a search ends it with status 130 and
// leaves nothing behind. The search is held up where it tells of a damaged file, as nobody
// reads what it tells.
func TestSearchInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := dataset.Create(filepath.Join(dir, "flows"))
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 6, 7, 0, 0, 0, 0, time.UTC)
	var records []flow.Record
	for h := range 24 {
		at := noon.Add(time.Duration(h) * time.Hour).UnixNano()
		records = append(records, flow.Record{Src: flow.Addr4(0x0a010203), Dst: flow.Addr4(0xc6336407), Start: at, End: at, Received: at, Bytes: 1, Packets: 1, Has: flow.HasStart | flow.HasEnd | flow.HasBytes | flow.HasPackets})
	}
	for _, err := range []error{w.Add(records), w.Flush(), w.Tidy(t.Context(), noon.AddDate(1, 0, 0)), w.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	first, err := filepath.Glob(filepath.Join(dir, "flows", "2026-06-07", "00-*.parquet"))
	if err != nil || len(first) != 1 {
		t.Fatal(first, err)
	}
	if err := os.Truncate(first[0], 100); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"flows": {"flows", "--parquet", "found.parquet"},
		"join":  {"flows", "--join", "--csv"},
		"top":   {"top", "--fields", "sip,dport"},
		"hunt":  {"hunt", "198.51.100.7"},
	} {
		t.Run(name, func(t *testing.T) {
			args = append(args, "--history", "flows", "--start", "2026-06-07", "--end", "2026-06-07", "--utc")
			status := 0
			for range 5 { // a loaded machine may be late to tell the search of the interrupt
				if status = interrupted(t, dir, args, 2); status == exitInterrupted {
					break
				}
			}
			if status != exitInterrupted {
				t.Errorf("it ended with status %d, want %d", status, exitInterrupted)
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) != 1 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestPrintInterrupted: so does one while the answer is printed. Nobody reads it at first.
func TestPrintInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := dataset.Create(filepath.Join(dir, "flows"))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 6, 7, 0, 0, 0, 0, time.UTC).UnixNano()
	records := make([]flow.Record, 20_000)
	for i := range records {
		records[i] = flow.Record{Src: flow.Addr4(0x0a000000 + uint32(i)), Dst: flow.Addr4(0xc6336407), Start: at, End: at, Received: at, Bytes: 1, Packets: 1, Has: flow.HasStart | flow.HasEnd | flow.HasBytes | flow.HasPackets}
	}
	if err := errors.Join(w.Add(records), w.Close()); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"flows": {"flows", "--limit", "0", "--csv"},
		"top":   {"top", "--fields", "sip", "--count", "0", "--json"},
		"hunt":  {"hunt", "198.51.100.7"},
	} {
		t.Run(name, func(t *testing.T) {
			args = append(args, "--history", "flows", "--start", "2026-06-07", "--end", "2026-06-07", "--utc")
			status := 0
			for range 5 { // a loaded machine may be late to tell it of the interrupt
				if status = interrupted(t, dir, args, 1); status == exitInterrupted {
					return
				}
			}
			t.Errorf("it ended with status %d, want %d", status, exitInterrupted)
		})
	}
}

// interrupted starts a question, interrupts it while it waits for somebody who reads what
// it writes to a file descriptor, 1 or 2, and returns how it ended.
func interrupted(t *testing.T, dir string, args []string, fd int) int {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fill(t, w)
	cmd := exec.CommandContext(t.Context(), "flowhound", args...) // testscript.Main put it on PATH
	cmd.Dir = dir
	if fd == 1 {
		cmd.Stdout = w
	} else {
		cmd.Stderr = w
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	for deadline := time.Now().Add(time.Minute); !blocked(t, cmd.Process.Pid, fd); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is not held up")
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	_, _ = io.Copy(io.Discard, r)
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// fill fills a pipe up, so that the next one who writes waits.
func fill(t *testing.T, pipe *os.File) {
	t.Helper()
	raw, err := pipe.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		for n := 1 << 16; n > 0; {
			if _, err := syscall.Write(int(fd), make([]byte, n)); err != nil {
				n /= 2
			}
		}
		_ = syscall.SetNonblock(int(fd), false) // the program waits
	}); err != nil {
		t.Fatal(err)
	}
}

// blocked reports whether a thread of a process waits to write to a file descriptor.
func blocked(t *testing.T, pid, fd int) bool {
	t.Helper()
	threads, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "syscall"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range threads {
		b, _ := os.ReadFile(path) // of a thread that runs it says "running"
		if strings.HasPrefix(string(b), fmt.Sprintf("%d %#x ", syscall.SYS_WRITE, fd)) {
			return true
		}
	}
	return false
}
