package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/flowhound/flowhound/plugin/text"
)

// A plugin may log burst lines at once and perSecond on and on; more are dropped
// and counted. What it prints is read no faster than maxRate bytes a second, so
// that a flood slows the plugin and not flowhound. Lines are cut at maxLine bytes.
const (
	burst     = 100
	perSecond = 10
	maxRate   = 1 << 20
	maxLine   = 8 << 10
	maxWords  = 300 // of the last words of a plugin
)

// lines brings what a plugin prints into the log.
type lines struct {
	log *slog.Logger

	secrets text.Redactor
	allowed *rate.Limiter
	tell    rate.Sometimes // how many were dropped

	mu      sync.Mutex
	dropped int
	panics  bool   // a panic is being printed: all that follows belongs to it
	last    string // last words
}

func newLines(log *slog.Logger) *lines {
	return &lines{log: log, allowed: rate.NewLimiter(perSecond, burst), tell: rate.Sometimes{Interval: 10 * time.Second}}
}

// readFrom logs what r has, until it ends.
func (l *lines) readFrom(r *lineReader) {
	defer l.tellDropped()
	for {
		line, err := r.next()
		if len(line) > 0 {
			l.line(line)
		}
		if err != nil {
			return
		}
	}
}

// printed returns a writer for what a plugin prints after the handshake.
func (l *lines) printed() io.Writer { return printed{l} }

type printed struct{ lines *lines }

// Write logs b, a line each.
func (p printed) Write(b []byte) (int, error) {
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" {
			p.lines.line([]byte(line))
		}
	}
	return len(b), nil
}

// line logs one line: a record of the SDK's as it is, anything else as a text.
func (l *lines) line(b []byte) {
	r, isRecord := parseRecord(b)
	if !isRecord {
		r = l.text(b)
	}
	if !l.log.Enabled(context.Background(), r.Level) {
		return
	}
	if !l.allowed.Allow() {
		l.mu.Lock()
		l.dropped++
		l.mu.Unlock()
		l.tell.Do(l.tellDropped)
		return
	}
	_ = l.log.Handler().Handle(context.Background(), r)
}

// text is a line that is no record, of a panic perhaps.
func (l *lines) text(b []byte) slog.Record {
	s := l.secrets.Excerpt(string(b), maxLine)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case strings.HasPrefix(s, "panic: ") || strings.HasPrefix(s, "fatal error: "):
		l.panics, l.last = true, s
	case !l.panics:
		l.last = s
	}
	level := slog.LevelInfo
	if l.panics {
		level = slog.LevelError
	}
	r := slog.NewRecord(time.Now(), level, "output plugin printed", 0)
	r.AddAttrs(slog.String("text", s))
	return r
}

// parseRecord reads a line of hclog's JSON.
func parseRecord(b []byte) (slog.Record, bool) {
	if len(b) == 0 || b[0] != '{' {
		return slog.Record{}, false
	}
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber() // 1000000 is not 1e+06
	if d.Decode(&fields) != nil {
		return slog.Record{}, false
	}
	msg, ok1 := fields["@message"].(string)
	word, ok2 := fields["@level"].(string)
	if !ok1 || !ok2 {
		return slog.Record{}, false
	}
	level := slog.LevelInfo
	switch word {
	case "trace", "debug":
		level = slog.LevelDebug
	case "warn":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	}
	when := time.Now()
	if s, ok := fields["@timestamp"].(string); ok {
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
			when = t
		}
	}
	r := slog.NewRecord(when, level, text.Excerpt(msg, maxLine), 0)
	keys := make([]string, 0, len(fields))
	for k := range fields {
		if !strings.HasPrefix(k, "@") {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		v := fields[k]
		if s, ok := v.(string); ok {
			v = text.Excerpt(s, maxLine)
		}
		r.AddAttrs(slog.Any(text.Excerpt(k, maxLine), v))
	}
	return r, true
}

// tellDropped says how many lines were dropped since it last did.
func (l *lines) tellDropped() {
	l.mu.Lock()
	n := l.dropped
	l.dropped = 0
	l.mu.Unlock()
	if n > 0 {
		l.log.Warn("output plugin logs too much; lines were dropped", "lines", n)
	}
}

// lastWords is the panic that ended the plugin, or the last line that was no
// record.
func (l *lines) lastWords() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return text.Excerpt(l.last, maxWords)
}

// lineReader reads lines, cut at maxLine bytes, at a bounded rate.
type lineReader struct {
	r     *bufio.Reader
	since time.Time
	n     int
	cut   bool // the last line was longer than maxLine
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, maxLine), since: time.Now()}
}

// next returns the next line without its end. The last may come with an error.
// It is valid until the next call.
func (l *lineReader) next() ([]byte, error) {
	for l.cut { // the rest of the line before
		rest, err := l.r.ReadSlice('\n')
		l.slow(len(rest))
		l.cut = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !l.cut {
			return nil, err
		}
	}
	line, err := l.r.ReadSlice('\n')
	l.slow(len(line))
	if l.cut = errors.Is(err, bufio.ErrBufferFull); l.cut {
		err = nil
	}
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	return line, err
}

// slow waits when more than maxRate bytes were read within a second.
func (l *lineReader) slow(n int) {
	if l.n += n; l.n < maxRate {
		return
	}
	if left := time.Second - time.Since(l.since); left > 0 {
		time.Sleep(left)
	}
	l.since, l.n = time.Now(), 0
}
