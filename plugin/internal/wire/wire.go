// Package wire is the agent's side of the connection to an output plugin: it calls
// the plugin and returns what it says in the words of package plugin. It starts no
// process and never retries.
package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit/hitpb"
	"github.com/flowhound/flowhound/plugin/internal/pb"
	"github.com/flowhound/flowhound/plugin/text"
)

// Client calls the one output behind a connection. Its methods may be called
// concurrently; the plugin takes one call after the other.
type Client struct{ rpc pb.OutputClient }

// New returns a Client on conn, which stays the caller's.
func New(conn grpc.ClientConnInterface) *Client { return &Client{pb.NewOutputClient(conn)} }

// Lost is an error of the connection, not of the output: the plugin did not answer.
type Lost struct{ Err error }

// Error says that there was no answer, and why.
func (l *Lost) Error() string { return "no answer from the plugin: " + reason(l.Err) }

// Unwrap returns the error of the connection.
func (l *Lost) Unwrap() error { return l.Err }

// reason is err without gRPC's own words, where it has any.
func reason(err error) string {
	if s, ok := status.FromError(err); ok {
		return text.Excerpt(fmt.Sprintf("%s (%s)", s.Message(), s.Code()), maxText)
	}
	return err.Error()
}

// Config is what a plugin says of itself and of the settings it was given.
type Config struct {
	Problems []plugin.Problem // none: the settings are fine
	Secrets  []string         // dotted names of the settings that must not be shown
	CanSetup bool             // the output is a plugin.Setuper
	Version  string           // of the plugin
}

// maxList bounds the lists that a plugin answers with.
const maxList = 1000

// Configure hands the output its settings, a JSON object, and the level from
// which the log wants its records.
func (c *Client) Configure(ctx context.Context, settings []byte, level slog.Level) (Config, error) {
	r, err := c.rpc.Configure(ctx, &pb.ConfigureRequest{Settings: settings, LogLevel: int32(level)})
	if err != nil {
		return Config{}, &Lost{err}
	}
	conf := Config{CanSetup: r.GetCanSetup(), Version: text.Excerpt(r.GetVersion(), maxText)}
	for _, p := range r.GetProblems()[:min(len(r.GetProblems()), maxList)] {
		conf.Problems = append(conf.Problems, plugin.Problem{Key: text.Excerpt(p.GetKey(), maxText), Message: text.Excerpt(p.GetMessage(), maxText)})
	}
	for _, s := range r.GetSecrets()[:min(len(r.GetSecrets()), maxList)] {
		conf.Secrets = append(conf.Secrets, text.Excerpt(s, maxText))
	}
	return conf, nil
}

// Setup calls the output's Setup.
func (c *Client) Setup(ctx context.Context) error {
	r, err := c.rpc.Setup(ctx, &pb.SetupRequest{})
	if err != nil {
		return &Lost{err}
	}
	return failure(r.GetFailure())
}

// Open calls the output's Open.
func (c *Client) Open(ctx context.Context) error {
	r, err := c.rpc.Open(ctx, &pb.OpenRequest{})
	if err != nil {
		return &Lost{err}
	}
	return failure(r.GetFailure())
}

// Close calls the output's Close.
func (c *Client) Close(ctx context.Context) error {
	r, err := c.rpc.Close(ctx, &pb.CloseRequest{})
	if err != nil {
		return &Lost{err}
	}
	return failure(r.GetFailure())
}

// Write calls the output's Write and gives it until timeout; the answer is waited
// for until ctx ends, which should be a little later. Hits that are too many for
// one message go in several. The error is nil, plain, Permanent, RetryAfter or
// Partial, as the output's was, or Lost.
func (c *Client) Write(ctx context.Context, hits []plugin.Hit, timeout time.Duration) error {
	return c.write(ctx, hitpb.FromHits(hits), time.Now().Add(timeout))
}

func (c *Client) write(ctx context.Context, hits []*hitpb.Hit, deadline time.Time) error {
	req := &pb.WriteRequest{Hits: hits, TimeoutNs: max(1, int64(time.Until(deadline)))}
	if n := proto.Size(req); n > pb.MaxMessage {
		if len(hits) == 1 {
			return plugin.Permanent(fmt.Errorf("the hit has %d bytes, too many for a message of %d", n, pb.MaxMessage))
		}
		return c.halves(ctx, hits, deadline)
	}
	r, err := c.rpc.Write(ctx, req)
	if err != nil {
		return &Lost{err}
	}
	if err := failure(r.GetFailure()); err != nil || len(r.GetItems()) == 0 {
		return err
	}
	if len(r.GetItems()) != len(hits) {
		return fmt.Errorf("the plugin returned %d results for %d hits; this is a bug in the plugin", len(r.GetItems()), len(hits))
	}
	errs := make([]error, len(hits))
	for i, item := range r.GetItems() {
		errs[i] = failure(item.GetFailure())
	}
	return plugin.Partial(errs)
}

// halves writes hits in two messages, or more, and says of each what became of it.
// When an answer is lost, so is what others said.
func (c *Client) halves(ctx context.Context, hits []*hitpb.Hit, deadline time.Time) error {
	half := len(hits) / 2
	var errs []error
	for _, part := range [][]*hitpb.Hit{hits[:half], hits[half:]} {
		err := c.write(ctx, part, deadline)
		var lost *Lost
		if errors.As(err, &lost) {
			return err
		}
		var partial *plugin.PartialError
		if errors.As(err, &partial) {
			errs = append(errs, partial.Errs...)
			continue
		}
		for range part {
			errs = append(errs, err)
		}
	}
	return plugin.Partial(errs)
}

// failure is what the output's error was.
func failure(f *pb.Failure) error {
	if f == nil {
		return nil
	}
	err := errors.New(text.Excerpt(f.GetMessage(), maxText))
	if f.GetPermanent() {
		err = plugin.Permanent(err)
	}
	if d := f.GetRetryAfterNs(); d > 0 {
		err = plugin.RetryAfter(err, time.Duration(d))
	}
	return err
}

// maxText is how many bytes of a text from a plugin are kept.
const maxText = 2048
