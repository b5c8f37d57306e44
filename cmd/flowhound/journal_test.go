package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// told returns how often each id stands in the log's lines.
func told(t *testing.T, dir string) map[string]int {
	t.Helper()
	ids := map[string]int{}
	for _, h := range hits(t, dir) {
		ids[h.id]++
	}
	return ids
}

// wantSame compares the log with what the sink has, both ways: no line twice, and none
// that the other does not have.
func wantSame(t *testing.T, dir, sink string) {
	t.Helper()
	lines, there := told(t, dir), delivered(t, sink)
	for id, n := range lines {
		if n != 1 || there[id] == 0 {
			t.Errorf("%s: %d lines, delivered %d times", id, n, there[id])
		}
	}
	for id := range there {
		if lines[id] == 0 {
			t.Errorf("%s was delivered and is not in the log", id)
		}
	}
}

// TestKills kills the program at random moments under new hits: each hit that the log
// or the sink has, the other has too, and no line is there twice.
func TestKills(t *testing.T) {
	peer.Long(t)
	t.Parallel()
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			killed(t, 4)
		})
	}
}

func killed(t *testing.T, times int) {
	dir := t.TempDir()
	sink := filepath.Join(dir, "sink.json")
	sinkConfig(t, dir, `  - {name: sink, type: sink, batch: {max: 20, every: 0s}, settings: {file: "`+sink+`"}}`, "alert: {window: 1s, max_window: 4s}")
	next := 0
	for range times {
		p := startAgent(t, dir)
		for end := time.Now().Add(rand.N(4 * time.Second)); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			p.conversations(t, next%3000, 5)
			next += 5
		}
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.cmd.Wait()
		_ = p.conn.Close()
	}
	p := startAgent(t, dir)
	p.conversations(t, next%3000, 5) // a hit waits 2 s for its answer: all before may have been killed sooner
	p.end(t)
	if len(told(t, dir)) == 0 {
		t.Error("nothing was said")
	}
	p = startAgent(t, dir)
	poll(t, "all to be delivered", func() bool { return listOutputs(t, dir)[0].Depth == 0 })
	p.end(t)
	wantSame(t, dir, sink)
}

// spoil puts a folder in the place of a log, so that nothing can be written there. The
// log may be made again in between.
func spoil(t *testing.T, log string) {
	t.Helper()
	for {
		if err := os.Rename(log, log+".before"); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(log, 0o700); err == nil {
			return
		} else if !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
	}
}

// TestLateLines: lines that the log could not take before a kill, or a stop, come after
// the next start, and it is said how many those are.
func TestLateLines(t *testing.T) {
	peer.Long(t)
	t.Parallel()
	for name, stop := range map[string]func(p *process){
		"kill": func(p *process) { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() },
		"stop": func(p *process) { _ = p.cmd.Process.Signal(os.Interrupt); _ = p.cmd.Wait() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			sink := filepath.Join(dir, "sink.json")
			sinkConfig(t, dir, `  - {name: sink, type: sink, batch: {every: 0s}, settings: {file: "`+sink+`"}}`)
			p := startAgent(t, dir)
			log := filepath.Join(dir, "alerts.log")
			spoil(t, log)
			const n = 50
			p.conversations(t, 0, n)
			poll(t, "the hits at the sink", func() bool { return len(delivered(t, sink)) == n })
			stop(p)
			if err := os.Remove(log); err != nil {
				t.Fatal(err)
			}
			p = startAgent(t, dir)
			p.end(t)
			text := readLog(t, dir) // what comes late stands before the first line of the new start, with what else was said then
			before, _, _ := strings.Cut(text, " feed id=ours ")
			late := strings.Count(before, "\n")
			if !strings.Contains(text, fmt.Sprintf("; %d lines from before the start were written late", late)) || len(hits(t, dir)) != n {
				t.Errorf("%d lines of hits; the log ends %s", len(hits(t, dir)), text[max(0, len(text)-600):])
			}
			wantSame(t, dir, sink)
		})
	}
}
