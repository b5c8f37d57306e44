package peer

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Nfcapd is a running nfcapd, nfdump's collector, that gets each datagram sent to it.
type Nfcapd struct {
	cmd    *exec.Cmd
	ended  chan struct{} // closed when it has ended, with err
	err    error
	out    Log
	conn   net.Conn
	port   int
	unread int // bytes sent since its socket was seen empty
}

// stuck is how long nfcapd may do nothing: far longer than the busiest machine needs.
const stuck = 2 * time.Minute

// StartNfcapd runs program, an nfcapd, on a port of 127.0.0.1. It writes to dir, a file
// each day, and one more where midnight (UTC) falls into its run.
func StartNfcapd(program, dir string, port int, args ...string) (*Nfcapd, error) {
	n := &Nfcapd{port: port, ended: make(chan struct{})}
	args = append([]string{"-b", "127.0.0.1", "-p", strconv.Itoa(port), "-w", dir, "-t", "86400"}, args...)
	n.cmd = exec.CommandContext(context.Background(), program, args...)
	n.cmd.Stdout, n.cmd.Stderr = &n.out, &n.out
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		n.err = n.cmd.Wait()
		close(n.ended)
	}()
	err := n.drain() // waits for its socket first
	if err == nil {
		n.conn, err = net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", port))
	}
	if err != nil {
		n.Kill()
		return nil, err
	}
	return n, nil
}

// Send sends a datagram. It waits until nfcapd has read those before where its socket,
// which has a small buffer, could lose one.
func (n *Nfcapd) Send(datagram []byte) error {
	const most = 32 << 10 // what is counted as used is several times more
	const overhead = 700  // for each datagram
	if n.unread > 0 && n.unread+len(datagram) > most {
		if err := n.drain(); err != nil {
			return err
		}
	}
	n.unread += len(datagram) + overhead
	_, err := n.conn.Write(datagram)
	return err
}

// nothing is a datagram too short to hold flows; nfcapd says so, with its length.
var nothing, saidOfNothing = []byte{0, 0, 0}, "cnt: 3"

// Stop ends nfcapd after it has written all that was sent.
//
// A datagram that nfcapd has read is not yet written: told to end, nfcapd 1.7 leaves its
// loop between the two. So one more is sent, and when nfcapd has said that it holds
// nothing, those before are written. And a signal that arrives just before nfcapd waits for
// a datagram is seen only after the next one: they are sent until it has ended.
func (n *Nfcapd) Stop() error {
	defer n.Kill()
	if err := n.drain(); err != nil {
		return err
	}
	again, late := time.NewTicker(50*time.Millisecond), time.NewTimer(stuck)
	defer again.Stop()
	defer late.Stop()
	told := false
	for {
		if !told && strings.Contains(n.out.String(), saidOfNothing) {
			if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				return err
			}
			told = true
		}
		_, _ = n.conn.Write(nothing) // refused where it has just closed its socket
		select {
		case <-n.ended:
			switch {
			case n.err != nil:
				return fmt.Errorf("nfcapd: %w: %s", n.err, &n.out)
			case !told:
				return fmt.Errorf("nfcapd has ended by itself: %s", &n.out)
			}
			return nil
		case <-again.C:
		case <-late.C:
			return fmt.Errorf("nfcapd does not end: %s", &n.out)
		}
	}
}

// Kill ends nfcapd at once. Where it has ended, nothing happens.
func (n *Nfcapd) Kill() {
	_ = n.cmd.Process.Kill()
	<-n.ended
	if n.conn != nil {
		_ = n.conn.Close()
	}
}

// drain waits until nfcapd has its socket and has read all that waits in it.
func (n *Nfcapd) drain() error {
	for deadline := time.Now().Add(stuck); ; time.Sleep(100 * time.Microsecond) {
		waiting, lost, err := socketQueue(n.port)
		switch {
		case err != nil:
			return err
		case lost > 0:
			return fmt.Errorf("the socket of nfcapd has lost %d datagrams", lost)
		case waiting == 0:
			n.unread = 0
			return nil
		}
		select {
		case <-n.ended:
			return fmt.Errorf("nfcapd has ended: %w: %s", n.err, &n.out)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("nfcapd does not read from its socket: %d bytes wait there (-1: it has none)", waiting)
		}
	}
}

// socketQueue returns how many bytes wait in the socket of a UDP port of 127.0.0.1, -1
// where it is not bound, and how many datagrams it has lost.
func socketQueue(port int) (waiting, lost int64, err error) {
	table, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		return 0, 0, err
	}
	name := fmt.Sprintf("0100007F:%04X", port)
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line) // number, local, remote, state, tx_queue:rx_queue, ..., drops
		if len(f) < 13 || f[1] != name {
			continue
		}
		_, queue, _ := strings.Cut(f[4], ":")
		if waiting, err = strconv.ParseInt(queue, 16, 64); err != nil {
			return 0, 0, err
		}
		lost, err = strconv.ParseInt(f[12], 10, 64)
		return waiting, lost, err
	}
	return -1, 0, nil
}
