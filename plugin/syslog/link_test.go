package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/plugintest"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

func TestMain(m *testing.M) {
	peer.Waiting()
	time.Local = time.FixedZone("CEST", 2*3600) // golden headers have local time
	goleak.VerifyTestMain(m)
}

func listen(t testing.TB, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// ids returns the ids of the lines that come on c until its end.
func ids(c net.Conn) []string {
	var got []string
	for s := bufio.NewScanner(c); s.Scan(); {
		if m := idOnLine.FindStringSubmatch(s.Text()); m != nil {
			got = append(got, m[1])
		}
	}
	return got
}

// want returns the ids of sample hits from to before to, counted from 0.
func want(from, to int) []string {
	var ids []string
	for _, h := range plugintest.Hits(to)[from:] {
		ids = append(ids, h.ID)
	}
	return ids
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// TestEndIsSeenBeforeAWrite: a peer that goes away between two batches loses
// nothing. What it may not have read comes again, first, on the next connection.
func TestEndIsSeenBeforeAWrite(t *testing.T) {
	t.Parallel()
	l := listen(t, "127.0.0.1:0")
	o := opened(t, map[string]any{"address": "tcp://" + l.Addr().String()})
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	hits := plugintest.Hits(6)
	for _, batch := range [][]hit.Hit{hits[:2], hits[2:4]} {
		if err := o.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	first.Close() // with unread data: a reset, as a crash makes it
	<-o.link.conn.dead

	done := make(chan []string)
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- nil
			return
		}
		defer c.Close()
		done <- ids(c)
	}()
	if err := o.Write(t.Context(), hits[4:]); err != nil {
		t.Fatal(err)
	}
	if err := o.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	equal(t, "the second connection", <-done, want(0, 6))
}

// TestWhatIsOldIsNotWrittenAgain: a peer that closes an idle connection has read
// what it was given long ago.
func TestWhatIsOldIsNotWrittenAgain(t *testing.T) {
	t.Parallel()
	l := listen(t, "127.0.0.1:0")
	o := opened(t, map[string]any{"address": "tcp://" + l.Addr().String()})
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	hits := plugintest.Hits(3)
	for i := range 2 {
		if err := o.Write(t.Context(), hits[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	o.link.sent[0].at = time.Now().Add(-o.Timeout - 2*againExtra)
	first.Close()
	<-o.link.conn.dead

	done := make(chan []string)
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- nil
			return
		}
		defer c.Close()
		done <- ids(c)
	}()
	if err := o.Write(t.Context(), hits[2:]); err != nil {
		t.Fatal(err)
	}
	_ = o.Close(t.Context())
	equal(t, "the second connection", <-done, want(1, 3))
}

// TestSentIsBounded: what is kept to be written again has an age and a size, but
// the last batch is always kept.
func TestSentIsBounded(t *testing.T) {
	t.Parallel()
	l := link{timeout: time.Second}
	now := time.Now()
	l.keep(&batch{buf: make([]byte, 10), at: now})
	l.keep(&batch{buf: make([]byte, 20), at: now.Add(7 * time.Second)})
	if len(l.sent) != 1 || len(l.sent[0].buf) != 20 {
		t.Errorf("by age: %d batches", len(l.sent))
	}
	l.keep(&batch{buf: make([]byte, againBytes-1), at: now.Add(8 * time.Second)})
	if len(l.sent) != 1 || len(l.sent[0].buf) != againBytes-1 {
		t.Errorf("by size: %d batches", len(l.sent))
	}
	l.keep(&batch{buf: make([]byte, againBytes+1), at: now.Add(9 * time.Second)})
	if len(l.sent) != 1 || len(l.sent[0].buf) != againBytes+1 {
		t.Errorf("the last: %d batches", len(l.sent))
	}
}

// TestPeerThatWantsNobody closes what it has accepted, as OSSEC does with hosts
// that it does not allow.
func TestPeerThatWantsNobody(t *testing.T) {
	t.Parallel()
	l := listen(t, "127.0.0.1:0")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	settings := map[string]any{"address": "tcp://" + l.Addr().String()}
	deadline := time.Now().Add(time.Minute) // a slow machine closes after Open has looked
	o, err := tryOpen(t, settings)
	for err == nil && time.Now().Before(deadline) {
		o, err = tryOpen(t, settings)
	}
	if err == nil || !strings.Contains(err.Error(), "does it allow this host") {
		t.Errorf("Open: %v", err)
	}
	for err = nil; err == nil && time.Now().Before(deadline); {
		err = o.Write(t.Context(), plugintest.Hits(1))
	}
	if err == nil {
		t.Error("Write says nothing")
	}
}

// TestPeerThatReadsNothing costs a write its timeout, and an end of the context
// ends it at once.
func TestPeerThatReadsNothing(t *testing.T) {
	t.Parallel()
	l := listen(t, "127.0.0.1:0")
	for _, tt := range []struct {
		timeout, ctx time.Duration
		want         string
	}{{200 * time.Millisecond, time.Minute, "the peer stopped reading"}, {10 * time.Minute, 200 * time.Millisecond, context.DeadlineExceeded.Error()}} {
		o := opened(t, map[string]any{"address": "tcp://" + l.Addr().String(), "timeout": "10m"})
		o.link.timeout = tt.timeout // of writes alone: connecting may take longer here
		ctx, cancel := context.WithTimeout(t.Context(), tt.ctx)
		var err error
		for range 200 {
			if err = o.Write(ctx, plugintest.Hits(1000)); err != nil {
				break
			}
		}
		cancel()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("timeout %s, context %v: %v", tt.timeout, tt.ctx, err)
		}
	}
}

// TestUDPRefused: once a port is known to be closed, writes fail until it opens,
// and then everything comes.
func TestUDPRefused(t *testing.T) {
	t.Parallel()
	addr := peer.FreePort(t, "udp").String()
	o := opened(t, map[string]any{"address": "udp://" + addr})
	hits := plugintest.Hits(4)
	if err := o.Write(t.Context(), hits[:1]); err != nil {
		t.Fatal(err) // nothing can be known yet
	}
	<-o.link.conn.dead
	for range 3 {
		if err := o.Write(t.Context(), hits[1:]); err == nil {
			t.Error("a write to a closed port says nothing")
		}
	}
	l, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := o.Write(t.Context(), hits[1:]); err != nil {
		t.Fatal(err)
	}
	var got []string
	buf := make([]byte, 2048)
	_ = l.SetReadDeadline(time.Now().Add(time.Minute))
	for range 5 { // the first twice
		n, _, err := l.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, idOnLine.FindStringSubmatch(string(buf[:n]))[1])
	}
	equal(t, "datagrams", got, append(want(0, 1), want(0, 4)...))
}

