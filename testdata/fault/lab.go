package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// lab is an agent with one list, one output and its sink, in a folder of its own.
type lab struct {
	bin, dir string
	rand     *rand.Rand
	wrap     []string // goes before the agent's command
	dataDir  string   // "": in dir
	logDir   string   // "": dir

	sink     *sink
	agent    *exec.Cmd
	ended    chan error
	udp, web string
	exporter *exporter
	cleanup  []func()
	hosts    int // local hosts that were used
}

const badHosts = 1000

// bad is a listed address. It stands in flows only: nothing is sent there.
func bad(i int) string { return fmt.Sprintf("11.18.%d.%d", i/250, 1+i%250) }

// start writes the configuration, once, and starts the agent.
func (l *lab) start() error {
	if l.sink == nil {
		if err := l.setUp(); err != nil {
			return err
		}
	}
	errs, err := os.OpenFile(filepath.Join(l.dir, "stderr"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer errs.Close()
	args := append(l.wrap, filepath.Join(l.bin, "flowhound"), "run", "-c", filepath.Join(l.dir, "flowhound.yaml"))
	l.agent = exec.Command(args[0], args[1:]...)
	l.agent.Stderr, l.agent.Stdout = errs, errs
	l.agent.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := l.agent.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	l.ended = ended
	go func(c *exec.Cmd) { ended <- c.Wait() }(l.agent)
	return l.wait("the agent to answer", 30*time.Second, func() bool { _, code := l.get("/healthz"); return code != 0 })
}

func (l *lab) setUp() (err error) {
	if l.sink, err = newSink(""); err != nil {
		return err
	}
	if l.dataDir == "" {
		l.dataDir = filepath.Join(l.dir, "data")
	}
	if l.logDir == "" {
		l.logDir = l.dir
	}
	l.udp, l.web = freePort("udp"), freePort("tcp")
	var list strings.Builder
	for i := range badHosts {
		fmt.Fprintln(&list, bad(i))
	}
	if err := os.WriteFile(filepath.Join(l.dir, "bad.txt"), []byte(list.String()), 0o600); err != nil {
		return err
	}
	config := fmt.Sprintf(`listen: ["udp://%s"]
networks: {local: [10.0.0.0/8]}
feeds:
  - {name: bad, type: list, path: bad.txt, category: c2, confidence: 90}
log: {path: %s}
data_dir: %s
run_dir: %s
plugin_dir: %s
web: {listen: "%s"}
alert: {window: 2s, max_window: 4s}
history: {max_size: 10MB}
outputs:
  - {name: sink, type: webhook, batch: {max: 50, every: 50ms}, settings: {service: generic, url: "http://%s/x"}}
`, l.udp, l.log(), l.dataDir, filepath.Join(l.dir, "run"), l.bin, l.web, l.sink.addr)
	if err := os.WriteFile(filepath.Join(l.dir, "flowhound.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	l.exporter, err = newExporter(l.udp, "127.0.0.1")
	return err
}

func (l *lab) log() string { return filepath.Join(l.logDir, "alerts.log") }

// signal sends the agent a signal and waits for its end.
func (l *lab) signal(s syscall.Signal) error {
	_ = syscall.Kill(l.pid(), s)
	select {
	case err := <-l.ended:
		if s == syscall.SIGTERM && err != nil {
			return fmt.Errorf("the agent ends with %w: %s", err, l.lastWords())
		}
		return nil
	case <-time.After(30 * time.Second):
		return fmt.Errorf("the agent is still there 30 s after %v", s)
	}
}

// pid is the agent's, below strace too.
func (l *lab) pid() int {
	if len(l.wrap) > 0 {
		if kids := children(l.agent.Process.Pid); len(kids) > 0 {
			return kids[0]
		}
	}
	return l.agent.Process.Pid
}

// hits sends n conversations, each of another local host.
func (l *lab) hits(n int) error {
	for i := range n {
		l.hosts++
		h := l.hosts
		err := l.exporter.send(true, flow{local: [4]byte{10, byte(h >> 14), byte(h >> 7 & 127), byte(h & 127)}, remote: bad(l.rand.IntN(badHosts))})
		if err != nil {
			return err
		}
		if i%10 == 9 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	return nil
}

func (l *lab) get(path string) (body string, code int) {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get("http://" + l.web + path)
	if err != nil {
		return "", 0
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return string(b), r.StatusCode
}

// metric is the sum of a family's samples, -1 when there are none.
func (l *lab) metric(name string) float64 {
	body, _ := l.get("/metrics")
	sum, found := 0.0, false
	for line := range strings.Lines(body) {
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || !strings.HasPrefix(line, name+"{") && !strings.HasPrefix(line, name+" ") {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(line[at:], &v); err == nil {
			sum, found = sum+v, true
		}
	}
	if !found {
		return -1
	}
	return sum
}

func (l *lab) wait(what string, within time.Duration, done func() bool) error {
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if done() {
			return nil
		}
		select {
		case err := <-l.ended:
			l.ended <- err
			return fmt.Errorf("the agent has ended (%w) while waiting for %s: %s", err, what, l.lastWords())
		default:
		}
	}
	return fmt.Errorf("waited %s in vain for %s", within, what)
}

func (l *lab) lastWords() string {
	b, _ := os.ReadFile(filepath.Join(l.dir, "stderr"))
	return string(b[max(0, len(b)-400):])
}

func (l *lab) close() {
	if l.agent != nil {
		_ = l.signal(syscall.SIGKILL)
	}
	if l.sink != nil {
		l.sink.close()
	}
	for _, f := range l.cleanup {
		f()
	}
}

var idKey = regexp.MustCompile(`(?m) hit kind=.* id=([a-z0-9]+-\d+) `)

// logged counts the ids in the log and the files it was rotated into.
func (l *lab) logged() map[string]int {
	ids := map[string]int{}
	files, _ := filepath.Glob(l.log() + "*")
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for _, m := range idKey.FindAllSubmatch(b, -1) {
			ids[string(m[1])]++
		}
	}
	return ids
}

// agree waits until log and sink have the same ids, at least as many as told, and
// the log has none twice.
func (l *lab) agree(least int) (string, error) {
	var log, sent map[string]int
	err := l.wait("log and sink to agree", 60*time.Second, func() bool {
		log, sent = l.logged(), l.sink.seen()
		return len(log) >= least && len(missing(log, sent)) == 0 && len(missing(sent, log)) == 0
	})
	seen := fmt.Sprintf("%d ids in log and sink", len(log))
	if err != nil {
		err = fmt.Errorf("%w: %d ids in the log, %d not at the sink; %d at the sink, %d not in the log; least %d; health %s",
			err, len(log), len(missing(log, sent)), len(sent), len(missing(sent, log)), least, l.health())
	}
	twice := 0
	for _, n := range log {
		if n > 1 {
			twice++
		}
	}
	if twice > 0 {
		err = errors.Join(err, fmt.Errorf("%d ids stand twice in the log", twice))
	}
	if b, _ := os.ReadFile(filepath.Join(l.dir, "stderr")); strings.Contains(string(b), "panic: ") {
		err = errors.Join(err, errors.New("the agent panicked"))
	}
	return seen, err
}

func (l *lab) health() string {
	body, code := l.get("/healthz")
	return fmt.Sprintf("%d %.300s", code, strings.TrimSpace(body))
}

func missing(from, in map[string]int) (ids []string) {
	for id := range from {
		if in[id] == 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

func freePort(network string) string {
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		defer c.Close()
		return c.LocalAddr().String()
	}
	c, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer c.Close()
	return c.Addr().String()
}
