package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type ask struct{ N int }

// runDir is a run directory to be made, with a path that is short enough.
func runDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "run")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "sub", "run")
}

// serve starts a server that counts, fails and hangs, until the test ends.
func serve(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Listen(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Handle("/count", func(_ context.Context, r *Request) error {
		var a ask
		if err := r.Decode(&a); err != nil {
			return err
		}
		for i := range a.N {
			if err := r.Send(i); err != nil {
				return err
			}
		}
		return nil
	})
	s.Handle("/fail", func(_ context.Context, r *Request) error {
		if err := r.Send(1); err != nil {
			return err
		}
		return fmt.Errorf("output: %w", &Problem{BadRequest, "there is no output siem"})
	})
	s.Handle("/hang", func(ctx context.Context, r *Request) error {
		if err := r.Send("begun"); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	})
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil && !errors.Is(err, os.ErrClosed) { // by the test itself
			t.Error(err)
		}
	})
	return s
}

func TestAnswers(t *testing.T) {
	dir := runDir(t)
	serve(t, dir).Serve()
	var got []string
	collect := func(v json.RawMessage) error {
		got = append(got, string(v))
		return nil
	}
	if err := Stream(t.Context(), dir, "/count", ask{3}, collect); err != nil || strings.Join(got, " ") != "0 1 2" {
		t.Errorf("a stream: %q, %v", got, err)
	}
	n := -1
	if err := Call(t.Context(), dir, "/count", ask{1}, &n); err != nil || n != 0 {
		t.Errorf("one value: %d, %v", n, err)
	}
	if err := Call(t.Context(), dir, "/count", ask{2}, &n); err == nil || !strings.Contains(err.Error(), "2 values instead of one") {
		t.Errorf("two values for one: %v", err)
	}

	got = nil
	var problem *Problem
	err := Stream(t.Context(), dir, "/fail", ask{}, collect)
	if !errors.As(err, &problem) || problem.Code != BadRequest || err.Error() != "output: there is no output siem" || len(got) != 1 {
		t.Errorf("a failure after a value: %q, %v", got, err)
	}
	for path, request := range map[string]any{"/none": nil, "/count": map[string]int{"M": 1}} {
		if err := Call(t.Context(), dir, path, request, &n); !errors.As(err, &problem) || problem.Code != BadRequest || !strings.Contains(err.Error(), "one version") {
			t.Errorf("%s %v: %v", path, request, err)
		}
	}
	if err := Call(t.Context(), dir, "/count", strings.Repeat("x", maxRequest), &n); !errors.As(err, &problem) || !strings.Contains(err.Error(), "too large") {
		t.Errorf("a request without end: %v", err)
	}
}

func TestPermissions(t *testing.T) {
	dir := runDir(t)
	s := serve(t, dir)
	for path, want := range map[string]os.FileMode{dir: os.ModeDir | 0o700, SocketPath(dir): os.ModeSocket | 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	s.Serve()

	open := runDir(t)
	if err := errors.Join(os.MkdirAll(open, 0o700), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(open, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "chmod 0700 "+open) {
		t.Errorf("a folder that all may write to: %v", err)
	}
}

// TestWhoRuns: a live agent keeps its socket, a dead one's is replaced, and a
// command is told which it is.
func TestWhoRuns(t *testing.T) {
	dir := runDir(t)
	var n int
	call := func() error { return Call(t.Context(), dir, "/count", ask{1}, &n) }
	if err := call(); !errors.Is(err, ErrNoAgent) {
		t.Errorf("without a folder: %v", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	left, err := net.Listen("unix", SocketPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false) // as after kill -9
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	if err := call(); !errors.Is(err, ErrNoAgent) {
		t.Errorf("a dead agent's socket: %v", err)
	}

	s := serve(t, dir)
	s.Serve()
	if err := call(); err != nil {
		t.Errorf("in place of a dead agent: %v", err)
	}
	if _, err := Listen(dir, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("beside a live agent: %v", err)
	}
	if err := call(); err != nil {
		t.Errorf("after another one tried: %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := call(); !errors.Is(err, ErrNoAgent) {
		t.Errorf("after its end: %v", err)
	}
	serve(t, dir).Serve()
	if err := call(); err != nil {
		t.Errorf("the next agent: %v", err)
	}

	// What is no socket is nobody's to remove.
	other := runDir(t)
	if err := errors.Join(os.MkdirAll(other, 0o700), os.WriteFile(SocketPath(other), []byte("mine"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(other, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a file was taken for a socket")
	}
}

func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if _, err := Listen(dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "107 bytes; set run_dir") {
		t.Errorf("listen: %v", err)
	}
	if err := Call(t.Context(), dir, "/count", ask{1}, nil); err == nil || !strings.Contains(err.Error(), "107 bytes") {
		t.Errorf("call: %v", err)
	}
}

// TestWaiting: requests wait for Serve; a client that goes and a server that closes
// both end a handler.
func TestWaiting(t *testing.T) {
	dir := runDir(t)
	s := serve(t, dir)
	answered := make(chan error)
	go func() {
		var n int
		answered <- Call(t.Context(), dir, "/count", ask{1}, &n)
	}()
	select {
	case err := <-answered:
		t.Errorf("answered before Serve: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	s.Serve()
	if err := <-answered; err != nil {
		t.Error(err)
	}

	gone := errors.New("enough")
	if err := Stream(t.Context(), dir, "/hang", nil, func(json.RawMessage) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("a client that goes: %v", err)
	}
	begun := make(chan struct{})
	go func() {
		answered <- Stream(t.Context(), dir, "/hang", nil, func(json.RawMessage) error { close(begun); return nil })
	}()
	<-begun
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("closing under a request: %v", err)
	}
	if err := <-answered; err == nil {
		t.Error("a request that was ended looks answered")
	}
}

// TestCutAnswer: what ends without its last line is no answer.
func TestCutAnswer(t *testing.T) {
	dir := runDir(t)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", SocketPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	body := ""
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }), ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(ln) }()
	defer func() { _ = server.Close(); <-done }()
	for answer, want := range map[string]string{
		"":                             "in the middle",
		"{\"value\":1}\n":              "in the middle",
		"{\"value\":1}\n{\"end\"":      "cannot be read",
		"<html>":                       "cannot be read",
		strings.Repeat("x", maxLine+1): "too long",
	} {
		body = answer
		var n int
		if err := Call(t.Context(), dir, "/x", nil, &n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want ...%s...", answer, err, want)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("{\"value\":1}\n{\"end\":true}\n"))
	f.Add([]byte("{\"error\":\"no\",\"code\":\"failed\"}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		err := readAnswer(strings.NewReader(string(b)), func(v json.RawMessage) error {
			if v != nil && !json.Valid(v) {
				return errors.New("not JSON: " + string(v))
			}
			return nil
		})
		if err != nil && strings.HasPrefix(err.Error(), "not JSON") {
			t.Error(err)
		}
	})
}
