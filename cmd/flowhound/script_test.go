package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"
	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/host"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestMain makes the test binary the program: what tests start as flowhound is
// this file's main, and it is the plugin of outputs of type sink.
func TestMain(m *testing.M) {
	host.Guard() // main does it first, too
	stopTime = time.Minute
	testscript.Main(leakFree{m}, map[string]func(){
		"flowhound":             main,
		"flowhound-output-sink": func() { plugin.Serve(&sinkOutput{}) },
	})
}

// leakFree fails a run of tests that leaves goroutines behind.
type leakFree struct{ *testing.M }

func (m leakFree) Run() int {
	peer.Waiting()
	code := m.M.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScripts runs testdata/script/*.txtar at the top of the tree: what a user
// notices of each command. Besides testscript's own commands they have:
//
//	exits CODE PROGRAM ARG...   the program must end with this status
//	await FILE REGEXP           wait for the file to match
//	sigterm                     SIGTERM to what runs in the background, which must end
//	keep CAPTURE DIR            write the flows of a capture into a history
//	damage DIR                  change a byte in the first file of a history
//	snaplen BYTES FROM TO       cut every packet of a gzipped capture, as tcpdump -s does
//
// $CAPTURES and $LISTS are the folders of captures and lists.
func TestScripts(t *testing.T) {
	data, err := filepath.Abs("../../testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join(data, "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("CAPTURES", filepath.Join(data, "pcap"))
			e.Setenv("LISTS", filepath.Join(data, "feed"))
			e.Setenv("TZ", "UTC")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "await": await, "sigterm": sigterm, "snaplen": snaplen, "keep": keep, "damage": damage,
		},
	})
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	re := regexp.MustCompile("(?m)" + args[1])
	var b []byte
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var err error
		if b, err = os.ReadFile(ts.MkAbs(args[0])); err == nil && re.Match(b) {
			return
		}
	}
	ts.Fatalf("%s does not come to match %s:\n%s", args[0], args[1], b)
}

func sigterm(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
		for end := time.Now().Add(time.Minute); !errors.Is(cmd.Process.Signal(syscall.Signal(0)), os.ErrProcessDone); {
			if time.Now().After(end) {
				ts.Fatalf("%s runs on, a minute after SIGTERM", cmd)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func snaplen(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	in, err := os.Open(args[1])
	ts.Check(err)
	defer in.Close()
	z, err := gzip.NewReader(in)
	ts.Check(err)
	r, err := pcapgo.NewReader(z)
	ts.Check(err)
	out, err := os.Create(ts.MkAbs(args[2]))
	ts.Check(err)
	defer out.Close()
	w := pcapgo.NewWriter(out)
	ts.Check(w.WriteFileHeader(uint32(n), r.LinkType()))
	for {
		packet, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return
		}
		ts.Check(err)
		info.CaptureLength = min(info.CaptureLength, n)
		ts.Check(w.WritePacket(info, packet[:info.CaptureLength]))
	}
}
