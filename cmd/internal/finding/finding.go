// Package finding is what doctor reports: one thing that was checked, its state, and
// how to fix it. It is data only; the agent and setup both have findings.
package finding

import "fmt"

// Level says how a thing is.
type Level string

// The levels.
const (
	OK   Level = "ok"
	Warn Level = "warn" // works, but not as well as it could, or not for long
	Bad  Level = "bad"  // does not work
)

// Finding is one thing that was looked at.
type Finding struct {
	Level Level  `json:"level"`
	What  string `json:"what"`
	// Fix is a command, or what to do where no command does it; "" when there is
	// nothing to fix.
	Fix string `json:"fix,omitempty"`
	// Part of flowhound that found it, as feeds or log; "" for what is looked at from
	// outside.
	Part string `json:"part,omitempty"`
}

// List collects findings. The zero value is empty.
type List []Finding

// OK notes that something is as it should be.
func (l *List) OK(format string, args ...any) {
	*l = append(*l, Finding{Level: OK, What: fmt.Sprintf(format, args...)})
}

// Warn notes that something should be fixed.
func (l *List) Warn(fix, format string, args ...any) {
	*l = append(*l, Finding{Level: Warn, What: fmt.Sprintf(format, args...), Fix: fix})
}

// Bad notes that something must be fixed.
func (l *List) Bad(fix, format string, args ...any) {
	*l = append(*l, Finding{Level: Bad, What: fmt.Sprintf(format, args...), Fix: fix})
}

// Of notes what a part finds.
func (l *List) Of(part string, find func(*List)) {
	before := len(*l)
	find(l)
	for i := range (*l)[before:] {
		(*l)[before+i].Part = part
	}
}

// Worst returns the highest level of the list, OK when it is empty.
func (l List) Worst() Level {
	worst := OK
	for _, f := range l {
		if f.Level == Bad || f.Level == Warn && worst == OK {
			worst = f.Level
		}
	}
	return worst
}
