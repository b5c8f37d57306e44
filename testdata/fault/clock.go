package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The clock of a Go program cannot be set from outside: it asks the kernel without
// a library in between. So the agent is built with its time.Now replaced by one
// that adds what a file says.

const hook = `
var fakeClock = []byte("CLOCKFILE\x00")

// Now is the kernel's time, moved by the seconds and sped up by the factor in the
// clock file. Timers call it where no ordinary system call may be made, so these
// are raw.
func Now() Time {
	t := kernelNow()
	const here = ^uintptr(99) // AT_FDCWD
	fd, _, e := syscall.RawSyscall6(syscall.SYS_OPENAT, here, uintptr(unsafe.Pointer(&fakeClock[0])), 0, 0, 0, 0)
	if e != 0 {
		return t
	}
	var b [64]byte
	n, _, e := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&b)), uintptr(len(b)))
	syscall.RawSyscall(syscall.SYS_CLOSE, fd, 0, 0)
	if e != 0 {
		n = 0
	}
	var numbers [3]int64 // seconds to add, factor, since when
	at, sign := 0, int64(1)
	for _, c := range b[:n] {
		switch {
		case c == '-':
			sign = -1
		case c >= '0' && c <= '9':
			numbers[at] = numbers[at]*10 + sign*int64(c-'0')
		case at < 2:
			at, sign = at+1, 1
		}
	}
	if numbers[1] > 1 {
		if since := t.Unix() - numbers[2]; since > 0 {
			t = t.Add(Duration(since) * Second * Duration(numbers[1]-1) + Duration(int64(t.Nanosecond())*(numbers[1]-1)))
		}
		return t.Add(Duration(numbers[0]) * Second).Round(0)
	}
	t.wall += uint64(numbers[0]) << nsecShift // a clock that is set moves no monotonic time
	return t
}
`

// withClock builds the agent and its plugin with the other clock; one file serves
// both.
func (l *lab) withClock() error {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	b, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	code := string(b)
	if !strings.Contains(code, "\nfunc Now() Time {") || !strings.Contains(code, "\nimport (\n") {
		return errors.New("this Go has another time.Now than is known here")
	}
	code = strings.Replace(code, "\nfunc Now() Time {", "\nfunc kernelNow() Time {", 1)
	code = strings.Replace(code, "\nimport (\n", "\nimport (\n\t\"syscall\"\n", 1)
	code = strings.Replace(code, "\t_ \"unsafe\"", "\t\"unsafe\"", 1)
	bin := filepath.Join(filepath.Dir(l.dir), "clockbin")
	overlay := filepath.Join(l.dir, "overlay.json")
	changed := filepath.Join(l.dir, "time.go.txt")
	if err := os.WriteFile(changed, []byte(code+strings.Replace(hook, "CLOCKFILE", filepath.Join(bin, "clock"), 1)), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(overlay, fmt.Appendf(nil, `{"Replace": {%q: %q}}`, source, changed), 0o600); err != nil {
		return err
	}
	if _, err := os.Stat(bin); err != nil {
		if err := build(bin, []string{"-overlay", overlay}, "./cmd/flowhound", "./plugin/webhook=flowhound-output-webhook"); err != nil {
			return err
		}
	}
	l.bin = bin
	return l.setClock(0, 1)
}

func (l *lab) setClock(add time.Duration, factor int) error {
	path := filepath.Join(l.bin, "clock")
	text := fmt.Sprintf("%d %d %d\n", int64(add/time.Second), factor, time.Now().Unix())
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// clock steps the agent's clock, and its exporter's, back and forth, with kills in
// between. Hits go on at once, and nothing is lost or said twice.
func clock(l *lab) (string, error) {
	if err := l.withClock(); err != nil {
		return "", err
	}
	if err := l.start(); err != nil {
		return "", err
	}
	const dayLong = 24 * time.Hour
	var did []string
	for range 4 {
		step := []time.Duration{-365 * dayLong, -dayLong, -time.Hour, -2 * time.Second, 0, time.Minute, dayLong, 400 * dayLong}[l.rand.IntN(8)]
		did = append(did, step.String())
		if err := l.setClock(step, 1); err != nil {
			return "", err
		}
		l.exporter.clock = []time.Duration{0, step, -step}[l.rand.IntN(3)]
		time.Sleep(200 * time.Millisecond)
		if l.rand.IntN(3) == 0 {
			if err := l.signal(syscall.SIGKILL); err != nil {
				return "", err
			}
			if err := l.start(); err != nil {
				return "", err
			}
		}
		before := len(l.sink.seen())
		if err := l.hits(20); err != nil {
			return "", err
		}
		if err := l.wait("hits after the clock moved by "+step.String(), 15*time.Second, func() bool { return len(l.sink.seen()) > before }); err != nil {
			return "", err
		}
	}
	seen, err := l.agree(1)
	return seen + "; steps " + strings.Join(did, " "), err
}

// day lets the clock run a day in a minute while hits, repeats and reloads go on.
// Goroutines, descriptors and memory must not grow from its first half to its end.
func day(l *lab) (string, error) {
	if err := l.withClock(); err != nil {
		return "", err
	}
	if err := l.start(); err != nil {
		return "", err
	}
	const factor = 1440
	if err := l.setClock(0, factor); err != nil {
		return "", err
	}
	type sample struct{ goroutines, descriptors, memory int }
	var half, end sample
	began := time.Now()
	for part := range 60 {
		if err := l.hits(10); err != nil {
			return "", err
		}
		for range 10 { // repeats
			if err := l.exporter.send(true, flow{local: [4]byte{10, 250, 0, byte(l.rand.IntN(8))}, remote: bad(l.rand.IntN(8))}); err != nil {
				return "", err
			}
		}
		if part%10 == 5 {
			_ = syscall.Kill(l.pid(), syscall.SIGHUP)
		}
		time.Sleep(time.Until(began.Add(time.Duration(part+1) * time.Second)))
		if now := (sample{l.goroutines(), l.descriptors(), l.resident()}); part == 30 {
			half = now
		} else if part > 50 {
			end = now
		}
	}
	seen, err := l.agree(1)
	if err == nil && (end.goroutines > half.goroutines+20 || end.descriptors > half.descriptors+10 || end.memory > half.memory+half.memory/2+32<<20) {
		err = fmt.Errorf("grows: goroutines %d to %d, descriptors %d to %d, memory %d to %d MB", half.goroutines, end.goroutines, half.descriptors, end.descriptors, half.memory>>20, end.memory>>20)
	}
	return fmt.Sprintf("%s; at the half and the end: goroutines %d, %d; descriptors %d, %d; memory %d, %d MB",
		seen, half.goroutines, end.goroutines, half.descriptors, end.descriptors, half.memory>>20, end.memory>>20), err
}
