// Package plugintest tests an output as flowhound would use it: through the SDK
// and gRPC, in the test's own process, without a plugin directory (package host
// has tests of that). It is for the
// tests of an output's author, never for a running program.
package plugintest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/internal/wire"
)

// Conn is an output at the other end of the wire.
type Conn struct{ client *wire.Client }

// callTime is how long a call other than Write may take.
const callTime = 10 * time.Second

// Dial serves out in this process and returns what flowhound would see of it. The
// connection ends with the test.
func Dial(t testing.TB, out plugin.Output) *Conn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	plugin.Register(server, out)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with Stop
	}()
	conn, err := grpc.NewClient("passthrough:output",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		<-served
	})
	return &Conn{wire.New(conn)}
}

// Open is Dial, then Configure and Open of the output; settings is a JSON object,
// or "" for none. A problem or an error fails the test.
func Open(t testing.TB, out plugin.Output, settings string) *Conn {
	t.Helper()
	c := Dial(t, out)
	if problems := c.Configure(t, settings); len(problems) > 0 {
		t.Fatalf("settings: %v", problems)
	}
	if err := c.Open(t.Context()); err != nil {
		t.Fatalf("open: %v", err)
	}
	return c
}

// Configure hands the output its settings and returns what is wrong with them.
func (c *Conn) Configure(t testing.TB, settings string) []plugin.Problem {
	t.Helper()
	conf, err := c.configure(t, settings)
	if err != nil {
		t.Fatalf("configure: %v", err)
	}
	return conf.Problems
}

func (c *Conn) configure(t testing.TB, settings string) (wire.Config, error) {
	ctx, cancel := context.WithTimeout(t.Context(), callTime)
	defer cancel()
	return c.client.Configure(ctx, []byte(settings), slog.LevelDebug)
}

// Setup calls the output's Setup.
func (c *Conn) Setup(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return c.client.Setup(ctx)
}

// Open calls the output's Open.
func (c *Conn) Open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return c.client.Open(ctx)
}

// Write calls the output's Write, with ctx's deadline, or 10 s.
func (c *Conn) Write(ctx context.Context, hits []plugin.Hit) error {
	timeout := callTime
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout+callTime)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})()
	return c.client.Write(wait, hits, timeout)
}

// Close calls the output's Close.
func (c *Conn) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return c.client.Close(ctx)
}
