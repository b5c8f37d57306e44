package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// collector is one program under test. Each start gets a fresh process.
type collector struct {
	name    string
	command func(dir string, port, web int) *exec.Cmd
	// flows asks the running process how many flows it saw; nil where only the
	// output after stop tells.
	flows func(web int) (uint64, error)
	// final reads the count from what the process printed.
	final func(output string) (uint64, error)
	// dropped asks the running process how many of these its history has not kept; nil
	// where it keeps none, or never less than it saw.
	dropped func(web int) (uint64, error)
	keepAll bool // a rate counts only when all flows were kept, too
	// hits: 100 of the flows sent each second are hits.
	hits bool
	// beside starts what goes on beside the sending; stop ends it and says what went
	// wrong. nil: nothing does.
	beside func(web int) (stop func() error)
}

// process is a running collector.
type process struct {
	collector
	cmd       *exec.Cmd
	out       bytes.Buffer
	port, web int
	dir       string
}

func (c collector) start(root string) (*process, error) {
	dir, err := os.MkdirTemp(root, "collector")
	if err != nil {
		return nil, err
	}
	p := &process{collector: c, dir: dir}
	if p.port, err = freePort("udp"); err != nil {
		return nil, err
	}
	if p.web, err = freePort("tcp"); err != nil {
		return nil, err
	}
	p.cmd = c.command(dir, p.port, p.web)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for range 300 { // up when it listens
		time.Sleep(100 * time.Millisecond)
		if p.listening() {
			return p, nil
		}
		if err := p.cmd.Process.Signal(syscall.Signal(0)); err != nil {
			break
		}
	}
	p.stop()
	return nil, fmt.Errorf("%s did not start: %s", c.name, p.out.String())
}

func (p *process) listening() bool {
	hex := fmt.Sprintf(":%04X ", p.port)
	for _, table := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		b, err := os.ReadFile(table)
		if err == nil && strings.Contains(string(b), hex) {
			if p.web == 0 || p.flows == nil {
				return true
			}
			_, err := p.flows(p.web)
			return err == nil
		}
	}
	return false
}

func (p *process) stop() string {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	_ = p.cmd.Wait() // a collector that ends by signal is no failure
	return p.out.String()
}

// received stops the process once it has been quiet, and returns how many flows it saw
// and how many of these it did not keep.
func (p *process) received() (saw, dropped uint64, err error) {
	if p.flows == nil {
		time.Sleep(3 * time.Second)
		saw, err = p.final(p.stop())
		return saw, 0, err
	}
	defer p.stop()
	if saw, err = p.quiet(); err == nil && p.dropped != nil {
		dropped, err = p.dropped(p.web)
	}
	if err != nil {
		err = errors.Join(err, errors.New(p.stop()))
	}
	return saw, dropped, err
}

// quiet waits until no flows come any more, and returns how many came.
func (p *process) quiet() (uint64, error) {
	last := uint64(0)
	for quiet := 0; quiet < 5; {
		time.Sleep(200 * time.Millisecond)
		n, err := p.flows(p.web)
		if err != nil {
			return 0, err
		}
		if n == last {
			quiet++
		} else {
			quiet = 0
		}
		last = n
	}
	return last, nil
}

// rss is the resident memory in bytes.
func (p *process) rss() (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		return 0, errors.New("no VmRSS")
	}
	kb, err := strconv.ParseUint(string(m[1]), 10, 64)
	return kb << 10, err
}

// metric sums the samples of one Prometheus metric: a name, with labels or without.
func metric(web int, path, name string) (uint64, error) {
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s", web, path))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, name+"{") && !strings.HasPrefix(line, name+" ") {
			continue
		}
		f := strings.Fields(line)
		v, err := strconv.ParseFloat(f[len(f)-1], 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return uint64(sum), nil
}

// withoutHistory is for the configuration.
const withoutHistory = "history: {enabled: false}\n"

func flowhound(binary, list, more string) collector {
	c := collector{
		name: "flowhound",
		command: func(dir string, port, web int) *exec.Cmd {
			conf := filepath.Join(dir, "flowhound.yaml")
			text := fmt.Sprintf(`listen: ["udp://127.0.0.1:%d"]
feeds:
  - {name: bench, type: list, path: %s, category: c2, confidence: 90}
log: {path: %s/alerts.log}
data_dir: %s/data
web: {listen: "127.0.0.1:%d"}
%s`, port, list, dir, dir, web, more)
			if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
				panic(err)
			}
			return exec.Command(binary, "run", "-c", conf)
		},
		flows: func(web int) (uint64, error) { return metric(web, "/metrics", "flowhound_records_total") },
		dropped: func(web int) (uint64, error) {
			return metric(web, "/metrics", `flowhound_dropped_total{queue="history"}`)
		},
	}
	if more == withoutHistory {
		c.name, c.dropped = "flowhound, history off", nil
	}
	return c
}

// keepingAll is flowhound at a rate at which its history loses nothing, as nfcapd does,
// which has nothing else to do.
func keepingAll(c collector) collector {
	c.name, c.keepAll = "flowhound, every flow kept", true
	return c
}

func nfcapd() (collector, error) {
	path, err := exec.LookPath("nfcapd")
	if err != nil {
		return collector{}, errors.New("nfcapd is not installed (apt-get install nfdump)")
	}
	flows := regexp.MustCompile(`Flows: (\d+)`)
	return collector{
		name: "nfcapd",
		command: func(dir string, port, _ int) *exec.Cmd {
			return exec.Command(path, "-w", dir, "-b", "127.0.0.1", "-p", strconv.Itoa(port), "-B", strconv.Itoa(64<<20), "-t", "3600")
		},
		final: func(output string) (uint64, error) {
			sum := uint64(0)
			for _, m := range flows.FindAllStringSubmatch(output, -1) {
				n, err := strconv.ParseUint(m[1], 10, 64)
				if err != nil {
					return 0, err
				}
				sum += n
			}
			if sum == 0 {
				return 0, fmt.Errorf("nfcapd printed no count: %s", output)
			}
			return sum, nil
		},
	}, nil
}

func goflow2(root string) (collector, error) {
	install := exec.Command("go", "install", "github.com/netsampler/goflow2/v2/cmd/goflow2@v2.2.6")
	install.Env = append(os.Environ(), "GOBIN="+root, "GOFLAGS=-mod=mod")
	install.Dir = root
	if out, err := install.CombinedOutput(); err != nil {
		return collector{}, fmt.Errorf("goflow2 cannot be built: %w: %s", err, out)
	}
	return collector{
		name: "goflow2",
		command: func(_ string, port, web int) *exec.Cmd {
			return exec.Command(filepath.Join(root, "goflow2"), "-listen", fmt.Sprintf("netflow://127.0.0.1:%d", port),
				"-addr", fmt.Sprintf("127.0.0.1:%d", web), "-format", "bin", "-transport", "file", "-transport.file", "/dev/null", "-loglevel", "error")
		},
		flows: func(web int) (uint64, error) {
			return metric(web, "/metrics", "goflow2_flow_process_nf_delay_seconds_count")
		},
	}, nil
}
