package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/flowhound/flowhound/plugin/internal/pb"
	"github.com/flowhound/flowhound/plugin/text"
)

// lastWords is how long an output may take to close when flowhound has died.
const lastWords = 2 * time.Second

// Serve makes the program the output out. It is all that main does, and it
// returns when flowhound has stopped the output. Started by hand, it prints what the
// program is and its settings, and exits with 2.
//
// It gives the process a slog.Default (and log.Default) that writes to
// flowhound's log, ignores the signals that ask a process to end, as flowhound
// ends it when the last hit is delivered, and ends the process when flowhound is
// gone. What is printed to os.Stdout and os.Stderr reaches the log, too.
func Serve(out Output) {
	handshake := pb.Handshake()
	if os.Getenv(handshake.MagicCookieKey) != handshake.MagicCookieValue {
		about(os.Stderr, os.Args[0], out)
		os.Exit(2)
	}
	level := new(slog.LevelVar)
	s := newServer(out, level)
	slog.SetDefault(slog.New(logHandler(os.Stderr, level, &s.secrets)))
	if os.Getenv("PLUGIN_CLIENT_CERT") == "" {
		fail(errors.New("flowhound has not sent its certificate"))
	}
	alone, err := lifeline()
	if err != nil {
		fail(err)
	}
	ignoreSignals()

	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  handshake,
		VersionedPlugins: map[int]goplugin.PluginSet{pb.Version: {pb.Name: &served{server: s}}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			g := grpc.NewServer(opts...)
			go endWith(alone, s, g)
			return g
		},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr, JSONFormat: true}),
	})
}

func fail(err error) {
	slog.Error("cannot start", "error", err)
	os.Exit(1)
}

// lifeline returns the pipe that flowhound holds the other end of.
func lifeline() (*os.File, error) {
	fd, err := strconv.Atoi(os.Getenv(pb.LifelineEnv))
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s does not name the pipe that signals the end of flowhound", pb.LifelineEnv)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, true); err != nil { // so that waiting for it takes no thread
		return nil, fmt.Errorf("%s=%d: %w", pb.LifelineEnv, fd, err)
	}
	return os.NewFile(uintptr(fd), "lifeline"), nil
}

// endWith ends the process soon after the lifeline does: Close is called, if the
// output comes to it in time, and the socket removed.
func endWith(alone *os.File, s *server, g *grpc.Server) {
	_, _ = io.Copy(io.Discard, alone)
	time.AfterFunc(lastWords+time.Second, func() { os.Exit(1) })
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	_ = s.end(ctx) // there is nobody left to tell
	g.Stop()       // Serve returns
}

// ignoreSignals keeps the process alive when its whole control group or terminal
// is told to end: flowhound has hits to deliver still. The signals are caught
// rather than ignored, as programs that the output starts would inherit that.
func ignoreSignals() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
}

// served is a server as go-plugin wants it.
type served struct {
	goplugin.NetRPCUnsupportedPlugin
	server *server
}

// GRPCServer adds the output to g.
func (p *served) GRPCServer(_ *goplugin.GRPCBroker, g *grpc.Server) error {
	pb.RegisterOutputServer(g, p.server)
	return nil
}

// GRPCClient is for the host's side only.
func (p *served) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("not a client")
}

// logHandler writes what go-plugin's hosts read: hclog's JSON, a line each, on w.
func logHandler(w io.Writer, level slog.Leveler, secrets *text.Redactor) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return withoutSecrets(secrets, a)
		}
		switch a.Key {
		case slog.TimeKey:
			a.Key = "@timestamp"
		case slog.LevelKey:
			return slog.String("@level", strings.ToLower(a.Value.String()))
		case slog.MessageKey:
			a.Key = "@message"
		}
		return withoutSecrets(secrets, a)
	}})
}
