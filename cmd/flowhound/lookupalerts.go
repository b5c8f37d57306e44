package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/logged"
	"github.com/flowhound/flowhound/plugin/hit"
)

// alertsBack is how far back lookup reads the alert log.
const alertsBack = 7 * 24 * time.Hour

// alertedJSON is what the alert log says of a query, as lookup --json prints it.
type alertedJSON struct {
	Query string    `json:"query"`
	Lines int       `json:"alert_lines"` // of the last 7 days
	Flows uint64    `json:"alert_flows"`
	Last  time.Time `json:"last_alert"`
	Name  string    `json:"last_name"` // ends with how regularly the pair talks, where it does
}

// printAlerts tells what the alert log says of an address or network: who talked to
// it, how much, and how regularly. A log that is not there says nothing.
func printAlerts(w io.Writer, q query, log string, now time.Time, asJSON bool) error {
	if !q.network.IsValid() {
		return nil
	}
	screen, err := terminalOf(w, "auto")
	if err != nil {
		return err
	}
	table := screen.hitTable(true)
	sum := alertedJSON{Query: q.text}
	_, err = logged.Read(log, logged.Filter{Since: now.Add(-alertsBack), Address: q.network}, func(h *hit.Hit) {
		table.Add(h)
		sum.Lines++
		sum.Flows += h.Count
		sum.Last, sum.Name = h.Time, h.Name
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("the alert log cannot be read: %w", err)
	case sum.Lines == 0:
		return nil
	case asJSON:
		return printLines(w, sum)
	}
	if _, err := fmt.Fprintf(w, "%s: %s in the last 7 days:\n", q.text, counted(sum.Lines, "alert line", "alert lines")); err != nil {
		return err
	}
	return table.Print(w)
}
