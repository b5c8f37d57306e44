package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Alerts follows what the engine of this host makes of a line.
type Alerts struct {
	engine *Engine
	why    string // why nothing can be followed; "": it can
	path   string
	from   int64
	log    string // the alert log that the engine reads
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
	a := &Alerts{engine: e, path: e.path("logs/alerts/alerts.log"), log: o.LogPath}
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

const (
	// youngTime is how old an engine is that has certainly opened its files, readyTime
	// how long is waited for a younger one.
	youngTime = time.Minute
	readyTime = 30 * time.Second
)

// Ready waits until an engine that was just started has opened the alert log: it begins
// at its end, so that a line which comes before is never read.
func (a *Alerts) Ready(ctx context.Context) {
	if a.why != "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for {
		at, runs := a.engine.startOf(strings.ToLower(string(a.engine.Kind)) + "-logcollector")
		if runs && (time.Since(at) > youngTime || a.opened(at)) {
			return
		}
		select {
		case <-ctx.Done():
			return // what is wrong is seen by the alert that does not come
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// opened reports whether the engine's own log says that the alert log was opened since
// a time.
func (a *Alerts) opened(since time.Time) bool {
	b, err := readSmall(a.engine.path("logs/ossec.log"))
	if err != nil {
		return true // it cannot be told
	}
	const layout = "2006/01/02 15:04:05"
	for line := range strings.Lines(string(tail(b, 1<<20))) {
		if !strings.Contains(line, "Analyzing file: '"+a.log+"'") || len(line) < len(layout) {
			continue
		}
		if at, err := time.ParseInLocation(layout, line[:len(layout)], time.Local); err == nil && !at.Before(since.Truncate(time.Second)) {
			return true
		}
	}
	return false
}

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
			return a.path, fmt.Errorf("%s has not raised an alert for it; see flowhound doctor", a.engine.Kind)
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