// TestTLSCloseNotify: the peer is told that the end is the end, so that it can
// tell a cut connection from it. And nothing older than TLS 1.2 is spoken.
func TestTLSCloseNotify(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeCerts(t, dir)
	pair, err := tls.LoadX509KeyPair(dir+"/server.pem", dir+"/server.key")
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t, "127.0.0.1:0")
	settings := map[string]any{"address": "tls://" + l.Addr().String(), "server_name": "localhost", "ca_file": dir + "/ca.pem"}
	read := make(chan error, 1)
	var got []byte
	serve := func(conf *tls.Config) {
		conf.Certificates = []tls.Certificate{pair}
		c, err := tls.NewListener(l, conf).Accept()
		if err == nil {
			got, err = io.ReadAll(c) // without close_notify: unexpected EOF
			c.Close()                // before the test goes on: it asks for the time
		}
		read <- err
	}
	go serve(&tls.Config{MinVersion: tls.VersionTLS12})
	o := opened(t, settings)
	if err := o.Write(t.Context(), plugintest.Hits(2)); err != nil {
		t.Fatal(err)
	}
	if err := o.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Errorf("the peer saw %v", err)
	}
	size, rest, _ := strings.Cut(string(got), " ")
	if !strings.HasPrefix(rest, "<134>1 ") || len(size) != 3 {
		t.Errorf("no octet counting: %.60q", got)
	}

	go serve(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}) //nolint:gosec // that is the point
	if _, err := tryOpen(t, settings); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	<-read
}

// TestFraming: a count before, or LF behind, every message.
func TestFraming(t *testing.T) {
	t.Parallel()
	b := &batch{}
	b.add([]byte("<134>a b"), framingOctet)
	b.add([]byte("<134>c"), framingLF)
	b.add([]byte("<134>d"), "")
	if got := string(b.buf); got != "8 <134>a b<134>c\n<134>d" || !slices.Equal(b.ends, []int{10, 17, 23}) {
		t.Errorf("got %q %v", got, b.ends)
	}
}

// TestOSSECReceiver: what OSSEC's and Wazuh's receivers make of a message, who
// cut datagrams at 1024 bytes, take the priority off and hand the rest to the
// decoders, is the line of the alert log, which the decoders are proved on.
func TestOSSECReceiver(t *testing.T) {
	t.Parallel()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := opened(t, map[string]any{"address": "udp://" + l.LocalAddr().String()})
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	hits := append(plugintest.Hits(3), hugeHit())
	if err := o.Write(t.Context(), hits); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	_ = l.SetReadDeadline(time.Now().Add(time.Minute))
	for i := range hits {
		n, _, err := l.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		_, line, _ := strings.Cut(string(buf[:min(n, 1024)]), ">")
		if want := string(hit.AppendLine(hit.AppendHeader(nil, hits[i].Time, host, os.Getpid()), &hits[i])); line != want {
			t.Errorf("\n got %s\nwant %s", line, want)
		}
	}
}

// BenchmarkWrite formats batches of 500 hits and writes them to a TCP sink.
func BenchmarkWrite(b *testing.B) {
	for _, payload := range payloads {
		b.Run(payload, func(b *testing.B) {
			l := listen(b, "127.0.0.1:0")
			done := make(chan struct{})
			go func() {
				defer close(done)
				if c, err := l.Accept(); err == nil {
					_, _ = io.Copy(io.Discard, c)
					c.Close()
				}
			}()
			o := opened(b, map[string]any{"address": "tcp://" + l.Addr().String(), "payload": payload, "max_size": 8192})
			hits := plugintest.Hits(500)
			b.ReportAllocs()
			for b.Loop() {
				if err := o.Write(b.Context(), hits); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*len(hits))/b.Elapsed().Seconds(), "hits/s")
			_ = o.Close(context.Background())
			<-done
		})
	}
}
