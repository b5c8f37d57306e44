package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// sinkOutput is the output of tests, type sink: hits go as lines of JSON to a file,
// or to a server that says "ok" to each batch.
type sinkOutput struct {
	File    string        `json:"file"`
	Address string        `json:"address" validate:"required_without=File"`
	Key     plugin.Secret `json:"key"`
	Refuse  string        `json:"refuse"` // hits to this address are refused for good
	Hang    bool          `json:"hang"`   // for ever, whatever the deadline
}

func (s *sinkOutput) Open(context.Context) error  { return nil }
func (s *sinkOutput) Close(context.Context) error { return nil }

func (s *sinkOutput) Setup(context.Context) error {
	return os.WriteFile(s.File+".setup", nil, 0o600)
}

func (s *sinkOutput) Write(ctx context.Context, hits []plugin.Hit) error {
	if s.Hang {
		select {}
	}
	var lines []byte
	errs := make([]error, len(hits))
	for i, h := range hits {
		if h.Dst.String() == s.Refuse {
			errs[i] = plugin.Permanent(errors.New("not wanted"))
			continue
		}
		b, err := json.Marshal(h)
		if err != nil {
			return err
		}
		lines = append(append(lines, b...), '\n')
	}
	if err := s.send(ctx, lines); err != nil {
		return err
	}
	return plugin.Partial(errs)
}

func (s *sinkOutput) send(ctx context.Context, lines []byte) error {
	if s.File != "" {
		f, err := os.OpenFile(s.File, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(lines)
		return errors.Join(err, f.Close())
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := conn.Write(append(lines, '\n')); err != nil {
		return err
	}
	if ok, err := io.ReadAll(conn); err != nil || string(ok) != "ok" {
		return fmt.Errorf("the sink says %q, %w", ok, errors.Join(err, io.ErrUnexpectedEOF))
	}
	return nil
}

// sinkServer takes batches and keeps the ids of their hits, until it is stopped.
type sinkServer struct {
	t        *testing.T
	addr     string
	mu       sync.Mutex
	ids      map[string]int
	listener net.Listener
	conns    map[net.Conn]bool
	running  sync.WaitGroup
}

func (s *sinkServer) start() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr, s.conns, s.listener = l.Addr().String(), map[net.Conn]bool{}, l
	s.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[conn] = true
			s.mu.Unlock()
			s.running.Go(func() { s.take(conn) })
		}
	})
}

// stop ends it as a crash does: amid batches.
func (s *sinkServer) stop() {
	_ = s.listener.Close()
	s.mu.Lock()
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

func (s *sinkServer) take(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			_, _ = io.WriteString(conn, "ok")
			return
		}
		var h plugin.Hit
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
			return // cut by a kill
		}
		s.mu.Lock()
		s.ids[h.ID]++
		s.mu.Unlock()
	}
}

func (s *sinkServer) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[id] > 0
}

