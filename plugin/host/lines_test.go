package host

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
)

func TestLineReader(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	r := newLineReader(strings.NewReader("one\r\n\n" + long + "yyy\ntwo\n" + long + long + long + "\nlast"))
	var got []string
	for {
		line, err := r.next()
		got = append(got, string(line))
		if errors.Is(err, io.EOF) {
			break
		}
	}
	want := []string{"one", "", long, "two", long, "last"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%d lines: %.50q", len(got), got)
	}
}

// FuzzLines: whatever a plugin prints, a line is a line in the log.
func FuzzLines(f *testing.F) {
	f.Add([]byte(`{"@level":"warn","@message":"m","@timestamp":"2026-06-07T10:37:51Z","a":1,"b":"hunter2","c":{"d":[null]}}` + "\n"))
	f.Add([]byte("panic: hunter2\n\ngoroutine 1 [running]:\n"))
	f.Add([]byte("{\"@level\":3}\n\x1b[31mred\n\xff\xfe"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var buf bytes.Buffer
		l := newLines(slog.New(slog.NewTextHandler(&buf, nil)))
		l.secrets.Learn([]string{"hunter2"})
		l.readFrom(newLineReader(bytes.NewReader(b)))
		if n := bytes.Count(b, []byte("\n")) + 2; bytes.Count(buf.Bytes(), []byte("\n")) > n {
			t.Errorf("%d lines became:\n%s", n, buf.Bytes())
		}
		if bytes.ContainsAny(buf.Bytes(), "\x1b\x00\r") {
			t.Errorf("control characters: %q", buf.Bytes())
		}
		if len(l.lastWords()) > 310 {
			t.Error("last words are long")
		}
	})
}

func BenchmarkLine(b *testing.B) {
	l := newLines(slog.New(slog.DiscardHandler))
	line := []byte(`{"@timestamp":"2026-06-07T10:37:51.123456Z","@level":"info","@message":"connected","peer":"192.0.2.1:514","tls":true}`)
	for b.Loop() {
		l.line(line)
	}
}
