package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/agent"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/control/feeds"
	"github.com/flowhound/flowhound/cmd/internal/web"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// patience bounds every wait for something that takes a second or so on a quiet
// machine, and a few in the agent's own time.
const patience = time.Minute

// running is an agent in this process. The tests see it as its user does: by its
// configuration, its lines, its metrics and what it tells an exporter's socket.
type running struct {
	t    *testing.T
	dir  string
	addr netip.AddrPort // of the socket
	web  string
	hup  chan os.Signal
	stop func() // once, whoever calls it
}

// base is what every configuration here starts with: free ports, and all files in
// its own folder.
func base(webListen string) string {
	return `listen: ["udp://127.0.0.1:0"]
log: {path: alerts.log, hostname: gw}
data_dir: data
web: {listen: "` + webListen + `"}
`
}

// start runs an agent in dir, where the files that settings name must be.
func start(t *testing.T, dir, settings string) *running {
	t.Helper()
	return startWith(t, dir, settings, agent.Options{})
}

// startWith is start with options that tests of the network need. What is meanwhile
// happens between reading the configuration and running with it.
func startWith(t *testing.T, dir, settings string, o agent.Options, meanwhile ...func(*running)) *running {
	t.Helper()
	r := &running{t: t, dir: dir, web: freeTCP(t), hup: make(chan os.Signal)}
	r.write("flowhound.yaml", base(r.web)+settings)
	cfg, err := config.Load(r.path("flowhound.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	o.ConfigPath, o.Version, o.Log, o.StopTime = r.path("flowhound.yaml"), "1.2.0", slog.New(slog.DiscardHandler), patience
	a := agent.New(cfg, o)
	for _, do := range meanwhile {
		do(r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, r.hup) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the agent ended with: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	t.Cleanup(r.stop)
	started := r.awaitLine(`agent status=started .*udp://(127\.0\.0\.1:\d+) `)
	r.addr = netip.MustParseAddrPort(started[1])
	return r
}

// freeTCP returns an address that nobody listens on.
func freeTCP(t *testing.T) string {
	t.Helper()
	return peer.FreePort(t, "tcp").String()
}

func (r *running) path(name string) string { return filepath.Join(r.dir, name) }

// write writes a file as an editor that keeps it does.
func (r *running) write(name, content string) {
	r.t.Helper()
	if err := os.WriteFile(r.path(name), []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// replace moves a new file into the place of the old one.
func (r *running) replace(name, content string) {
	r.t.Helper()
	r.write(name+".new", content)
	if err := os.Rename(r.path(name+".new"), r.path(name)); err != nil {
		r.t.Fatal(err)
	}
}

// edit changes the configuration file.
func (r *running) edit(old, changed string) {
	r.t.Helper()
	b, err := os.ReadFile(r.path("flowhound.yaml"))
	if err != nil {
		r.t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(old)) {
		r.t.Fatalf("the configuration has no %q", old)
	}
	r.write("flowhound.yaml", strings.Replace(string(b), old, changed, 1))
}

// lines returns the lines of a log; none while there is no such file.
func (r *running) lines(log string) []string {
	b, _ := os.ReadFile(r.path(log))
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// awaitLine waits for a line in alerts.log that matches re and returns the match
// and its groups.
func (r *running) awaitLine(re string) []string {
	r.t.Helper()
	var found []string
	r.await("a line "+re, func() bool {
		found = r.findLine("alerts.log", re)
		return found != nil
	})
	return found
}

func (r *running) findLine(log, re string) []string {
	exp := regexp.MustCompile(re)
	for _, line := range r.lines(log) {
		if m := exp.FindStringSubmatch(line); m != nil {
			return m
		}
	}
	return nil
}

func (r *running) await(what string, done func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); ; {
		asked := time.Now()
		if done() {
			return
		}
		// A metric of thousands of exporters must not keep busy what is waited for; nor may
		// one answer that took half a minute be the last one.
		time.Sleep(min(max(10*time.Millisecond, 3*time.Since(asked)), time.Second))
		if time.Now().After(end) {
			r.t.Fatalf("waited in vain for %s; the log:\n%s", what, strings.Join(r.lines("alerts.log"), "\n"))
		}
	}
}

// metrics returns what /metrics shows, by series.
func (r *running) metrics() map[string]float64 {
	r.t.Helper()
	_, body := r.get("/metrics")
	all := map[string]float64{}
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			r.t.Fatalf("/metrics: %q: %v", line, err)
		}
		all[line[:at]] = v
	}
	return all
}

// awaitMetric waits for a series to reach a value.
func (r *running) awaitMetric(series string, atLeast float64) {
	r.t.Helper()
	r.await(series, func() bool { return r.metrics()[series] >= atLeast })
}

func (r *running) health() (status int, h web.Health) {
	r.t.Helper()
	status, body := r.get("/healthz")
	if err := json.Unmarshal(body, &h); err != nil {
		r.t.Fatal(err)
	}
	return status, h
}

func (r *running) get(path string) (status int, body []byte) {
	r.t.Helper()
	response, err := http.Get("http://" + r.web + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, body
}

// sighup is what SIGHUP makes of a running agent. It returns when the agent has
// taken it.
func (r *running) sighup() { r.hup <- syscall.SIGHUP }

// router exports to a running agent, from an address of its own.
type router struct {
	dayExporter
	t    *testing.T
	conn net.Conn
}

// router returns one that sends from an address of 127.0.0.0/8.
func (r *running) router(from string, version uint16) *router {
	r.t.Helper()
	conn, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.ParseIP(from)}, net.UDPAddrFromAddrPort(r.addr))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return &router{dayExporter{version: version, boot: time.Now().Add(-time.Hour)}, r.t, conn}
}

// export sends flows in one datagram.
func (x *router) export(flows ...dayFlow) {
	now := time.Now()
	for _, f := range flows {
		if full := x.add(f, now); full != nil {
			x.raw(full)
		}
	}
	if rest := x.flush(now); rest != nil {
		x.raw(rest)
	}
}

// raw sends a datagram as it is.
func (x *router) raw(datagram []byte) {
	if _, err := x.conn.Write(datagram); err != nil {
		x.t.Error(err)
	}
}

// call is a conversation that 10.1.0.7 has with remote, as its own flow.
func call(remote string) dayFlow {
	now := time.Now()
	return dayFlow{
		start: now.Add(-2 * time.Second), end: now.Add(-time.Second),
		src: netip.MustParseAddr("10.1.0.7"), dst: netip.MustParseAddr(remote), sport: 40000, dport: 443,
		proto: 6, flags: 0x1b, packets: 5, bytes: 1000,
	}
}

var keyValues = regexp.MustCompile(`([a-z]+)=(?:"([^"]*)"|(\S+))`)

// keys returns the keys of a hit's line, nil for any other line.
func keys(line string) map[string]string {
	_, body, ok := strings.Cut(line, "]: hit ")
	if !ok {
		return nil
	}
	all := map[string]string{}
	for _, kv := range keyValues.FindAllStringSubmatch(body, -1) {
		all[kv[1]] = kv[2] + kv[3]
	}
	return all
}

// count returns how many flow records a hit stands for, 0 for any other line.
func count(k map[string]string) int {
	n, _ := strconv.Atoi(k["count"])
	return n
}

// asked is whom commands ask about the feeds of cfg.
func asked(cfg *config.Config) *feeds.Agent {
	a := &feeds.Agent{RunDir: cfg.RunDir, DataDir: cfg.DataDir, FeedDir: cfg.FeedDir(), Config: cfg.Feed(), Version: "1.2.0"}
	for _, z := range cfg.DNSBL.Zones {
		a.Zones = append(a.Zones, z.Name)
	}
	return a
}
