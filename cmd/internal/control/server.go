package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	// readTime is how long a request may take to arrive, lineTime how long one
	// line of an answer may take to leave. How long a Handler works is its own
	// affair.
	readTime = 5 * time.Second
	lineTime = 10 * time.Second
)

// Handler answers one request: it sends nothing, one value or many, and returns
// nil when the answer is whole. A *Problem keeps its code; any other error is
// Failed. ctx ends when the client goes or the server closes. Handlers run
// concurrently.
type Handler func(ctx context.Context, r *Request) error

// Request is what a Handler answers. It belongs to the Handler's goroutine.
type Request struct {
	body []byte
	w    http.ResponseWriter
}

// Decode reads the request's body, strictly, into v.
func (r *Request) Decode(v any) error {
	if err := decodeStrict(r.body, v); err != nil {
		return &Problem{BadRequest, "the request is not what this agent expects (" + err.Error() + "): are command and agent of one version?"}
	}
	return nil
}

// read takes the body. Its deadline must not outlive it: a Handler that works for
// longer would be told that the client has gone.
func (r *Request) read(from *http.Request) error {
	control := http.NewResponseController(r.w)
	err := control.SetReadDeadline(time.Now().Add(readTime))
	if err == nil {
		r.body, err = io.ReadAll(http.MaxBytesReader(r.w, from.Body, maxRequest))
	}
	if err != nil {
		return &Problem{BadRequest, "the request cannot be read: " + err.Error()}
	}
	return control.SetReadDeadline(time.Time{})
}

// Send sends v as the next value of the answer, at once. Its error says that the
// client has gone.
func (r *Request) Send(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return r.write(line{Value: b})
}

func (r *Request) write(l line) error {
	control := http.NewResponseController(r.w)
	if err := control.SetWriteDeadline(time.Now().Add(lineTime)); err != nil {
		return err
	}
	if err := json.NewEncoder(r.w).Encode(l); err != nil {
		return err
	}
	return control.Flush()
}

// Server is an agent's end of the socket.
type Server struct {
	http     *http.Server
	handlers map[string]Handler
	cancel   context.CancelFunc
	lock     *os.File
	done     chan struct{}

	// ready is closed by Serve; requests before it wait for it.
	ready     chan struct{}
	serveOnce sync.Once
}

// Listen makes runDir, with mode 0700, where it is missing and listens on its
// socket, which a dead agent may have left. ErrInUse says that a live one has it.
// Requests wait for Serve.
func Listen(runDir string, log *slog.Logger) (*Server, error) {
	if problem := PathProblem(runDir); problem != "" {
		return nil, fmt.Errorf("run_dir %s %s", runDir, problem)
	}
	lock, err := lockRunDir(runDir)
	if err != nil {
		return nil, err
	}
	ln, err := listen(SocketPath(runDir))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("run_dir: %w", err), lock.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{
		handlers: map[string]Handler{}, cancel: cancel, lock: lock,
		done: make(chan struct{}), ready: make(chan struct{}),
	}
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readTime,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the control socket is closed; commands cannot reach this agent", "err", err)
		}
	}()
	return s, nil
}

// lockRunDir makes dir and takes the lock that tells a live agent's socket from
// one that was left. It goes with the process, however that ends.
func lockRunDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return nil, fmt.Errorf("run_dir: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("run_dir: %w", err)
	}
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("run_dir: %w", err)
	} else if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("run_dir %s: others may write to it; run: chmod 0700 %s", dir, dir)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("run_dir: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, errors.Join(fmt.Errorf("run_dir %s: %w", dir, err), f.Close())
	}
	return f, nil
}

// listen binds path in place of what a dead agent left there. The socket has mode
// 0600 from its first moment: on Linux it is made with the mode that the file
// descriptor has when it is bound.
func listen(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), 0o600) })
		return errors.Join(err, failed)
	}}
	ln, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// Handle registers h for path, such as /output/list. All are registered before Serve.
func (s *Server) Handle(path string, h Handler) { s.handlers[path] = h }

// Serve lets requests in. It does not wait.
func (s *Server) Serve() { s.serveOnce.Do(func() { close(s.ready) }) }

// Close ends the contexts of the requests under way, waits for them until ctx ends
// and removes the socket.
func (s *Server) Close(ctx context.Context) error {
	s.cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("control socket: a request did not finish: %w", errors.Join(err, s.http.Close()))
	}
	<-s.done
	return errors.Join(err, s.lock.Close())
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-s.ready:
	case <-r.Context().Done():
		return
	}
	request := &Request{w: w}
	w.Header().Set("Content-Type", "application/x-ndjson")
	_ = request.write(s.answer(request, r)) // the client may have gone
}

// answer runs the Handler and returns the last line.
func (s *Server) answer(request *Request, r *http.Request) line {
	h, ok := s.handlers[r.URL.Path]
	if !ok || r.Method != http.MethodPost {
		return line{Error: "this agent does not know the request " + r.URL.Path + ": are command and agent of one version?", Code: BadRequest}
	}
	err := request.read(r)
	if err == nil {
		err = h(r.Context(), request)
	}
	var problem *Problem
	switch {
	case err == nil:
		return line{End: true}
	case errors.As(err, &problem):
		return line{Error: err.Error(), Code: problem.Code}
	default:
		return line{Error: err.Error(), Code: Failed}
	}
}
