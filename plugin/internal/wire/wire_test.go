package wire

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/internal/pb"
)

// liar is a plugin that was not made with the SDK.
type liar struct {
	pb.UnimplementedOutputServer
	write     func(*pb.WriteRequest) (*pb.WriteResponse, error)
	configure *pb.ConfigureResponse
}

func (l *liar) Write(_ context.Context, req *pb.WriteRequest) (*pb.WriteResponse, error) {
	return l.write(req)
}

func (l *liar) Configure(context.Context, *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	return l.configure, nil
}

func dial(t *testing.T, l *liar) *Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	pb.RegisterOutputServer(s, l)
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(s.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(pb.MaxAnswer)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return New(conn)
}

func TestNonsense(t *testing.T) {
	for name, c := range map[string]struct {
		resp *pb.WriteResponse
		err  error
		want string
		lost bool
	}{
		"nothing said":       {resp: &pb.WriteResponse{}, want: "<nil>"},
		"all delivered":      {resp: &pb.WriteResponse{Items: []*pb.Result{{}, {}, {}}}, want: "<nil>"},
		"too few":            {resp: &pb.WriteResponse{Items: make([]*pb.Result, 2)}, want: "the plugin returned 2 results for 3 hits; this is a bug in the plugin"},
		"too many":           {resp: &pb.WriteResponse{Items: make([]*pb.Result, 4000)}, want: "the plugin returned 4000 results for 3 hits; this is a bug in the plugin"},
		"giant":              {resp: &pb.WriteResponse{Failure: &pb.Failure{Message: strings.Repeat("x", 2<<20)}}, want: "no answer from the plugin: grpc: received message larger than max (2097162 vs. 1048576) (ResourceExhausted)", lost: true},
		"long":               {resp: &pb.WriteResponse{Failure: &pb.Failure{Message: strings.Repeat("x", 10000)}}, want: strings.Repeat("x", maxText) + "..."},
		"escapes":            {resp: &pb.WriteResponse{Failure: &pb.Failure{Message: "a\x1b[31m\nb\u202ec"}}, want: "a [31m bc"},
		"own error of gRPC":  {err: errors.New("odd\n"), want: "no answer from the plugin: odd (Unknown)", lost: true},
		"negative patience":  {resp: &pb.WriteResponse{Failure: &pb.Failure{Message: "x", RetryAfterNs: -1}}, want: "x"},
		"permanent and more": {resp: &pb.WriteResponse{Items: []*pb.Result{nil, {Failure: &pb.Failure{Message: "x", Permanent: true, RetryAfterNs: 1}}, nil}}, want: "1 of 3 hits: x"},
	} {
		t.Run(name, func(t *testing.T) {
			client := dial(t, &liar{write: func(*pb.WriteRequest) (*pb.WriteResponse, error) { return c.resp, c.err }})
			err := client.Write(t.Context(), make([]plugin.Hit, 3), time.Second)
			got := "<nil>"
			if err != nil {
				got = err.Error()
			}
			var lost *Lost
			if got != c.want || errors.As(err, &lost) != c.lost {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestLostInHalves: a batch too large for one message is lost as a whole when one
// of its messages is, so that a plugin that hangs in the second one looks hung.
func TestLostInHalves(t *testing.T) {
	messages := 0
	client := dial(t, &liar{write: func(*pb.WriteRequest) (*pb.WriteResponse, error) {
		if messages++; messages == 2 {
			return nil, errors.New("gone")
		}
		return &pb.WriteResponse{}, nil
	}})
	hits := make([]plugin.Hit, 3)
	for i := range hits {
		hits[i].Name = strings.Repeat("x", pb.MaxMessage/2)
	}
	err := client.Write(t.Context(), hits, time.Minute)
	var lost *Lost
	if !errors.As(err, &lost) || messages != 2 {
		t.Errorf("%d messages, %v", messages, err)
	}
}

func TestConfigureIsBounded(t *testing.T) {
	client := dial(t, &liar{configure: &pb.ConfigureResponse{
		Problems: make([]*pb.Problem, 5000), Secrets: make([]string, 5000), Version: "v1\n",
	}})
	conf, err := client.Configure(t.Context(), nil, slog.LevelInfo)
	if err != nil || len(conf.Problems) != maxList || len(conf.Secrets) != maxList || conf.Version != "v1" {
		t.Errorf("%d problems, %d secrets, version %q, %v", len(conf.Problems), len(conf.Secrets), conf.Version, err)
	}
}

func TestWriteCarriesTheDeadline(t *testing.T) {
	var got time.Duration
	client := dial(t, &liar{write: func(req *pb.WriteRequest) (*pb.WriteResponse, error) {
		got = time.Duration(req.GetTimeoutNs())
		return &pb.WriteResponse{}, nil
	}})
	if err := client.Write(t.Context(), make([]plugin.Hit, 1), time.Minute); err != nil || got > time.Minute || got < 50*time.Second {
		t.Errorf("%v, %v", got, err)
	}
	if err := client.Write(t.Context(), make([]plugin.Hit, 1), -time.Minute); err != nil || got != 1 {
		t.Errorf("of a deadline that has passed: %v, %v", got, err)
	}
}

func TestPluginWithoutTheCalls(t *testing.T) {
	client := dial(t, &liar{})
	for name, call := range map[string]func(context.Context) error{"setup": client.Setup, "open": client.Open, "close": client.Close} {
		var lost *Lost
		if err := call(t.Context()); !errors.As(err, &lost) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
