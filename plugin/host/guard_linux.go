package host

import (
	encoding "encoding/binary"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A plugin that starts a process in a session of its own, ignores that flowhound
// is gone, or is stopped would outlive the agent. So each runs below a guard: the
// program itself, started again, which is the reaper of all that descends from
// the plugin and has no other work. When the plugin ends, all of that is killed;
// when the agent ends, in whatever way, the plugin has guardPatience to end by
// itself. Should the guard be killed, the kernel kills the plugin.

const (
	guardEnv = "FLOWHOUND_GUARD"
	// Files of the guard; the plugin has the first two.
	lifelineFD, binaryFD, reportFD = 3, 4, 5
	// guardPatience is how long a plugin may live on without an agent: the SDK's
	// own two seconds, and one more.
	guardPatience = 3 * time.Second
	// sweepTime bounds the end of what a plugin leaves behind.
	sweepTime = 5 * time.Second
	// orderAll is the signal with which the agent has all ended at once.
	orderAll = syscall.SIGUSR1
)

// guards says that this program calls Guard, so that it can be started as one.
var guards atomic.Bool

// Guard makes the process the guard of a plugin, and ends it, when it was started
// as one. Otherwise it returns at once. It is the first call of main: without it
// plugins run without a guard.
func Guard() {
	if os.Getenv(guardEnv) == "" {
		guards.Store(true)
		return
	}
	syscall.Exit(guard()) // at once: under the race detector os.Exit takes a second
}

func guard() int {
	runtime.LockOSThread() // the kernel watches the thread that starts the plugin
	for _, fd := range []int{lifelineFD, binaryFD, reportFD} {
		syscall.CloseOnExec(fd)
	}
	orders := make(chan os.Signal, 1)
	signal.Notify(orders, orderAll)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP) // the plugin decides
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	limit(os.Getpid()) // the plugin inherits it

	report := os.NewFile(reportFD, "report")
	pid, err := startGuarded()
	if err != nil {
		send(report, -errnoOf(err))
		return 1
	}
	send(report, pid)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err == nil { // the plugin alone holds its output
		for fd := range 3 {
			_ = unix.Dup3(int(null.Fd()), fd, 0)
		}
	}
	go func() {
		for range orders {
			killBelow(os.Getpid())
		}
	}()
	go func() {
		waitForHangup(lifelineFD)
		time.Sleep(guardPatience)
		killBelow(os.Getpid())
	}()
	send(report, int(waitFor(pid)))
	sweep()
	return 0
}

// wakeWithoutUs has the kernel wake a guard that somebody has stopped when the
// agent ends. A thread of the agent that ends does it too, and does no harm.
func wakeWithoutUs(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGCONT }

// startGuarded starts the plugin with the guard's own environment and files.
func startGuarded() (pid int, err error) {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, guardEnv+"=") })
	p, err := os.StartProcess(fmt.Sprintf("/proc/self/fd/%d", binaryFD), os.Args[:1], &os.ProcAttr{ //nolint:gosec // the open file that the host has checked
		Dir: "/", Env: env,
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, os.NewFile(lifelineFD, "lifeline"), os.NewFile(binaryFD, "binary")},
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 0, err
	}
	return p.Pid, nil
}

// send tells the agent a number: the plugin's pid or minus an error's number, and
// later how it ended.
func send(to *os.File, n int) {
	_, _ = to.Write(encoding.NativeEndian.AppendUint32(nil, uint32(int32(n))))
}

// waitForHangup returns when nobody holds the other end of the pipe. The plugin
// may read from the same one.
func waitForHangup(fd int32) {
	for {
		fds := []unix.PollFd{{Fd: fd}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR || fds[0].Revents&(unix.POLLHUP|unix.POLLNVAL|unix.POLLERR) != 0 {
			return
		}
	}
}

// waitFor reaps what ends until the plugin does, and returns how.
func waitFor(plugin int) (how syscall.WaitStatus) {
	for {
		pid, err := syscall.Wait4(-1, &how, 0, nil)
		if pid == plugin || err != nil && err != syscall.EINTR {
			return how
		}
	}
}

// sweep kills and reaps until there is nothing left below the guard.
func sweep() {
	for end := time.Now().Add(sweepTime); time.Now().Before(end); {
		killBelow(os.Getpid())
		for {
			pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			if err == syscall.ECHILD {
				return
			}
			if pid <= 0 {
				break
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// killBelow kills all that descends from process root.
func killBelow(root int) {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if parent := parentOf(pid); parent > 0 {
				children[parent] = append(children[parent], pid)
			}
		}
	}
	var kill func(pid int)
	kill = func(pid int) {
		for _, c := range children[pid] {
			_ = syscall.Kill(c, syscall.SIGKILL)
			kill(c)
		}
	}
	kill(root)
}

// parentOf returns the parent of process pid, 0 when it is gone. In proc(5)'s stat
// it follows the name, in which any character may stand, and the state.
func parentOf(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}