// TestNoHitIsLost kills the plugin, then the agent with SIGKILL, then the sink, in
// the middle of 10,000 hits: every hit that has a line in the log is delivered in the
// end.
func TestNoHitIsLost(t *testing.T) {
	peer.Long(t)
	t.Parallel()
	dir := t.TempDir()
	s := &sinkServer{t: t, addr: peer.FreePort(t, "tcp").String(), ids: map[string]int{}} // it is started again there
	s.start()
	defer func() { s.stop() }()
	sinkConfig(t, dir, `  - {name: siem, type: sink, batch: {max: 100, every: 20ms}, timeout: 2s, settings: {address: "`+s.addr+`"}}`)
	const all, quarter = 10000, 2500
	p := startAgent(t, dir)
	sent, sequence := 0, uint32(0)
	send := func(n int) {
		for end := sent + n; sent < end; sequence++ {
			sets := [][]byte{template()}
			for range min(20, end-sent) {
				// Another host and another listed address each: nothing is folded.
				local, remote := netip.AddrFrom4([4]byte{10, 1, byte(sent >> 8), byte(sent)}), netip.AddrFrom4([4]byte{198, 51, byte(sent >> 8), byte(sent)})
				sets = append(sets, flowBetween(local, remote))
				sent++
			}
			p.send(t, datagram(sequence, sets...))
			time.Sleep(time.Millisecond) // so that the middle of it is not its end
		}
	}
	logged := func() int { return strings.Count(readLog(t, dir), ": hit kind=new ") }

	send(quarter / 2)
	poll(t, "the plugin", func() bool { return pluginPID(t, dir) != 0 })
	poll(t, "lines", func() bool { return logged() > 0 }) // a line comes two seconds after its flow
	if err := syscall.Kill(pluginPID(t, dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	send(quarter)
	poll(t, "more lines", func() bool { return logged() > quarter/2 })
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait()
	killed := logged()

	p = startAgent(t, dir)
	send(quarter)
	s.stop()
	send(quarter)
	poll(t, "an outage of the sink to be seen", func() bool { return listOutputs(t, dir)[0].Problem != "" })
	s.start()
	for end := time.Now().Add(time.Minute); logged() < all; {
		if time.Now().After(end) {
			t.Fatalf("%d lines of %d flows, want %d", logged(), sent, all)
		}
		send(min(quarter, all-logged()))
		time.Sleep(200 * time.Millisecond)
	}

	missing := func() (ids []string) {
		for _, h := range hits(t, dir) {
			if !s.has(h.id) {
				ids = append(ids, h.id)
			}
		}
		return ids
	}
	for end := time.Now().Add(90 * time.Second); len(missing()) > 0 && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
	}
	if lost := missing(); len(lost) > 0 {
		t.Errorf("%d of %d hits are not delivered, such as %q: %+v", len(lost), logged(), lost[:min(3, len(lost))], listOutputs(t, dir))
	}
	state := listOutputs(t, dir)[0]
	p.end(t)
	if n := len(hits(t, dir)); n < all {
		t.Errorf("%d lines, want %d at least", n, all)
	}
	twice := 0
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.ids {
		twice += n - 1
	}
	if state.Dropped != 0 || state.Dead != 0 {
		t.Errorf("%+v", state)
	}
	t.Logf("%d lines (%d before the agent was killed), %d ids delivered, %d hits twice", logged(), killed, len(s.ids), twice)
}

// sinkConfig writes the configuration of an agent whose list names 198.51.0.0/16, with
// some outputs and further sections.
func sinkConfig(t *testing.T, dir, outputs string, sections ...string) {
	t.Helper()
	write(t, dir, "ours.txt", "198.51.0.0/16\n")
	text := strings.Join(sections, "\n")
	if !strings.Contains(text, "web:") {
		text += "\nweb: {listen: \"\"}"
	}
	write(t, dir, "flowhound.yaml", `listen: ["udp://127.0.0.1:0"]
feeds:
  - {name: ours, type: list, path: ours.txt, category: c2}
log: {path: alerts.log}
data_dir: data
outputs:
`+outputs+"\n"+text+"\n")
}

// outputState is what the test looks at in output list --json.
type outputState struct {
	Name, Status, Problem string
	PID                   int
	Depth, Dropped, Dead  int
}

func listOutputs(t *testing.T, dir string) (states []outputState) {
	t.Helper()
	out, err := exec.Command("flowhound", "output", "list", "--json", "-c", filepath.Join(dir, "flowhound.yaml")).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		var s outputState
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		states = append(states, s)
	}
	if len(states) == 0 {
		t.Fatal("no outputs")
	}
	return states
}

func pluginPID(t *testing.T, dir string) int { return listOutputs(t, dir)[0].PID }

// flowBetween is a set of one flow, of a conversation that local has with remote.
func flowBetween(local, remote netip.Addr) []byte {
	b := slices.Concat(words(256), local.AsSlice(), remote.AsSlice())
	b = be.AppendUint16(b, 40000)
	b = be.AppendUint16(b, 443)
	b = be.AppendUint32(b, bytesOfFlow)
	b = be.AppendUint32(b, 5)
	b = append(b, 6, 0x1b, 0, 0)
	be.PutUint16(b[2:], uint16(len(b)))
	return b
}
