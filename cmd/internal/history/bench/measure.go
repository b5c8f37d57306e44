package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// spent is what a command took.
type spent struct {
	wall, cpu time.Duration
	memory    float64 // MB of resident memory at most
}

// measureWord has this program run another one: see run.
const measureWord = "measure"

// run runs a command and says what it took. It does so by way of a small process of its
// own, because what the kernel calls the memory of a process begins with that of the one
// that started it: here, after a day of flows was made, 800 MB.
func (p *command) run() (s spent, err error) {
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	c := exec.Command(self, append([]string{measureWord, strconv.Itoa(p.status)}, p.args...)...)
	var out, took bytes.Buffer
	c.Stdout, c.Stderr = &took, &out
	if err := c.Run(); err != nil {
		return s, fmt.Errorf("%w: %s", err, out.Bytes()[max(0, out.Len()-1000):])
	}
	_, err = fmt.Sscan(took.String(), &s.wall, &s.cpu, &s.memory)
	return s, err
}

// measure runs a command, which may exit with a status besides 0, and prints what it took:
// wall and CPU time in nanoseconds, and MB. What the command itself prints goes to stderr.
func measure(status string, args []string) error {
	c := exec.Command(args[0], args[1:]...) //nolint:gosec // to run what it is given is its purpose
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	begun := time.Now()
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != status) {
		return err
	}
	usage := c.ProcessState.SysUsage().(*syscall.Rusage)
	fmt.Println(time.Since(begun).Nanoseconds(), (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Nanoseconds(), float64(usage.Maxrss)/1024)
	return nil
}
