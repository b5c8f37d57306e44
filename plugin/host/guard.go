package host

import (
	encoding "encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// guardTime is how long a guard may take to start the plugin, or to kill it.
const guardTime = 5 * time.Second

// guarded makes the command one that starts a guard, which starts the plugin.
func (r *run) guarded() {
	r.cmd.Path = "/proc/self/exe"
	r.cmd.Args = append(r.cmd.Args, "guard") // for those who look at ps
	r.cmd.Env = append(r.cmd.Env, guardEnv+"=1")
	wakeWithoutUs(r.cmd.SysProcAttr)
}

// isGuarded reports whether prepare has chosen a guard.
func (r *run) isGuarded() bool { return r.cmd.Path == "/proc/self/exe" }

// orderEnd has the guard kill all below it, again and again, as one that has only
// just been started does not hear it.
func (r *run) orderEnd() {
	again, late := time.NewTicker(20*time.Millisecond), time.NewTimer(guardTime)
	defer again.Stop()
	defer late.Stop()
	for !r.reaped.Load() {
		_ = syscall.Kill(r.leader, orderAll)
		select {
		case <-r.done:
			return
		case <-late.C: // it was stopped, perhaps
			r.killGroup()
			return
		case <-again.C:
		}
	}
}

// readReport reads a number of the guard's, within guardTime if it is urgent.
func readReport(f *os.File, urgent bool) (int, error) {
	if urgent {
		_ = f.SetReadDeadline(time.Now().Add(guardTime))
		defer func() { _ = f.SetReadDeadline(time.Time{}) }()
	}
	var b [4]byte
	if _, err := io.ReadFull(f, b[:]); err != nil {
		return 0, err
	}
	return int(int32(encoding.NativeEndian.Uint32(b[:]))), nil
}

// pluginPID is the plugin's pid, as its guard tells it, or why it cannot start.
func pluginPID(report *os.File) (int, error) {
	n, err := readReport(report, true)
	switch {
	case err != nil:
		return 0, fmt.Errorf("its guard process did not start: %w", err)
	case n <= 0:
		return 0, syscall.Errno(-n)
	}
	return n, nil
}

// howEnded is the plugin's end as an error, nil for success. The guard's own end
// stands in when it could not tell.
func howEnded(report *os.File, guard error) error {
	n, err := readReport(report, true)
	if err != nil {
		return guard
	}
	s := syscall.WaitStatus(n)
	switch {
	case s.Signaled():
		return fmt.Errorf("signal: %v", s.Signal())
	case s.ExitStatus() != 0:
		return fmt.Errorf("exit status %d", s.ExitStatus())
	}
	return nil
}

// errnoOf is the number of the system's error in err.
func errnoOf(err error) int {
	var n syscall.Errno
	if errors.As(err, &n) {
		return int(n)
	}
	return int(syscall.EIO)
}
