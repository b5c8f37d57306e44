package journal

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// child appends numbered records, says each that a consumer was told of on its
// output, until it is killed. Another consumer is always behind.
func child(dir string) {
	j, err := Open(Options{Dir: filepath.Join(dir, "journal")})
	if err != nil {
		panic(err)
	}
	log := j.Cursor("log", 0)
	j.Cursor("siem", 0)
	j.Keep(1 << 60)
	go func() {
		for n := j.Next(); ; n++ {
			if _, err := j.Append(numbered(int(n), "log", "siem")); err != nil {
				panic(err)
			}
			if n%64 == 0 {
				time.Sleep(100 * time.Microsecond)
			}
		}
	}()
	for {
		r, err := log.Next()
		if err != nil {
			panic(err)
		}
		if r == nil {
			<-log.Wait()
			continue
		}
		fmt.Println(r.Hit.ID)
		if r.Seq%50 == 0 {
			log.Ack(r.Seq)
		}
	}
}

// Whatever kills the program, whenever: every record that anybody was told of waits
// for the others, once, in order.
func TestKill(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	kills := peer.Rounds(10, 40)
	if s := os.Getenv("JOURNAL_KILLS"); s != "" {
		kills, _ = strconv.Atoi(s)
	}
	said := 0
	for range kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "JOURNAL_CHILD="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		first := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			lines := bufio.NewReader(out)
			for n := 0; ; n++ {
				line, err := lines.ReadBytes('\n')
				if err == io.EOF { // what is before it was cut
					return
				}
				if n == 0 {
					close(first)
				}
				id, _ := strconv.Atoi(string(bytes.TrimSpace(line)))
				said = max(said, id)
			}
		}()
		select {
		case <-first:
		case <-time.After(time.Minute):
			t.Error("the child says nothing")
		}
		time.Sleep(rand.N(20 * time.Millisecond))
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
	}
	j := open(t, filepath.Join(dir, "journal"), Options{})
	c := j.Cursor("siem", 0)
	want := 1
	for _, id := range take(t, c, true) {
		if id != strconv.Itoa(want) {
			t.Fatalf("%s stands where %d should", id, want)
		}
		want++
	}
	if want <= said {
		t.Errorf("%d were told of and %d are there", said, want-1)
	}
	shut(t, j)
	t.Logf("%d kills, %d told of, %d there", kills, said, want-1)
}
