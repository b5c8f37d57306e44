package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/flowhound/flowhound/plugin/internal/pb"
	"github.com/flowhound/flowhound/plugin/internal/wire"
	"github.com/flowhound/flowhound/plugin/text"
)

// errEnded says that the process ended by itself; explain says how.
var errEnded = errors.New("exited")

// process is one running plugin. go-plugin does the handshake and the encrypted
// connection; starting and ending the process and reading what it prints is done
// here (run.go), as go-plugin's Kill waits without end for a plugin that hangs.
type process struct {
	times  times
	run    *run
	dir    string // of its socket
	client *goplugin.Client
	output *wire.Client
	conn   *grpc.ClientConn
	doomed chan error // why it must be ended
	late   bool       // it did not shake hands in time
}

// start starts the plugin and returns when it has shaken hands. Its socket is in
// dir, which is emptied first and removed when it ends.
func start(ctx context.Context, o Options, dir string, t times) (*process, error) {
	bin, err := find(o.Dir, o.Type, o.SHA256)
	if err != nil {
		return nil, err
	}
	defer bin.file.Close()
	if err := makeSocketDir(dir); err != nil {
		return nil, err
	}
	p := &process{times: t, run: newRun(bin, dir, o), dir: dir, doomed: make(chan error, 1)}
	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  pb.Handshake(),
		VersionedPlugins: map[int]goplugin.PluginSet{pb.Version: {pb.Name: grpcOnly{}}},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			return p.run, p.run.prepare(cmd.Env)
		},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     2 * t.start, // connect has the deadline
		SyncStdout:       p.run.log.printed(),
		SyncStderr:       p.run.log.printed(),
		Logger:           hclog.NewNullLogger(), // it tells nothing that is not said here
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: dir},
		GRPCDialOptions:  []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(pb.MaxAnswer))},
	})
	if err := p.connect(ctx); err != nil {
		p.end()
		return nil, p.startError(ctx, err)
	}
	return p, nil
}

// connect starts the process and shakes hands. go-plugin's own deadline does not
// cover all of it.
func (p *process) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.times.start)
	defer cancel()
	defer context.AfterFunc(ctx, p.run.kill)()
	defer func() { p.late = errors.Is(ctx.Err(), context.DeadlineExceeded) }()
	if _, err := p.client.Start(); err != nil {
		return err
	}
	c, err := p.client.Client()
	if err != nil {
		return err
	}
	p.conn = c.(*goplugin.GRPCClient).Conn
	p.output = wire.New(p.conn)
	return p.healthy(ctx, p.times.start)
}

// handshake is what a plugin prints first.
var handshake = text.Pattern(`^\d+\|(\d+)\|unix\|`)

// startError says in plain words why the plugin did not start.
func (p *process) startError(ctx context.Context, err error) error {
	first := p.run.firstLine()
	m := handshake().FindStringSubmatch(first)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("start of %s: %w", p.run.path, ctx.Err())
	case p.run.startErr != nil:
		return fmt.Errorf("%s cannot be executed: %w", p.run.path, p.run.startErr)
	case first != "" && m == nil:
		return fmt.Errorf("%s printed %.100q before it was ready; a plugin prints nothing before plugin.Serve, and logs with slog", p.run.path, first)
	case m != nil && m[1] != fmt.Sprint(pb.Version):
		return fmt.Errorf("%s speaks version %.9s of the plugin protocol, this flowhound speaks %d; upgrade the older of the two", p.run.path, m[1], pb.Version)
	case p.late:
		return fmt.Errorf("%s did not complete the handshake within %v", p.run.path, p.times.start)
	case first == "":
		return p.explain(fmt.Errorf("%s exited before it was ready", p.run.path))
	}
	return p.explain(fmt.Errorf("%s cannot be reached: %w", p.run.path, err))
}

// explain adds to err how the process ended and its last words, if it ended by
// itself.
func (p *process) explain(err error) error {
	var lost *wire.Lost
	if err == nil || !errors.Is(err, errEnded) && !errors.As(err, &lost) && p.run.killed.Load() {
		return err
	}
	if !p.run.killed.Load() {
		err = fmt.Errorf("%w (%s)", err, p.run.status())
	}
	if words := p.run.log.lastWords(); words != "" {
		err = fmt.Errorf("%w: %s", err, words)
	}
	return err
}

func (p *process) pid() int { return p.run.pid }

// call calls f with the deadline of calls that are no Write.
func (p *process) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.times.call)
	defer cancel()
	return f(ctx)
}

func (p *process) configure(ctx context.Context) (conf wire.Config, err error) {
	err = p.call(ctx, func(ctx context.Context) error {
		conf, err = p.output.Configure(ctx, p.run.opts.Settings, logLevel(p.run.opts.log()))
		p.run.log.secrets.Learn(text.SecretsIn(p.run.opts.Settings, conf.Secrets))
		return err
	})
	return conf, err
}

// healthy asks the plugin whether it is alive. A hung process does not answer.
func (p *process) healthy(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	r, err := grpc_health_v1.NewHealthClient(p.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: goplugin.GRPCServiceName})
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("hangs: it did not answer the health check within %v", within)
	case err != nil:
		return &wire.Lost{Err: err}
	case r.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING:
		return fmt.Errorf("reports the health status %v", r.GetStatus())
	}
	return nil
}

// condemn has the process ended, for the reason of err.
func (p *process) condemn(err error) {
	select {
	case p.doomed <- err:
	default:
	}
}

// stop closes the output until ctx ends, or for the usual time, and ends the
// process. It returns the error of Close.
func (p *process) stop(ctx context.Context) error {
	var err error
	if !p.run.ended() {
		if _, ok := ctx.Deadline(); !ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, p.times.stop)
			defer cancel()
		}
		err = p.output.Close(ctx)
		p.run.closeLifeline()
		p.run.endsWithin(ctx, p.times.exit)
	}
	p.end()
	return err
}

// end ends the process, by force if need be, and removes what it leaves behind.
func (p *process) end() {
	p.run.kill()
	if p.run.started() {
		<-p.run.done
	}
	p.client.Kill() // the process is gone: this ends go-plugin's goroutines and connection
	p.run.close()
	_ = os.RemoveAll(p.dir)
}

// grpcOnly tells go-plugin that there is something to talk to; process does the
// talking.
type grpcOnly struct {
	goplugin.NetRPCUnsupportedPlugin
}

// GRPCServer is for the plugin's side only.
func (grpcOnly) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error {
	return errors.New("not a server")
}

// GRPCClient returns nothing, as it is not asked.
func (grpcOnly) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("not used")
}

// maxSocketPath is the longest path of a unix socket on Linux.
const maxSocketPath = 107

// makeSocketDir makes dir an empty directory that nobody else can look into.
func makeSocketDir(dir string) error {
	if n := len(dir) + len("/plugin4294967295"); n > maxSocketPath {
		return fmt.Errorf("the path of the plugin's socket in %s would have %d bytes, and the limit is %d; use a shorter run_dir", dir, n, maxSocketPath)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("clean up the socket directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create the socket directory: %w", err)
	}
	return nil
}

// cleanEnv is what of flowhound's environment a plugin gets: not its secrets.
func cleanEnv() []string {
	var env []string
	for _, name := range []string{"PATH", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"} {
		for _, name := range []string{name, strings.ToLower(name)} {
			if v, ok := os.LookupEnv(name); ok {
				env = append(env, name+"="+v)
			}
		}
	}
	return env
}
