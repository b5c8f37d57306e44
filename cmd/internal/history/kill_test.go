package history

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// killedIn is set in the process that TestKill kills: the folder it writes.
const killedIn = "FLOWHOUND_TEST_HISTORY_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedIn); dir != "" {
		writeUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

// writeUntilKilled keeps numbered records and prints how many are safe: by Sync, which
// does at once what happens every second anyway.
func writeUntilKilled(dir string) {
	n, err := strconv.Atoi(os.Args[len(os.Args)-1])
	h, _ := New(config(dir), Dependencies{})
	in := h.Lane(true)
	if err != nil || h.Start(context.Background()) != nil {
		os.Exit(1)
	}
	for round := 1; ; round++ {
		for range 20 {
			in.Flows(numbered(n, 37))
			n += 37
		}
		err := h.Sync(context.Background())
		if round%10 == 0 && err == nil {
			err = h.Flush(context.Background())
		}
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

// Whenever the process is killed, all that was on disk is found, once: before the next
// start and after it.
func TestKill(t *testing.T) {
	killed(t, t.TempDir(), func() {})
}

// So it is while somebody puts the files of another history into the day that is being
// written, with its manifest and without, under any names.
func TestKillBesideForeignFiles(t *testing.T) {
	other := t.TempDir()
	h, _, _ := started(t, config(other), 0)
	if err := h.Add(t.Context(), numbered(foreignFrom, 50).Records); err != nil {
		t.Fatal(err)
	}
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop(t, h)
	files, _ := filepath.Glob(filepath.Join(other, "20*", "*"))
	if len(files) < 2 {
		t.Fatalf("the other history has files %q", files)
	}
	dir := t.TempDir()
	n := 0
	killed(t, dir, func() {
		for _, path := range files {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			day, name := filepath.Join(dir, filepath.Base(filepath.Dir(path))), filepath.Base(path)
			if err := os.MkdirAll(day, 0o750); err != nil {
				t.Fatal(err)
			}
			if name != "manifest" {
				n++
				name = fmt.Sprintf("%s-%c%010d.parquet", name[:2], "ph"[n%2], []int{7000 + n, 1e9 + n, 1e15}[n%3])
			} else if rand.IntN(2) == 0 {
				continue
			}
			if err := os.WriteFile(filepath.Join(day, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// foreignFrom is the first number of records of another history.
const foreignFrom = 1 << 40

// ours returns how often each number stands in a data set that is not another's.
func ours(t *testing.T, dir string) map[uint64]int {
	t.Helper()
	got := numbers(t, dir)
	maps.DeleteFunc(got, func(n uint64, _ int) bool { return n >= foreignFrom })
	return got
}

// killed starts and kills the process that writes dir, again and again; disturb is called
// before it starts and while it writes.
func killed(t *testing.T, dir string, disturb func()) {
	t.Helper()
	safe, next := 0, 0
	for range 6 {
		disturb()
		cmd := exec.CommandContext(t.Context(), os.Args[0], strconv.Itoa(next)) //nolint:gosec // this program
		cmd.Env = append(os.Environ(), killedIn+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for i, end := 0, 1+rand.IntN(15); i < end; i++ {
			if !lines.Scan() {
				t.Fatal("the process exited")
			}
			if safe, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(lines.Text())
			}
			if i%4 == 0 {
				disturb()
			}
		}
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond) // anywhere in its work
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		got := ours(t, dir)
		for i := range safe {
			if n := got[uint64(i)]; n != 1 {
				t.Fatalf("record %d of %d that were safe is there %d times", i, safe, n)
			}
		}
		for next = safe; got[uint64(next)] == 1; next++ { // accepted, and not told of any more
		}
	}
	h, _, _ := started(t, config(dir), 0)
	if err := h.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, "in the end", ours(t, dir), next)
}
