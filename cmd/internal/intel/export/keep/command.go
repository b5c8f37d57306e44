package keep

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// outputWait is how long a command's output is waited for after its end: what
	// it left running in the background may hold on to it.
	outputWait = time.Second
	// outputKept is how much of the output is kept, in bytes. Programs say first
	// what is wrong.
	outputKept = 500
)

// runCommand runs a program with its arguments, without a shell, and waits for
// it. After timeout, or when ctx ends, the program and all that it started are
// killed. The error names the program, not its arguments, which may hold
// secrets, and holds the beginning of what it printed.
func runCommand(ctx context.Context, argv []string, timeout time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var printed beginning
	cmd := exec.CommandContext(limited, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &printed, &printed
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = outputWait
	err := cmd.Run()
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		err = fmt.Errorf("killed because it took longer than %s", timeout)
	}
	return fmt.Errorf("%s: %w%s", filepath.Base(argv[0]), err, printed.after(": "))
}

// beginning keeps the first bytes that are written to it.
type beginning struct{ kept []byte }

func (b *beginning) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p[:min(len(p), outputKept-len(b.kept))]...)
	return len(p), nil
}

// after returns what was kept, in one line after before; "" when that is nothing.
func (b *beginning) after(before string) string {
	words := strings.Fields(string(b.kept))
	if len(words) == 0 {
		return ""
	}
	return before + strings.Join(words, " ")
}
