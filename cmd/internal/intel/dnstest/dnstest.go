// Package dnstest runs real name servers on the loopback interface and asks them,
// for the tests of response policy zones and DNS blacklists. Only tests import it;
// its servers hear nothing from outside, ask nothing there, and end with their
// test.
package dnstest

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// Zone is a response policy zone: its name and the file that holds it.
type Zone struct{ Name, Path string }

// Server is a running name server.
type Server struct {
	t    testing.TB
	dir  string
	port int
	logs string // path
}

// Peer returns the path of a program that Debian's package pkg brings. Without it
// the test is skipped, or fails where FLOWHOUND_PEERS=required says that peers
// are installed.
func Peer(t testing.TB, program, pkg string) string {
	t.Helper()
	return peer.Path(t, program, pkg)
}

// start runs a name server until the test ends.
func (s *Server) start(program string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = s.dir
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = cmd.Wait()
	}()
	s.t.Cleanup(func() {
		select {
		case <-ended:
			s.t.Errorf("%s ended by itself: %v\n%s", program, err, said.String())
		default:
			if err := cmd.Process.Kill(); err != nil {
				s.t.Errorf("stop %s: %v", program, err)
			}
			<-ended
		}
	})
}

// AwaitLog waits until a line of the server's log matches.
func (s *Server) AwaitLog(expression string) {
	s.t.Helper()
	s.await(expression, regexp.MustCompile(`(?m)`+expression).MatchString)
}

func (s *Server) await(what string, said func(log string) bool) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		log := s.Log()
		if said(log) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the name server does not say %q:\n%s", what, log)
		}
	}
}

// Log returns what the server has said.
func (s *Server) Log() string {
	s.t.Helper()
	b, err := os.ReadFile(s.logs)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	return string(b)
}

// Port returns where the server answers on 127.0.0.1, over UDP and, but for
// rbldnsd, TCP.
func (s *Server) Port() int { return s.port }

// Address returns the same with the address.
func (s *Server) Address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// write writes a file into the server's folder and returns its path.
func (s *Server) write(name, content string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// freePort returns a port that nobody has on 127.0.0.1, over UDP or TCP.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenPacket("udp", "127.0.0.1:"+strconv.Itoa(port))
		l.Close()
		if err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("no port is free over both UDP and TCP")
	return 0
}
