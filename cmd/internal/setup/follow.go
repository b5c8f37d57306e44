package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Alerts follows what the engine of this host makes of a line.
type Alerts struct {
	engine *Engine
	why    string // why nothing can be followed; "": it can
	path   string
	from   int64
}

// FollowAlerts begins to follow: what is in the engine's alerts already does not count.
func FollowAlerts(o Options) *Alerts {
	e, err := Find(o.root(), o.Home)
	if err != nil {
		if errors.Is(err, ErrNoEngine) {
			return &Alerts{why: "neither OSSEC nor Wazuh is on this host"}
		}
		return &Alerts{why: err.Error()}
	}
	a := &Alerts{engine: e, path: e.path("logs/alerts/alerts.log")}
	if e.Role != Manager {
		a.why = fmt.Sprintf("%s sends the line to its manager: look there", e)
		return a
	}
	info, err := os.Stat(a.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		a.why = "its alerts may be read by root only: run this with sudo"
	default:
		a.from = info.Size()
	}
	return a
}

// Skipped says why there is nothing to follow, "" where there is.
func (a *Alerts) Skipped() string { return a.why }

// Await waits until an alert holds the id of a hit. where is the file.
func (a *Alerts) Await(ctx context.Context, id string) (where string, err error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		found, err := a.holds(id)
		if err != nil || found {
			return a.path, err
		}
		select {
		case <-ctx.Done():
			return a.path, fmt.Errorf("%s has raised no alert of it; see flowhound doctor", a.engine.Kind)
		case <-tick.C:
		}
	}
}

// holds looks into what was added. A file that became shorter was rotated.
func (a *Alerts) holds(id string) (bool, error) {
	f, err := os.Open(a.path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, plain(err)
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() < a.from {
		a.from = 0
	}
	b, err := io.ReadAll(io.LimitReader(io.NewSectionReader(f, a.from, 1<<40), maxFile))
	return bytes.Contains(b, []byte(id)), err
}
