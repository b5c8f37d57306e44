package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// judgeTime bounds what an engine takes to read its rules, restartTime its restart.
const (
	judgeTime   = time.Minute
	restartTime = 3 * time.Minute
)

// judge lets the engine read its own configuration. An agent has no such command;
// where root is not this host's, Wazuh's cannot be pointed there.
func (e *Engine) judge(ctx context.Context) error {
	if e.Role == Agent {
		return nil
	}
	for _, command := range e.judges() {
		if err := run(ctx, judgeTime, command...); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) judges() [][]string {
	if e.Kind == Wazuh {
		var out [][]string
		for _, name := range []string{"bin/wazuh-analysisd", "bin/wazuh-logtest-legacy"} {
			if exists(e.path(name)) && e.Root == "/" {
				out = append(out, []string{e.path(name), "-t"})
			}
		}
		return out
	}
	home := e.path("")
	conf := filepath.Join(home, "etc/ossec.conf")
	out := [][]string{{e.path("bin/ossec-logtest"), "-t", "-D", home, "-c", conf}}
	if exists(e.path("etc/shared/ar.conf")) { // which the first start makes
		out = append(out, []string{e.path("bin/ossec-analysisd"), "-t", "-D", home, "-c", conf})
	}
	return out
}

// run runs a command of the engine. Its error has what the engine said.
func run(ctx context.Context, limit time.Duration, command ...string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	words, said := strings.Join(command, " "), bytes.TrimSpace(tail(out, 2000))
	var exit *exec.ExitError
	switch {
	case err == nil && !saysError(out):
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s did not end within %s\n%s", words, limit, said)
	case err == nil || errors.As(err, &exit):
		return fmt.Errorf("%s says\n%s", words, said)
	}
	return fmt.Errorf("%s cannot be run: %w", words, plain(err))
}

// saysError finds complaints of an engine that ends with 0 all the same.
func saysError(out []byte) bool {
	for line := range bytes.Lines(out) {
		if bytes.Contains(line, []byte("ERROR")) || bytes.Contains(line, []byte("CRITICAL")) {
			return true
		}
	}
	return false
}

func tail(b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	return b[len(b)-n:]
}

// restart restarts the engine, or says how.
func (e *Engine) restart(ctx context.Context, o *Options) error {
	control := "bin/ossec-control"
	if e.Kind == Wazuh {
		control = "bin/wazuh-control"
	}
	switch {
	case e.Root != "/":
		return nil // it does not run here
	case !o.Restart:
		o.Say("restart it to take this over: %s restart", e.says(control))
		return nil
	}
	o.Say("restarting %s", e.Kind)
	if err := run(ctx, restartTime, e.path(control), "restart"); err != nil {
		return fmt.Errorf("the files are in place, but %s did not restart: %w", e.Kind, err)
	}
	return nil
}
