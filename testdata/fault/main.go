// Command fault breaks what can break around flowhound, and checks that nothing is
// lost: it kills the agent, its plugin and its sink, fills and breaks disks, flips
// bytes of saved state, moves the clock, forges exporters and floods connections.
// Each round is chosen by a seed, which is printed and repeats it:
//
//	go run ./testdata/fault -for 30m
//	go run ./testdata/fault -seed 1717 -only kill
//
// All traffic stays on loopback. It needs Linux; what needs root or strace says so
// when it is left out, and with FLOWHOUND_PEERS=required that is a fault.
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// scenario is one kind of trouble. It returns what it saw, and an error for a
// promise that was broken.
type scenario struct {
	name string
	run  func(*lab) (string, error)
}

var scenarios = []scenario{
	{"kill", kill}, {"full", fullDisk}, {"eio", badDisk}, {"slow", slowDisk}, {"flip", flip},
	{"clock", clock}, {"forged", forged}, {"connections", connections}, {"day", day},
}

// errSkipped says that the machine lacks what a scenario needs.
var errSkipped = errors.New("skipped")

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "fault:", err)
		os.Exit(1)
	}
}

func run() error {
	length := flag.Duration("for", 3*time.Minute, "how long to go on; every scenario runs at least once")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano())%1e6, "of the first round; the next ones count on")
	only := flag.String("only", "", "scenarios, with commas: "+names())
	keep := flag.Bool("keep", false, "keep the files of all rounds, not only of failed ones")
	flag.Parse()
	if runtime.GOOS != "linux" {
		return errors.New("needs Linux")
	}
	work, err := os.MkdirTemp("", "fault")
	if err != nil {
		return err
	}
	bin := filepath.Join(work, "bin")
	if err := build(bin, nil, "./cmd/flowhound", "./plugin/webhook=flowhound-output-webhook"); err != nil {
		return err
	}
	chosen := choose(*only)
	if len(chosen) == 0 {
		return fmt.Errorf("-only %q names no scenario; there are %s", *only, names())
	}
	fmt.Printf("seed %d, %s, files in %s\n", *seed, *length, work)
	failed, began := 0, time.Now()
	for round := uint64(0); round < uint64(len(chosen)) || time.Since(began) < *length; round++ {
		s := chosen[round%uint64(len(chosen))]
		if round >= uint64(len(chosen)) && *only == "" && round%2 == 0 {
			s = chosen[0] // most time goes to kills
		}
		if !one(s, *seed+round, work, bin, *keep) {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d rounds failed; their files are in %s", failed, work)
	}
	fmt.Printf("held for %s\n", time.Since(began).Round(time.Second))
	if *keep {
		return nil
	}
	return os.RemoveAll(work)
}

// one runs a round and reports whether all promises held.
func one(s scenario, seed uint64, work, bin string, keep bool) bool {
	l := &lab{bin: bin, dir: filepath.Join(work, fmt.Sprintf("%s-%d", s.name, seed)), rand: rand.New(rand.NewPCG(seed, 1))}
	began := time.Now()
	seen, err := "", os.MkdirAll(l.dir, 0o755)
	if err == nil {
		seen, err = s.run(l)
	}
	l.close()
	took := time.Since(began).Round(100 * time.Millisecond)
	switch {
	case errors.Is(err, errSkipped) && os.Getenv("FLOWHOUND_PEERS") != "required":
		fmt.Printf("%-12s seed %d  %v\n", s.name, seed, err)
	case err != nil:
		fmt.Printf("%-12s seed %d  FAULT after %s: %v\n             repeat: go run ./testdata/fault -seed %d -only %s -for 1s\n", s.name, seed, took, err, seed, s.name)
		return false
	default:
		fmt.Printf("%-12s seed %d  held, %s: %s\n", s.name, seed, took, seen)
	}
	if !keep {
		_ = os.RemoveAll(l.dir)
	}
	return true
}

func choose(only string) (chosen []scenario) {
	for _, s := range scenarios {
		if only == "" || slices.Contains(strings.Split(only, ","), s.name) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

func names() string {
	var all []string
	for _, s := range scenarios {
		all = append(all, s.name)
	}
	return strings.Join(all, ",")
}

// build builds packages of the module, each as its folder's name or what stands
// after "=", into dir.
func build(dir string, flags []string, packages ...string) error {
	for _, p := range packages {
		p, name, _ := strings.Cut(p, "=")
		if name == "" {
			name = filepath.Base(p)
		}
		cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", filepath.Join(dir, name), p)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
		}
	}
	return nil
}
