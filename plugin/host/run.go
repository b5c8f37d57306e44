package host

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
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/flowhound/flowhound/plugin/internal/pb"
)

// run is the process of a plugin as go-plugin's runner.Runner.
type run struct {
	opts Options
	path string // of the binary, as people know it
	bin  *os.File
	dir  string // of the socket
	log  *lines

	cmd      *exec.Cmd
	pid      int // of the plugin
	leader   int // of its process group: its guard's, or its own
	startErr error
	lifeline *os.File // our end: closed, it tells the plugin to go
	shake    *io.PipeWriter
	stdout   *io.PipeReader // the first line only

	readers sync.WaitGroup
	silent  chan struct{} // closed when it has closed its stdout
	done    chan struct{} // closed when the process is reaped and all it printed is read
	reaped  atomic.Bool   // its pid may be another's by now
	killed  atomic.Bool
	mu      sync.Mutex
	first   string
	waitErr error
}

func newRun(bin *binary, dir string, o Options) *run {
	r := &run{opts: o, path: bin.path, bin: bin.file, dir: dir, log: newLines(o.log()), silent: make(chan struct{}), done: make(chan struct{})}
	r.stdout, r.shake = io.Pipe()
	return r
}

// prepare makes the command, with the variables env of go-plugin.
func (r *run) prepare(env []string) error {
	// The open file is executed, not what its path names by now: nobody can put
	// another in the place of what was checked.
	path := r.path
	if _, err := os.Stat("/proc/self/fd"); err == nil {
		path = "/proc/self/fd/4"
	}
	r.cmd = &exec.Cmd{
		Path: path, Args: []string{r.path}, Dir: "/",
		Env: append(append(cleanEnv(), env...),
			"PLUGIN_UNIX_SOCKET_DIR="+r.dir, // of equal names the last one counts
			pb.LifelineEnv+"=3",
			"FLOWHOUND_VERSION="+r.opts.Version,
			"GOMEMLIMIT="+strconv.Itoa(softMemory),
		),
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true}, // so that what it starts ends with it
	}
	if path != r.path && guards.Load() {
		r.guarded()
	}
	return nil
}

// Start starts the process.
func (r *run) Start(context.Context) error {
	r.startErr = r.start()
	return r.startErr
}

func (r *run) start() (err error) {
	var all []*os.File
	pipe := func() (in, out *os.File) {
		if err == nil {
			if in, out, err = os.Pipe(); err == nil {
				all = append(all, in, out)
			}
		}
		return in, out
	}
	life, ours := pipe()
	out, outW := pipe()
	errs, errsW := pipe()
	report, reportW := pipe()
	if err == nil {
		// Files, so that Wait does not wait for a grandchild that holds them.
		r.cmd.Stdout, r.cmd.Stderr, r.cmd.ExtraFiles = outW, errsW, []*os.File{life, r.bin}
		if r.isGuarded() {
			r.cmd.ExtraFiles = append(r.cmd.ExtraFiles, reportW)
		}
		err = r.startCmd()
	}
	if err == nil {
		all = []*os.File{life, outW, errsW, reportW} // those of the process
	}
	for _, f := range all {
		f.Close()
	}
	if err != nil {
		return err
	}
	r.lifeline = ours
	err = r.learnPID(report)
	r.readers.Go(func() { r.readStdout(out) })
	r.readers.Go(func() { r.log.readFrom(newLineReader(errs)) })
	go r.wait(report, out, errs)
	return err
}

// learnPID finds the plugin's pid.
func (r *run) learnPID(report *os.File) error {
	pid, err := r.leader, error(nil)
	if r.isGuarded() {
		pid, err = pluginPID(report)
	} else {
		limit(pid)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pid = pid
	return err
}

// startCmd starts the command, unless kill was called first.
func (r *run) startCmd() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.killed.Load() {
		return context.Canceled
	}
	if err := r.cmd.Start(); err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			return path.Err // without /proc/self/fd/4
		}
		return err
	}
	r.leader = r.cmd.Process.Pid
	return nil
}

