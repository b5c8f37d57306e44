package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"
)

// Bounds of what is kept to be written again when a connection turns out dead.
const (
	againBytes = 8 << 20         // what the sockets of both sides may hold
	againExtra = 5 * time.Second // beyond the timeout, after which a silent peer counts as dead
)

// probeTime is how long a refusal of the first datagram is waited for, once one
// has been refused.
const probeTime = 100 * time.Millisecond

// link is the way to one peer. A connection whose peer dies still takes what is
// written until the peer's end is noticed, and syslog has no answers; so link
// watches for the end while nothing is written, and keeps what it wrote last to
// write it again on the next connection. It is not for concurrent use.
type link struct {
	target  target
	timeout time.Duration // without progress, for connecting and for writing
	pace    time.Duration // between two messages; 0: a batch is one write
	files   tlsFiles

	conn    *conn    // nil: none
	sent    []*batch // on conn, newest last, no more than can be lost
	again   []*batch // lost with the last connection
	refused bool     // the last datagrams were
	size    int      // bytes of a batch, from the last one
}

// next returns an empty batch for n messages.
func (l *link) next(n int) *batch {
	return &batch{buf: make([]byte, 0, max(l.size, n*512)), ends: make([]int, 0, n)}
}

// write writes what the last connection may have lost, then b, within ctx. After
// an error b is the caller's again.
func (l *link) write(ctx context.Context, b *batch) error {
	if err := l.connect(ctx); err != nil {
		return err
	}
	first := b
	if len(l.again) > 0 {
		first = l.again[0]
	}
	if l.refused {
		if err := l.probe(ctx, first); err != nil {
			return err
		}
	}
	for len(l.again) > 0 {
		if err := l.send(ctx, l.again[0]); err != nil {
			return err
		}
		l.keep(l.again[0])
		l.again = l.again[1:]
	}
	if len(b.ends) == 0 {
		return nil
	}
	if err := l.send(ctx, b); err != nil {
		return err
	}
	l.keep(b)
	l.size = len(b.buf) + len(b.buf)/8
	return nil
}

// connect makes sure that there is a connection that has not been seen to end.
func (l *link) connect(ctx context.Context) error {
	if l.conn != nil {
		err := l.conn.ended()
		if err == nil {
			return nil
		}
		l.lose(err)
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	conn, err := dial(ctx, l.target, l.timeout, l.files)
	if err != nil {
		return fmt.Errorf("connect to %s://%s: %w", l.target.scheme, l.target.addr, err)
	}
	l.conn = conn
	return nil
}

// probe sends the first message alone after a refusal: a datagram to a port where
// nobody listens is an error only when the refusal comes back. The message is
// sent again with its batch.
func (l *link) probe(ctx context.Context, b *batch) error {
	if len(b.ends) == 0 {
		return nil
	}
	one := batch{buf: b.buf[:b.ends[0]], ends: b.ends[:1]}
	if err := l.send(ctx, &one); err != nil {
		return err
	}
	if err := l.conn.wait(ctx, probeTime); err != nil {
		l.lose(err)
		return fmt.Errorf("write to %s://%s: %w", l.target.scheme, l.target.addr, err)
	}
	l.refused = false
	return nil
}

// send writes b and gives the connection up when that fails.
func (l *link) send(ctx context.Context, b *batch) error {
	err := l.conn.write(ctx, b, l.timeout, l.target.datagram() || l.pace > 0, l.pace)
	if err == nil {
		b.at = time.Now()
		return nil
	}
	if ended := l.conn.ended(); ended != nil { // says more than "broken pipe"
		err = ended
	}
	l.lose(err)
	return fmt.Errorf("write to %s://%s: %w", l.target.scheme, l.target.addr, err)
}

// keep remembers b, and forgets what has been written for too long to be lost.
func (l *link) keep(b *batch) {
	l.sent = append(l.sent, b)
	bytes := 0
	for i := len(l.sent) - 1; i >= 0; i-- {
		bytes += len(l.sent[i].buf)
		if i < len(l.sent)-1 && (bytes > againBytes || b.at.Sub(l.sent[i].at) > l.timeout+againExtra) {
			l.sent = append([]*batch(nil), l.sent[i+1:]...)
			return
		}
	}
}

// lose gives the connection up. What was written to it shortly before its end may
// not have been read, and is written again first thing on the next one.
func (l *link) lose(err error) {
	end := l.conn.endTime()
	l.conn.Close()
	if errors.Is(err, syscall.ECONNREFUSED) && l.target.scheme == "udp" {
		l.refused = true
	}
	lost := l.sent[:0]
	for _, b := range l.sent {
		if end.Sub(b.at) <= l.timeout+againExtra {
			lost = append(lost, b)
		}
	}
	l.again = append(lost, l.again...) // what was to be written again stays behind what was
	l.sent, l.conn = nil, nil
	hits := 0
	for _, b := range l.again {
		hits += len(b.ends)
	}
	slog.Warn("connection lost", "address", l.target.addr, "error", err, "hits_to_write_again", hits)
}

// close ends the connection in order, waiting for the peer until ctx ends.
func (l *link) close(ctx context.Context) {
	if l.conn == nil {
		return
	}
	if err := l.conn.finish(ctx, min(l.timeout, 2*time.Second)); err != nil {
		slog.Warn("the peer did not confirm the end of the connection", "address", l.target.addr, "error", err)
	}
	l.conn, l.sent = nil, nil
}
