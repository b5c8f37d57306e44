package agent

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/flowhound/flowhound/cmd/internal/alert/logfile"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/plugin/hit"
)

// logTo is the alert log in use; a reload may open another.
type logTo struct{ atomic.Pointer[logfile.File] }

func (l *logTo) hit(h *hit.Hit)       { l.Load().Hit(h) }
func (l *logTo) status(s *hit.Status) { l.Load().Status(s) }

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
// for the old one are written there first.
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
	return a.file.Swap(file).Close(ctx)
}
