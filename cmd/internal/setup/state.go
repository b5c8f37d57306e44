package setup

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/text"
)

// state is what of an engine runs, and whether it was started after its files for
// flowhound were written: it reads them when it starts, and not again.
type state struct {
	known   bool      // false: it does not run on this host, or nothing there tells
	stopped string    // the daemon that does not run; "": all that read for flowhound do
	started time.Time // when the one that runs for the longest was started
	newest  time.Time // when the youngest file that it should have read was written
	file    string    // that file
}

// stale reports whether the engine runs on what it read before.
func (s *state) stale() bool { return s.known && s.stopped == "" && s.started.Before(s.newest) }

// fresh reports whether there is no reason to restart.
func (s *state) fresh() bool { return !s.known || s.stopped == "" && !s.stale() }

// state looks at the pid files of the daemons that read the log, decoders and rules.
// A daemon writes its own when it starts.
func (e *Engine) state() (s state) {
	if e.Root != "/" || !exists("/proc/self/stat") || !exists(e.path("var/run")) {
		return s
	}
	s.known = true
	prefix := strings.ToLower(string(e.Kind)) + "-"
	names := []string{prefix + "logcollector"}
	if e.Role == Manager {
		names = append(names, prefix+"analysisd")
	}
	for _, name := range names {
		at, ok := e.startOf(name)
		switch {
		case !ok && s.stopped == "":
			s.stopped = name
		case ok && (s.started.IsZero() || at.Before(s.started)):
			s.started = at
		}
	}
	for _, name := range e.reads() {
		if info, err := os.Stat(e.path(name)); err == nil && info.ModTime().After(s.newest) {
			s.newest, s.file = info.ModTime(), e.says(name)
		}
	}
	return s
}

// reads returns the files with something of flowhound's that the engine reads when it
// starts.
func (e *Engine) reads() []string {
	files := []string{"etc/ossec.conf"}
	if e.Role != Manager {
		return files
	}
	if e.Kind == OSSEC {
		files = append(files, "etc/local_decoder.xml")
	}
	for _, d := range e.dropIns() {
		files = append(files, d.name)
	}
	return files
}

// startOf returns when the daemon of that name was started; ok is false where none
// runs. Its pid file is named after both: var/run/ossec-analysisd-1234.pid.
func (e *Engine) startOf(name string) (at time.Time, ok bool) {
	files, _ := filepath.Glob(e.path("var/run/" + name + "-*.pid"))
	for _, f := range files {
		pid, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(f)[len(name)+1:], ".pid"))
		if err != nil || !isProcess(pid, name) {
			continue
		}
		if info, err := os.Stat(f); err == nil && (at.IsZero() || info.ModTime().Before(at)) {
			at, ok = info.ModTime(), true
		}
	}
	return at, ok
}

// isProcess reports whether a process runs, and by that name: a pid file that a crash
// left may have the number of another. The kernel cuts names to 15 bytes.
func isProcess(pid int, name string) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return false
	}
	comm := string(bytes.TrimSpace(b))
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // of a script, its interpreter and itself
	return comm == name[:min(len(name), 15)] || bytes.Contains(line, []byte(name))
}

// examineState says when an engine that is wired does not read what flowhound writes.
func (e *Engine) examineState(l *finding.List) {
	const layout = "2006-01-02 15:04:05"
	switch s := e.state(); {
	case !s.known:
	case s.stopped != "":
		l.Bad("sudo flowhound install --restart", "%s does not run (no %s): nobody reads the alert log", e.Kind, s.stopped)
	case s.stale():
		l.Bad("sudo flowhound install --restart", "%s was started at %s and %s was written at %s: it does not know flowhound's lines until it is restarted",
			e.Kind, s.started.Format(layout), s.file, s.newest.Format(layout))
	default:
		l.OK("%s runs since %s and has read its files for flowhound", e.Kind, s.started.Format(layout))
	}
}

var (
	decoderTag = text.Pattern(`<decoder\s+name\s*=\s*["'](flowhound[^"']*)["']`)
	ourBlock   = text.Pattern(`(?s)<!-- flowhound: begin.*?<!-- flowhound: end -->`)
)

// pasted looks for decoders of flowhound's that were pasted by hand: two of one name
// keep an engine from starting, and its own words for that help nobody.
func (e *Engine) pasted() error {
	if e.Role != Manager {
		return nil
	}
	files := []string{"etc/local_decoder.xml", "etc/decoder.xml"}
	for _, pattern := range []string{"etc/decoders/*.xml", "etc/decoders.d/*.xml", "decoders/*.xml", "ruleset/decoders/*.xml"} {
		found, _ := filepath.Glob(e.path(pattern))
		for _, f := range found {
			files = append(files, filepath.Join(filepath.Dir(pattern), filepath.Base(f)))
		}
	}
	for _, name := range files {
		if e.isOurs(name) {
			continue
		}
		b, err := readSmall(e.path(name))
		if err != nil {
			continue // the engine says it better
		}
		if first, last, decoder := pastedIn(b); decoder != "" {
			return fmt.Errorf("%w: %s has decoder %s, pasted by hand, in lines %d to %d: remove these lines, then: sudo flowhound install --restart",
				ErrNotWired, e.says(name), decoder, first, last)
		}
	}
	return nil
}

// isOurs reports whether flowhound wrote the file, now or in an earlier version.
func (e *Engine) isOurs(name string) bool {
	for _, d := range e.dropIns() {
		if d.name == name {
			return true
		}
	}
	for _, r := range e.retired() {
		if r == name {
			return true
		}
	}
	return false
}

// pastedIn returns the lines of the decoders of flowhound's outside its marks, and the
// first one's name; "": there are none.
func pastedIn(b []byte) (first, last int, decoder string) {
	for _, pattern := range []*regexp.Regexp{ourBlock(), comment()} {
		for _, m := range pattern.FindAllIndex(b, -1) {
			b = blank(b, m[0], m[1])
		}
	}
	line := func(at int) int { return bytes.Count(b[:at], []byte("\n")) + 1 }
	for _, m := range decoderTag().FindAllSubmatchIndex(b, -1) {
		if decoder == "" {
			first, decoder = line(m[0]), string(b[m[2]:m[3]])
		}
		last = line(m[1])
		if end := bytes.Index(b[m[1]:], []byte("</decoder>")); end >= 0 {
			last = line(m[1] + end)
		}
	}
	return first, last, decoder
}

// blank replaces a span by blanks, so that lines keep their numbers.
func blank(b []byte, from, to int) []byte {
	b = bytes.Clone(b)
	for i := from; i < to; i++ {
		if b[i] != '\n' {
			b[i] = ' '
		}
	}
	return b
}
