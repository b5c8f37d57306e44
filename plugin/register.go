package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"

	"github.com/flowhound/flowhound/plugin/hit/hitpb"
	"github.com/flowhound/flowhound/plugin/internal/pb"
	"github.com/flowhound/flowhound/plugin/text"
)

// Register adds out to a gRPC server. Serve does it, and the tests of package
// plugintest: an author needs it for a process that is started in another way.
func Register(s grpc.ServiceRegistrar, out Output) {
	pb.RegisterOutputServer(s, newServer(out, new(slog.LevelVar)))
}

// server calls an Output for the host, one call at a time whatever the host does.
type server struct {
	pb.UnimplementedOutputServer
	out     Output
	level   *slog.LevelVar // of the log, as the host wants it
	turn    chan struct{}  // held by the call that is in out, and to read what follows
	state   state
	secrets text.Redactor
}

type state int

const (
	fresh      state = iota
	configured       // Settings are in the Output
	opened           // Open returned nil
	closed           // no call follows
)

func newServer(out Output, level *slog.LevelVar) *server {
	return &server{out: out, level: level, turn: make(chan struct{}, 1)}
}

// call runs f, which calls out, when the calls before it have returned and while
// the state is one of want. A panic is an error: the process lives on.
func (s *server) call(ctx context.Context, f func() error, want ...state) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("an earlier call has not returned yet: %w", ctx.Err())
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			slog.Error("output panicked", "panic", fmt.Sprint(p), "stack", stack())
		}
		<-s.turn
	}()
	for _, w := range want {
		if s.state == w {
			return f()
		}
	}
	return errors.New("called in the wrong order: outputs are configured, opened, written to and closed, in this order")
}

// Configure hands over the settings, and says what is wrong with them.
func (s *server) Configure(ctx context.Context, req *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	_, canSetup := s.out.(Setuper)
	resp := &pb.ConfigureResponse{CanSetup: canSetup, Version: buildVersion()}
	err := s.call(ctx, func() error {
		s.level.Set(slog.Level(req.GetLogLevel()))
		resp.Secrets = secretKeys(s.out)
		s.secrets.Learn(text.SecretsIn(req.GetSettings(), resp.Secrets))
		for _, p := range Configure(s.out, req.GetSettings()) {
			resp.Problems = append(resp.Problems, &pb.Problem{Key: s.secrets.Excerpt(p.Key, maxText), Message: s.secrets.Excerpt(p.Message, maxText)})
		}
		if len(resp.Problems) == 0 {
			s.state = configured
			s.secrets.Learn(secretValues(reflect.ValueOf(s.out), nil))
		}
		return nil
	}, fresh, configured)
	if err != nil {
		resp.Problems = append(resp.Problems, &pb.Problem{Message: s.secrets.Excerpt(err.Error(), maxText)})
	}
	return resp, nil
}

// Setup calls the output's, if it has one.
func (s *server) Setup(ctx context.Context, _ *pb.SetupRequest) (*pb.SetupResponse, error) {
	ctx, cancel := early(ctx)
	defer cancel()
	err := s.call(ctx, func() error {
		o, ok := s.out.(Setuper)
		if !ok {
			return errors.New("this output has nothing to set up")
		}
		return o.Setup(ctx)
	}, configured)
	return &pb.SetupResponse{Failure: s.failure(err)}, nil
}

// Open calls the output's.
func (s *server) Open(ctx context.Context, _ *pb.OpenRequest) (*pb.OpenResponse, error) {
	ctx, cancel := early(ctx)
	defer cancel()
	err := s.call(ctx, func() error {
		err := s.out.Open(ctx)
		if err == nil {
			s.state = opened
		}
		return err
	}, configured)
	return &pb.OpenResponse{Failure: s.failure(err)}, nil
}

// early returns ctx with an earlier deadline: it leaves time for the output's error to
// reach the host, which takes a plugin that does not answer for one that hangs.
func early(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(2*time.Second, time.Until(deadline)/10)))
}

// Write calls the output's, with the deadline that the request names.
func (s *server) Write(ctx context.Context, req *pb.WriteRequest) (*pb.WriteResponse, error) {
	if d := time.Duration(req.GetTimeoutNs()); d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	hits, err := hitpb.ToHits(req.GetHits())
	if err == nil {
		err = s.call(ctx, func() error { return s.out.Write(ctx, hits) }, opened)
	}
	var partial *PartialError
	if !errors.As(err, &partial) {
		return &pb.WriteResponse{Failure: s.failure(err)}, nil
	}
	if len(partial.Errs) != len(hits) {
		err = fmt.Errorf("Write returned %d results for %d hits; this is a bug in the output", len(partial.Errs), len(hits))
		return &pb.WriteResponse{Failure: s.failure(err)}, nil
	}
	resp := &pb.WriteResponse{Items: make([]*pb.Result, len(hits))}
	for i, err := range partial.Errs {
		resp.Items[i] = &pb.Result{Failure: s.failure(err)}
	}
	return resp, nil
}

// Close calls the output's, once.
func (s *server) Close(ctx context.Context, _ *pb.CloseRequest) (*pb.CloseResponse, error) {
	ctx, cancel := early(ctx)
	defer cancel()
	return &pb.CloseResponse{Failure: s.failure(s.end(ctx))}, nil
}

// end closes the output, unless it was never opened or is closed already.
func (s *server) end(ctx context.Context) error {
	return s.call(ctx, func() error {
		was := s.state
		s.state = closed
		if was != opened {
			return nil
		}
		return s.out.Close(ctx)
	}, fresh, configured, opened, closed)
}

// failure is err as a message: nil for nil.
func (s *server) failure(err error) *pb.Failure {
	if err == nil {
		return nil
	}
	f := &pb.Failure{Message: s.secrets.Excerpt(err.Error(), maxText), Permanent: IsPermanent(err)}
	var later *RetryAfterError
	if errors.As(err, &later) {
		f.RetryAfterNs = int64(max(later.After, 0))
	}
	return f
}

// maxText is how many bytes of an error's text cross the wire: a page that a
// server answered with is not for a log line.
const maxText = 1024

// stack is where a panic was, short enough for a line of the log.
func stack() string {
	s := debug.Stack()
	return string(s[:min(len(s), 4<<10)])
}

func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}
