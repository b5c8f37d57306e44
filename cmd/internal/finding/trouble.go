package finding

import (
	"context"
	"log/slog"
	"sync"
)

// Trouble is something that may fail for a while. It is said when that begins and when
// it ends, not each time, and is a finding meanwhile, in the same words. The zero value
// is well. Its methods may be called concurrently.
type Trouble struct {
	// Fails says what fails, "" where errors say all of it; Costs what that may cost,
	// Again that it works again.
	Fails, Costs, Again string
	Report              func(status, msg string) // writes an agent line; nil: nobody
	Log                 *slog.Logger             // nil: nowhere

	mu   sync.Mutex
	text string
}

// Note takes the outcome of a try; a different error is the same trouble.
func (t *Trouble) Note(err error) {
	t.mu.Lock()
	before := t.text
	if t.text = ""; err != nil {
		t.text = err.Error()
	}
	now := t.text
	t.mu.Unlock()
	switch {
	case before == "" && now != "" && t.Fails == "":
		t.tell(slog.LevelError, now, "error", t.sentence(now))
	case before == "" && now != "":
		t.tell(slog.LevelError, t.Fails, "error", t.sentence(now), "err", err)
	case before != "" && now == "" && t.Again != "":
		t.tell(slog.LevelInfo, t.Again, "alive", t.Again)
	}
}

func (t *Trouble) tell(level slog.Level, logged, status, msg string, args ...any) {
	if t.Log != nil {
		t.Log.Log(context.Background(), level, logged, args...)
	}
	if t.Report != nil {
		t.Report(status, msg)
	}
}

func (t *Trouble) sentence(why string) string {
	s := why
	if t.Fails != "" {
		s = t.Fails + ": " + why
	}
	if t.Costs != "" {
		s += "; " + t.Costs
	}
	return s
}

// Text says why the last try failed, "" where it did not.
func (t *Trouble) Text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text
}

// Find notes the trouble by the Warn or Bad of a List, if there is any; fix is what
// helps.
func (t *Trouble) Find(note func(fix, format string, args ...any), fix string) {
	if why := t.Text(); why != "" {
		note(fix, "%s", t.sentence(why))
	}
}
