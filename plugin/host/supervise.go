package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin/internal/wire"
	"github.com/flowhound/flowhound/plugin/retry"
)

// times are how long things may take; tests have shorter ones.
type times struct {
	start     time.Duration // from the start of the process to its handshake
	call      time.Duration // Configure, Setup and Open
	health    time.Duration // between two questions after its health, and for an answer
	memory    time.Duration // between two looks at its memory
	stop      time.Duration // Close, where Stop's context says nothing
	exit      time.Duration // from the end of Close to the end of the process
	backoff   time.Duration // before the first restart; doubles up to ...
	backoffTo time.Duration // ... this, and starts anew for a process that ran that long
}

func defaultTimes() times {
	return times{
		start: 15 * time.Second, call: 30 * time.Second, health: 10 * time.Second, memory: time.Second,
		stop: 5 * time.Second, exit: 2 * time.Second, backoff: time.Second, backoffTo: time.Minute,
	}
}

func (t *times) restart() retry.Backoff { return retry.Backoff{First: t.backoff, Most: t.backoffTo} }

// supervise keeps a process running until ctx ends.
func (p *Plugin) supervise(ctx context.Context) {
	wait, failures := p.times.restart(), 0
	for {
		openFor, err := p.session(ctx)
		p.update(func(s *State) {
			s.Ready, s.PID, s.Memory, s.Problem = false, 0, 0, ""
			if err != nil {
				s.Problem = err.Error()
			}
		})
		if ctx.Err() != nil {
			return
		}
		if openFor >= p.times.backoffTo {
			failures = 0
		}
		failures++
		d := wait.After(failures)
		p.log.Warn("output plugin is down", "problem", err, "again_in", d)
		if !sleep(ctx, d) {
			p.update(func(s *State) { s.Problem = "" })
			return
		}
		p.update(func(s *State) { s.Restarts++ })
	}
}

// sleep waits for d, and reports whether ctx is still alive then.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// session is the life of one process. It returns how long the output was open and
// why that ended: when ctx did, the error of Close.
func (p *Plugin) session(ctx context.Context) (openFor time.Duration, err error) {
	proc, err := start(ctx, p.opts, filepath.Join(p.opts.RunDir, p.opts.Name), p.times)
	if ctx.Err() != nil && err != nil {
		return 0, nil //nolint:nilerr // stopped while starting: no problem
	}
	if err != nil {
		return 0, err
	}
	p.update(func(s *State) { s.PID = proc.pid() })
	err = p.prepare(ctx, proc)
	if err == nil {
		began := time.Now()
		p.use(proc)
		err = p.watch(ctx, proc)
		p.use(nil)
		openFor = time.Since(began)
	}
	if ctx.Err() != nil {
		p.mu.Lock()
		closing := p.closing
		p.mu.Unlock()
		return openFor, proc.stop(closing)
	}
	var lost *wire.Lost
	if errors.As(err, &lost) && proc.run.endsWithin(ctx, p.times.exit) { // it was about to say why
		err = errEnded // whichever of it was seen first
	}
	proc.end()
	return openFor, proc.explain(err)
}

// use makes proc the process that takes hits.
func (p *Plugin) use(proc *process) {
	p.mu.Lock()
	p.open = proc
	p.mu.Unlock()
	if proc != nil {
		p.update(func(s *State) { s.Ready, s.Problem = true, "" })
		p.log.Info("output plugin is open", "pid", proc.pid())
	}
}

// prepare hands over the settings and opens the output, again and again while that
// fails: a target that is down needs no new process.
func (p *Plugin) prepare(ctx context.Context, proc *process) error {
	conf, err := proc.configure(ctx)
	if err != nil {
		return err
	}
	p.update(func(s *State) { s.Version = conf.Version })
	if len(conf.Problems) > 0 {
		return settingsError(conf)
	}
	// Until it answers this is all there is to say.
	p.update(func(s *State) { s.Problem = "is being opened; its target has not answered yet" })
	wait := p.times.restart()
	said := ""
	for failures := 1; ; failures++ {
		err := proc.call(ctx, proc.output.Open)
		var lost *wire.Lost
		if err == nil || errors.As(err, &lost) || ctx.Err() != nil {
			return err
		}
		d := wait.After(failures)
		p.update(func(s *State) { s.Problem = err.Error() })
		if err.Error() != said { // a target that stays down is told once
			said = err.Error()
			p.log.Warn("output cannot be opened", "problem", err, "again_in", d)
		}
		if err := p.rest(ctx, proc, d); err != nil {
			return err
		}
	}
}

// rest waits for d, while watching.
func (p *Plugin) rest(ctx context.Context, proc *process, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	err := p.watch(ctx, proc)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// watch returns why proc cannot go on: it ended, hangs, takes too much memory, or
// ctx ended.
func (p *Plugin) watch(ctx context.Context, proc *process) error {
	health, memory := time.NewTicker(p.times.health), time.NewTicker(p.times.memory)
	defer health.Stop()
	defer memory.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-proc.run.done:
			return errEnded
		case err := <-proc.doomed:
			return err
		case <-memory.C:
			n := residentBytes(proc.pid())
			p.update(func(s *State) { s.Memory = n })
			if n > maxMemory {
				return fmt.Errorf("uses %d MiB of memory, and the limit is %d MiB", n>>20, maxMemory>>20)
			}
		case <-health.C:
			if err := proc.healthy(ctx, p.times.health); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// settingsError tells all problems in one line.
func settingsError(conf wire.Config) error {
	texts := make([]string, len(conf.Problems))
	for i, p := range conf.Problems {
		texts[i] = p.Error()
	}
	return fmt.Errorf("settings: %s", strings.Join(texts, "; "))
}

// logLevel is the level from which log wants records.
func logLevel(log *slog.Logger) slog.Level {
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		if log.Enabled(context.Background(), l) {
			return l
		}
	}
	return slog.LevelError
}
