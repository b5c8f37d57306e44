package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// kill ends agent, plugin and sink at random, eight times, while hits come in. All
// ids must arrive on both sides, none twice in the log.
func kill(l *lab) (string, error) {
	if err := l.start(); err != nil {
		return "", err
	}
	var did []string
	sent := 0
	for range 8 {
		n := 20 + l.rand.IntN(80)
		if err := l.hits(n); err != nil {
			return "", err
		}
		sent += n
		time.Sleep(time.Duration(l.rand.IntN(600)) * time.Millisecond)
		what := []string{"kill", "kill", "kill", "term", "plugin", "guard", "sink", "500", "cut"}[l.rand.IntN(9)]
		did = append(did, what)
		if err := l.break1(what); err != nil {
			return "", err
		}
	}
	l.sink.set("")
	if l.hits(10) != nil || l.sink.away(0) != nil {
		return "", fmt.Errorf("the sink cannot come back")
	}
	seen, err := l.agree(1)
	if err == nil {
		err = l.signal(syscall.SIGTERM)
	}
	if err == nil {
		seen, err = l.after()
	}
	return fmt.Sprintf("%s, %d conversations; %s", seen, sent, strings.Join(did, " ")), err
}

// after compares once more when the agent has ended and said what it held, which
// its next start delivers.
func (l *lab) after() (string, error) {
	if err := l.start(); err != nil {
		return "", err
	}
	return l.agree(1)
}

func (l *lab) break1(what string) error {
	switch what {
	case "kill":
		if err := l.signal(syscall.SIGKILL); err != nil {
			return err
		}
		if l.rand.IntN(3) == 0 { // again, while it starts
			if err := l.start(); err != nil {
				return err
			}
			time.Sleep(time.Duration(l.rand.IntN(50)) * time.Millisecond)
			if err := l.signal(syscall.SIGKILL); err != nil {
				return err
			}
		}
		return l.start()
	case "term":
		if err := l.signal(syscall.SIGTERM); err != nil {
			return err
		}
		return l.start()
	case "plugin", "guard":
		for _, guard := range children(l.pid()) {
			if what == "guard" {
				_ = syscall.Kill(guard, syscall.SIGKILL)
			}
			for _, plugin := range children(guard) {
				_ = syscall.Kill(plugin, syscall.SIGKILL)
			}
		}
		return nil
	case "sink":
		return l.sink.away(time.Duration(l.rand.IntN(500)) * time.Millisecond)
	default:
		l.sink.set(what)
		time.Sleep(time.Duration(l.rand.IntN(500)) * time.Millisecond)
		l.sink.set("")
		return nil
	}
}

// children of a process, by all its threads.
func children(pid int) (kids []int) {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, t := range tasks {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		for f := range strings.FieldsSeq(string(b)) {
			if n, err := strconv.Atoi(f); err == nil {
				kids = append(kids, n)
			}
		}
	}
	return kids
}
