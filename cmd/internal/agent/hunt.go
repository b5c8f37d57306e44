package agent

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/logged"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/history"
	"github.com/flowhound/flowhound/cmd/internal/history/hunt"
	"github.com/flowhound/flowhound/plugin/hit"
)

// newHunter returns what holds the history against new indicators. The journal is open.
func (a *Agent) newHunter(cfg *config.Config) *hunt.Hunter {
	return hunt.New(cfg.Hunt(), hunt.Dependencies{
		Path: cfg.HuntedPath(), Journal: a.journal, Search: hunt.In(cfg.Flows().Dir, a.syncHistory, a.log),
		Policy:      func() *alert.Policy { return a.stage.State().Policy },
		MinSeverity: func() hit.Severity { return a.config.Load().Alert.MinSeverity },
		Emit:        func(h *hit.Hit) error { return a.emit.Emit(h, hunt.Cursor) },
		Alerted:     a.alerted, Report: a.reportAgent, Log: a.log,
	})
}

// syncHistory brings to the disk what was received. Where no flows are kept now, there is
// what was kept before.
func (a *Agent) syncHistory(ctx context.Context) error {
	if err := a.history.Sync(ctx); !errors.Is(err, history.ErrOff) {
		return err
	}
	return nil
}

// alerted reads the hits of the alert log. A log that is no file cannot be read again.
func (a *Agent) alerted(since time.Time, each func(*hit.Hit)) error {
	path := a.config.Load().Log.Path
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil
	}
	_, err := logged.Read(path, logged.Filter{Since: since}, each)
	return err
}
