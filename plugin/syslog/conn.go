package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// How long a new connection is watched before the first write: a peer that does
// not want this host or its certificate (which TLS 1.3 says only after the
// handshake) ends it at once, while a write would still succeed.
const (
	minSettle = 50 * time.Millisecond
	maxSettle = time.Second
)

// conn is a connection that is read all the time, so that its end is noticed
// before anything more is lost in it.
type conn struct {
	net.Conn
	stream bool

	reader sync.WaitGroup
	dead   chan struct{} // closed by the reader at the connection's end
	err    error         // why; set before dead is closed
	at     time.Time     // when; likewise
}

// dial connects to t within ctx.
func dial(ctx context.Context, t target, timeout time.Duration, files tlsFiles) (*conn, error) {
	start := time.Now()
	nc, err := dialTarget(ctx, t, timeout, files)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, stream: !t.datagram(), dead: make(chan struct{})}
	c.reader.Go(c.watch)
	if !c.stream {
		return c, nil
	}
	settle := min(max(2*time.Since(start), minSettle), maxSettle)
	if err := c.wait(ctx, settle); err != nil {
		c.Close()
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return nil, err
		}
		return nil, fmt.Errorf("the peer ended the connection at once (does it allow this host, and its certificate?): %w", err)
	}
	return c, nil
}

// errPeerClosed is a connection's end without an error.
var errPeerClosed = errors.New("the peer has closed the connection")

// watch reads until the connection ends. Syslog has no answers: what comes is
// discarded.
func (c *conn) watch() {
	buf := make([]byte, 512)
	for {
		_, err := c.Read(buf)
		if err == nil {
			continue
		}
		if errors.Is(err, io.EOF) {
			err = errPeerClosed
		}
		c.err, c.at = err, time.Now()
		close(c.dead)
		return
	}
}

// ended returns why the connection has ended, nil while it has not.
func (c *conn) ended() error {
	select {
	case <-c.dead:
		return c.err
	default:
		return nil
	}
}

// endTime is when the connection ended: now, when that has not been read yet.
func (c *conn) endTime() time.Time {
	if c.ended() != nil {
		return c.at
	}
	return time.Now()
}

// wait returns why the connection ends within d, nil when it does not.
func (c *conn) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c.dead:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// write writes b within ctx, in one go or each message by itself.
func (c *conn) write(ctx context.Context, b *batch, timeout time.Duration, single bool, pace time.Duration) error {
	stop := context.AfterFunc(ctx, func() { _ = c.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	if !single {
		return c.writeAll(ctx, b.buf, timeout)
	}
	start := 0
	for i, end := range b.ends {
		if i > 0 && pace > 0 {
			if err := c.wait(ctx, pace); err != nil {
				return err
			}
		}
		if err := c.writeAll(ctx, b.buf[start:end], timeout); err != nil {
			return err
		}
		start = end
	}
	return nil
}

// writeStep is the most that is written under one deadline, so that a slow peer
// is told from one that has stopped.
const writeStep = 64 << 10

func (c *conn) writeAll(ctx context.Context, p []byte, timeout time.Duration) error {
	for len(p) > 0 {
		if err := c.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil { // after the deadline is set: neither is missed
			return err
		}
		n := len(p)
		if c.stream {
			n = min(n, writeStep)
		}
		if _, err := c.Write(p[:n]); err != nil {
			var late net.Error // at our deadline or the kernel's, of userTimeout
			if errors.As(err, &late) && late.Timeout() {
				return errors.Join(fmt.Errorf("the peer stopped reading: %w", err), ctx.Err())
			}
			return err
		}
		p = p[n:]
	}
	return nil
}

// Close ends the connection now.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.reader.Wait()
	return err
}

// finish tells the peer that no more comes (by close_notify in TLS) and waits
// until it has read everything and closed its side, at most for d.
func (c *conn) finish(ctx context.Context, d time.Duration) error {
	defer c.Close()
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || !c.stream {
		return nil
	}
	if err := half.CloseWrite(); err != nil {
		return err
	}
	if err := c.wait(ctx, d); err != nil && !errors.Is(err, errPeerClosed) {
		return err
	}
	return nil
}
