package settings

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/plugin/text"
)

// maxProblems bounds how much is said of one file: beyond it nobody reads on.
const maxProblems = 100

// Problem is one thing that is wrong with a configuration file.
type Problem struct {
	File    string
	Line    int    // from 1; 0: the file as a whole
	Key     string // dotted, as in feeds[0].path; "": none
	Text    string // what is wrong and what to do
	Warning bool   // the agent runs nevertheless
}

// String returns "file:line: key: text" without the parts that are not known.
// It never holds the value of an environment variable.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		b.WriteString(":" + strconv.Itoa(p.Line))
	}
	b.WriteString(": ")
	if p.Warning {
		b.WriteString("warning: ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Problems is a list of problems, in the order of the file's lines. As an error
// it holds at least one that is not a warning.
type Problems []Problem

// Error returns one problem a line.
func (ps *Problems) Error() string { return ps.String() }

// String returns one problem a line.
func (ps Problems) String() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// report collects the problems of one file.
type report struct {
	file   string
	found  Problems
	more   int             // problems beyond maxProblems
	failed bool            // one of them is an error
	bad    map[string]bool // keys of which something was said: nothing more is
}

// Errorf says what is wrong with key, which stands on line, and what to do.
func (r *report) Errorf(line int, key, format string, args ...any) {
	r.failed = true
	r.add(Problem{Line: line, Key: key, Text: fmt.Sprintf(format, args...)})
}

// Warnf is Errorf for what the agent runs with nevertheless.
func (r *report) Warnf(line int, key, format string, args ...any) {
	r.add(Problem{Line: line, Key: key, Text: fmt.Sprintf(format, args...), Warning: true})
}

func (r *report) add(p Problem) {
	p.File = r.file
	r.bad[p.Key] = true
	if len(r.found) == maxProblems {
		r.more++
		return
	}
	r.found = append(r.found, p)
}

// Reported reports whether a problem of key or of what it lies in is known already.
func (r *report) Reported(key string) bool {
	for ; key != ""; key = Parent(key) {
		if r.bad[key] {
			return true
		}
	}
	return false
}

// Problems returns what was collected, by line.
func (r *report) Problems() Problems {
	ps := slices.Clone(r.found)
	slices.SortStableFunc(ps, func(a, b Problem) int { return a.Line - b.Line })
	if r.more > 0 {
		ps = append(ps, Problem{File: r.file, Text: fmt.Sprintf("and %d more problems", r.more), Warning: !r.failed})
	}
	return ps
}

// Parent returns the dotted key of what key lies in: feeds[0].path, feeds[0],
// feeds, "".
func Parent(key string) string {
	return key[:max(0, strings.LastIndexAny(key, ".["))]
}

// Quote returns what a person wrote, safe to print and no longer than a line.
func Quote(s string) string {
	return text.Quote(s, 60)
}
