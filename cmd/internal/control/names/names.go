// Package names is what the command hits asks the running agent: the names of own hosts,
// which the agent knows from its files and from those whom it asks for PTR records. A
// command asks nobody itself.
package names

import (
	"context"
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/control"
	"github.com/flowhound/flowhound/plugin/hit"
)

// path is where the control socket answers with the name of an address.
const path = "/name"

type question struct {
	Address netip.Addr `json:"address"`
}

type answer struct {
	Name string `json:"name"` // "": none is known, or not yet
}

// Handlers answer for a running agent. name never waits.
func Handlers(name func(netip.Addr) string) map[string]control.Handler {
	return map[string]control.Handler{path: func(_ context.Context, r *control.Request) error {
		var q question
		if err := r.Decode(&q); err != nil {
			return err
		}
		return r.Send(answer{Name: name(q.Address)})
	}}
}

const (
	// recent is how old a hit may be whose address may have been another's since, as the
	// agent itself has it.
	recent = 24 * time.Hour
	// wait is how long an answer may take, and again how long a name is asked for once.
	wait  = time.Second
	again = time.Minute
)

// Asker asks the agent that runs with a run_dir, about each address once a minute. Without
// an agent it knows no name.
type Asker struct {
	runDir string
	known  map[netip.Addr]found
	gone   time.Time // when the agent did not answer
	wait   time.Duration
}

type found struct {
	name string
	at   time.Time
}

// NewAsker returns an Asker for one goroutine.
func NewAsker(runDir string) *Asker {
	return &Asker{runDir: runDir, known: map[netip.Addr]found{}, wait: wait}
}

// Locate fills in the name of a hit's own address where it has none.
func (a *Asker) Locate(ctx context.Context, h *hit.Hit) {
	if time.Since(h.Time) > recent || !h.Local.IsValid() {
		return
	}
	for _, side := range []struct {
		addr netip.Addr
		to   *string
	}{{h.Src, &h.SrcPlace.Host}, {h.Dst, &h.DstPlace.Host}} {
		if side.addr == h.Local && *side.to == "" {
			*side.to = a.name(ctx, side.addr)
		}
	}
}

func (a *Asker) name(ctx context.Context, addr netip.Addr) string {
	if f, ok := a.known[addr]; ok && (f.name != "" || time.Since(f.at) < again) {
		return f.name
	}
	if time.Since(a.gone) < again {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, a.wait)
	defer cancel()
	var got answer
	if err := control.Call(ctx, a.runDir, path, question{addr}, &got); err != nil {
		a.gone = time.Now() // hits are worth more than their names
		return ""
	}
	a.known[addr] = found{got.Name, time.Now()}
	return got.Name
}