// drainTimeout is how long what a dead plugin printed may take to arrive.
const drainTimeout = 500 * time.Millisecond

func (r *run) wait(report *os.File, pipes ...*os.File) {
	defer close(r.done)
	err := r.cmd.Wait()
	r.reaped.Store(true)
	r.killGroup() // what it has started
	if r.isGuarded() {
		err = howEnded(report, err)
	}
	report.Close()
	r.mu.Lock()
	r.waitErr = err
	r.mu.Unlock()
	for _, p := range pipes {
		_ = p.SetReadDeadline(time.Now().Add(drainTimeout)) // a grandchild elsewhere may hold it
	}
	r.readers.Wait()
	for _, p := range pipes {
		p.Close()
	}
}

// readStdout hands the first line to go-plugin, and the rest to the log.
func (r *run) readStdout(f *os.File) {
	defer r.shake.Close() // go-plugin reacts to it, so silent comes first
	defer close(r.silent)
	l := newLineReader(f)
	line, err := l.next()
	r.mu.Lock()
	r.first = string(line)
	r.mu.Unlock()
	if len(line) > 0 {
		_, _ = fmt.Fprintf(r.shake, "%s\n", line)
	}
	if err == nil {
		r.log.readFrom(l)
	}
}

func (r *run) firstLine() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.TrimSpace(r.first)
}

func (r *run) started() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leader != 0
}

func (r *run) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// endsWithin waits for the end of the process, for that long and as long as ctx lives.
func (r *run) endsWithin(ctx context.Context, d time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	select {
	case <-r.done:
	case <-ctx.Done():
	}
	return r.ended()
}

// status says how the process ended, once it has.
func (r *run) status() string {
	if !r.ended() {
		return "still running"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waitErr == nil {
		return "exit status 0"
	}
	return r.waitErr.Error()
}

// closeLifeline tells the plugin that nobody needs it any more.
func (r *run) closeLifeline() {
	if r.lifeline != nil {
		r.lifeline.Close()
	}
}

// kill ends the process by force, if it runs, and else keeps it from starting.
func (r *run) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended() {
		return
	}
	first := !r.killed.Swap(true)
	switch {
	case r.leader == 0:
	case !r.isGuarded():
		r.killGroup()
	case first: // the guard kills what is in other groups, too
		go r.orderEnd()
	}
}

func (r *run) killGroup() { _ = syscall.Kill(-r.leader, syscall.SIGKILL) }

// close frees what is left when the process is gone, or was never started.
func (r *run) close() {
	r.closeLifeline()
	r.shake.Close()
	r.stdout.Close()
}

// Wait waits for the process to end.
func (r *run) Wait(context.Context) error {
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waitErr
}

// Kill ends the process by force, unless it is about to end by itself: then how
// it ends is of interest.
func (r *run) Kill(context.Context) error {
	select {
	case <-r.silent:
		r.endsWithin(context.Background(), drainTimeout)
	default:
	}
	r.kill()
	return nil
}

// Stdout gives go-plugin the line of the handshake.
func (r *run) Stdout() io.ReadCloser { return r.stdout }

// Stderr is empty for go-plugin: it is read here.
func (r *run) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name is the path of the binary.
func (r *run) Name() string { return r.path }

// ID is not empty once the process was started.
func (r *run) ID() string {
	if !r.started() {
		return ""
	}
	return strconv.Itoa(r.pid)
}

// Diagnose says nothing: startError does.
func (r *run) Diagnose(context.Context) string { return "" }

// PluginToHost allows a socket in the plugin's own directory only.
func (r *run) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" || filepath.Dir(address) != r.dir {
		return "", "", fmt.Errorf("its address %s %.100q is not a socket in %s", network, address, r.dir)
	}
	return network, address, nil
}

// HostToPlugin changes nothing.
func (r *run) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
