package journal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The child appends numbered records and says each that was accepted on its output,
// and writes them to a log, until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("JOURNAL_CHILD"); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

func child(dir string) {
	j, err := Open(filepath.Join(dir, "journal"), 64<<10)
	if err != nil {
		panic(err)
	}
	cursor, err := j.Cursor("log")
	if err != nil {
		panic(err)
	}
	other, err := j.Cursor("siem") // one that is behind
	if err != nil {
		panic(err)
	}
	_ = other
	f, err := os.OpenFile(filepath.Join(dir, "alerts.log"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		panic(err)
	}
	l := &Log{Cursor: cursor, File: f, Tail: []*os.File{f},
		ID:   func(line []byte) []byte { id, _, _ := bytes.Cut(line, []byte(" ")); return id },
		Line: func(p []byte) []byte { return append(append([]byte(nil), p...), '\n') },
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		if _, err := l.Run(nil, 100); err != nil {
			panic(err)
		}
	})
	pad := strings.Repeat("x", 300)
	for {
		j.mu.Lock()
		n := j.next
		j.mu.Unlock()
		seq, err := j.Append(fmt.Appendf(nil, "id-%d %s", n, pad[:rand.N(300)]))
		if err != nil {
			panic(err)
		}
		fmt.Println(seq)
	}
}

// Whatever kills the agent, whenever: every record that was accepted stands in the
// log, once, in order.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	kills := 100
	if s := os.Getenv("JOURNAL_KILLS"); s != "" {
		kills, _ = strconv.Atoi(s)
	}
	accepted := uint64(0)
	for range kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "JOURNAL_CHILD="+dir)
		var out bytes.Buffer
		cmd.Stdout = &out
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(5+rand.N(25)) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		lines := strings.Split(out.String(), "\n")
		for _, s := range lines[:len(lines)-1] {
			if n, err := strconv.ParseUint(s, 10, 64); err == nil {
				accepted = max(accepted, n)
			}
		}
	}
	// The last start writes the rest.
	j, err := Open(filepath.Join(dir, "journal"), 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := j.Cursor("log")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "alerts.log"), os.O_RDWR|os.O_APPEND, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	close(stop)
	l := &Log{Cursor: cursor, File: f, Tail: []*os.File{f},
		ID:   func(line []byte) []byte { id, _, _ := bytes.Cut(line, []byte(" ")); return id },
		Line: func(p []byte) []byte { return append(append([]byte(nil), p...), '\n') },
	}
	late, err := l.Run(stop, 100)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "alerts.log"))
	if err != nil {
		t.Fatal(err)
	}
	want := uint64(1)
	for line := range strings.Lines(string(b)) {
		id, _, _ := strings.Cut(line, " ")
		if id != fmt.Sprintf("id-%d", want) {
			t.Fatalf("%.20q stands where id-%d should", id, want)
		}
		want++
	}
	if want <= accepted {
		t.Errorf("%d records were accepted and %d stand in the log", accepted, want-1)
	}
	t.Logf("%d kills, %d accepted, %d in the log, %d late at the end", kills, accepted, want-1, late)
}

func BenchmarkAppend(b *testing.B) {
	j, err := Open(b.TempDir(), 16<<20)
	if err != nil {
		b.Fatal(err)
	}
	payload := bytes.Repeat([]byte("x"), 900)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := j.Append(payload); err != nil {
			b.Fatal(err)
		}
	}
}
