package agent

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/flowhound/flowhound/cmd/internal/alert/logfile"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/plugin/hit"
)

// logTo is the alert log in use; a reload may open another.
type logTo struct {
	atomic.Pointer[logfile.File]
	putting sync.RWMutex // held for a line, so that none goes to a log that was closed
}

func (l *logTo) hit(h *hit.Hit) {
	l.putting.RLock()
	defer l.putting.RUnlock()
	l.Load().Hit(h)
}

func (l *logTo) status(s *hit.Status) {
	l.putting.RLock()
	defer l.putting.RUnlock()
	l.Load().Status(s)
}

// change returns the log that next replaces and that no line goes to any more.
func (l *logTo) change(next *logfile.File) *logfile.File {
	l.putting.Lock()
	defer l.putting.Unlock()
	return l.Swap(next)
}

func openLog(cfg *config.Config, log *slog.Logger) (*logfile.File, error) {
	return logfile.Open(logfile.Options{
		Path:    cfg.Log.Path,
		Format:  cfg.Log.Format,
		MaxSize: int64(cfg.Log.MaxSize),
		Keep:    cfg.Log.Keep,
		Host:    cfg.Log.Hostname,
		Log:     log,
	})
}

// changeLog opens another log if the configuration asks for it. Lines that wait
// for the old one are written there first; where that fails, the new log tells.
func (a *Agent) changeLog(old, next *config.Config) error {
	if old.Log == next.Log {
		return nil
	}
	file, err := openLog(next, a.log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(a.ctx, stopTime)
	defer cancel()
	if err := a.file.change(file).Close(ctx); err != nil {
		a.log.Error("lines of the old alert log are lost", "err", err)
		a.say("dropping", err.Error())
	}
	return nil
}
