// Package flows has the commands that change the history: import flows, forget an
// address. They ask the running agent over its control socket, because it alone writes
// there; where none runs, the command does it, under the history's lock.
package flows

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

// The paths of the control socket that are about flows.
const (
	addPath    = "/history/add"    // batch -> nothing
	syncPath   = "/history/sync"   // {} -> nothing
	forgetPath = "/history/forget" // Wish -> Events
)

// batchRecords is how many records a request carries: 192 bytes each, and a third more as
// text, within the limit of a request.
const batchRecords = 3000

// batch is records as they lie in memory, little-endian.
type batch struct {
	Records []byte `json:"records"`
}

// Wish names the networks that are to be forgotten.
type Wish struct {
	Networks []netip.Prefix `json:"networks"`
}

// Event is one thing that happens while flows are forgotten.
type Event struct {
	Done    int                `json:"done,omitempty"` // files, of Total
	Total   int                `json:"total,omitempty"`
	Outcome *dataset.Forgotten `json:"outcome,omitempty"` // at the end
}

// Handlers answer for a running agent.
func Handlers(h *history.History) map[string]control.Handler {
	return map[string]control.Handler{
		addPath: func(ctx context.Context, r *control.Request) error {
			var b batch
			if err := r.Decode(&b); err != nil {
				return err
			}
			records, err := decode(b.Records)
			if err != nil {
				return &control.Problem{Code: control.BadRequest, Text: err.Error()}
			}
			return h.Add(ctx, records)
		},
		syncPath: func(ctx context.Context, _ *control.Request) error { return h.Sync(ctx) },
		forgetPath: func(ctx context.Context, r *control.Request) error {
			var wish Wish
			if err := r.Decode(&wish); err != nil {
				return err
			}
			return forget(ctx, h, wish.Networks, func(e Event) error { return r.Send(e) })
		},
	}
}

var recordSize = binary.Size(flow.Record{})

func encode(records []flow.Record) ([]byte, error) {
	return binary.Append(make([]byte, 0, recordSize*len(records)), binary.LittleEndian, records)
}

func decode(b []byte) ([]flow.Record, error) {
	if len(b) == 0 || len(b)%recordSize != 0 {
		return nil, errors.New("the records have another size than this agent's: are command and agent of one version?")
	}
	records := make([]flow.Record, len(b)/recordSize)
	_, err := binary.Decode(b, binary.LittleEndian, records)
	return records, err
}

// forget brings all to files, and then removes the flows of networks from these.
func forget(ctx context.Context, h *history.History, networks []netip.Prefix, each func(Event) error) error {
	var ranges []flow.Range
	for _, n := range networks {
		ranges = append(ranges, flow.RangeOf(n))
	}
	if len(ranges) == 0 {
		return errors.New("name an address or a network to forget")
	}
	if err := h.Flush(ctx); err != nil {
		return err
	}
	var out dataset.Forgotten
	var gone error // whoever asked
	last := time.Time{}
	err := h.Edit(func(w *dataset.Writer) (err error) {
		out, err = w.Forget(ctx, ranges, func(done, total int) {
			if now := time.Now(); gone == nil && now.Sub(last) > 200*time.Millisecond {
				last, gone = now, each(Event{Done: done, Total: total})
			}
		})
		return err
	})
	if err != nil || gone != nil {
		return errors.Join(err, gone)
	}
	return each(Event{Outcome: &out})
}

// Agent is whom commands ask, and what they do without.
type Agent struct {
	RunDir string // "": no agent is asked
	Config history.Config
	Places column.Places
	Log    *slog.Logger

	local *history.History // that this process writes itself
	asks  bool             // an agent has answered
}

// forever keeps a history that is changed without a configuration from expiring.
const forever = 100 * 365 * 24 * time.Hour

// Of returns an Agent for a folder without a configuration.
func Of(dir string) *Agent {
	var c history.Config
	c.SetDefaults()
	c.Dir, c.Keep, c.MaxSize = dir, forever, 1<<62
	return &Agent{Config: c}
}

// open finds out who writes the history, and begins to write it where nobody does.
func (a *Agent) open(ctx context.Context) error {
	if a.local != nil || a.asks {
		return nil
	}
	if a.RunDir != "" {
		err := control.Stream(ctx, a.RunDir, syncPath, struct{}{}, nil)
		if !errors.Is(err, control.ErrNoAgent) {
			a.asks = err == nil
			return err
		}
	}
	w, err := dataset.Create(a.Config.Dir) // tells plainly why it cannot be written
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fmt.Errorf("the history cannot be changed: %w", err)
	}
	c := a.Config
	c.Enabled = true
	h, err := history.New(c, history.Dependencies{Places: a.Places, Log: a.Log})
	if err != nil {
		return err
	}
	if err := h.Start(ctx); err != nil {
		return err
	}
	a.local = h
	return nil
}

// Add adds records. They are on disk when Close returned nil.
func (a *Agent) Add(ctx context.Context, records []flow.Record) error {
	if err := a.open(ctx); err != nil {
		return err
	}
	if a.local != nil {
		return a.local.Add(ctx, records)
	}
	for len(records) > 0 {
		n := min(len(records), batchRecords)
		b, err := encode(records[:n])
		if err != nil {
			return err
		}
		if err := control.Stream(ctx, a.RunDir, addPath, batch{b}, nil); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

// Forget removes the flows of networks. each is told how far it is, and of the outcome.
func (a *Agent) Forget(ctx context.Context, networks []netip.Prefix, each func(Event) error) error {
	if err := a.open(ctx); err != nil {
		return err
	}
	if a.local != nil {
		return forget(ctx, a.local, networks, each)
	}
	return control.StreamAs(ctx, a.RunDir, forgetPath, Wish{networks}, each)
}

// Close brings to the disk what was added and ends what open began.
func (a *Agent) Close(ctx context.Context) error {
	switch {
	case a.local != nil:
		err := a.local.Flush(ctx)
		stopping, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err = errors.Join(err, a.local.Stop(stopping))
		a.local = nil
		return err
	case a.asks:
		return control.Stream(ctx, a.RunDir, syncPath, struct{}{}, nil)
	}
	return nil
}
