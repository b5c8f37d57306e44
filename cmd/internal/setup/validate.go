package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin/text"
)

// validateTime bounds what an engine takes to read its rules, restartTime its restart.
const (
	validateTime = time.Minute
	restartTime  = 3 * time.Minute
)

// validate lets the engine read its own configuration: an agent what it is to read, a
// manager its rules and decoders too. Where root is not this host's, Wazuh's
// programs cannot be pointed there.
func (e *Engine) validate(ctx context.Context) error {
	for _, command := range e.validators() {
		if err := run(ctx, validateTime, command...); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) validators() (out [][]string) {
	if e.Kind == Wazuh {
		for _, name := range []string{"bin/wazuh-logcollector", "bin/wazuh-analysisd", "bin/wazuh-logtest-legacy"} {
			if exists(e.path(name)) && e.Root == "/" {
				out = append(out, []string{e.path(name), "-t"})
			}
		}
		return out
	}
	conf := []string{"-t", "-c", e.path("etc/ossec.conf")}
	test := func(name string, args ...string) {
		if exists(e.path(name)) {
			out = append(out, append(append([]string{e.path(name)}, conf...), args...))
		}
	}
	test("bin/ossec-logcollector")
	if e.Role == Agent {
		return out
	}
	test("bin/ossec-logtest", "-D", e.path(""))
	if exists(e.path("etc/shared/ar.conf")) { // which the first start makes
		test("bin/ossec-analysisd", "-D", e.path(""))
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
		return fmt.Errorf("%s did not finish within %s\n%s", words, limit, said)
	case err == nil || errors.As(err, &exit):
		return fmt.Errorf("%s says\n%s", words, said)
	}
	return fmt.Errorf("%s cannot be run: %w", words, plain(err))
}

// saysError finds complaints of an engine that ends with 0 all the same: an error,
// or a mere warning about one of flowhound's rules, which the engine then ignores.
// A container that may not raise its own limits has no error in its configuration.
func saysError(out []byte) bool {
	for line := range bytes.Lines(out) {
		switch {
		case bytes.Contains(line, []byte("resource limit")):
		case bytes.Contains(line, []byte("ERROR")), bytes.Contains(line, []byte("CRITICAL")):
			return true
		case bytes.Contains(line, []byte("WARNING")) && ourRule().Match(line):
			return true
		}
	}
	return false
}

var ourRule = text.Pattern(`'1009\d\d'`)

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
		o.Say("restart it to apply this: sudo flowhound install --restart (or: %s restart)", e.says(control))
		return nil
	}
	o.Say("restarting %s", e.Kind)
	if err := run(ctx, restartTime, e.path(control), "restart"); err != nil {
		return fmt.Errorf("the files are in place, but %s did not restart: %w", e.Kind, err)
	}
	return nil
}
