// Package web serves what the agent shows over HTTP: Prometheus metrics on
// /metrics and the agent's health on /healthz. It asks the agent for both and
// knows nothing of flows itself. Whoever can reach it may take a small part of the
// process's files and memory, and no more.
package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sys/unix"

	"github.com/flowhound/flowhound/cmd/internal/metric"
)

// Health is the answer of /healthz: status 200 when Problems is empty, else 503.
type Health struct {
	Status        string   `json:"status"` // "ok" or "degraded"; set by the server
	Version       string   `json:"version"`
	UptimeSeconds int64    `json:"uptime_seconds"`
	Problems      []string `json:"problems,omitempty"`
}

// Config is the section web of the configuration.
type Config struct {
	Listen string   `yaml:"listen" validate:"omitempty,host_port"`             // host:port; "": no server
	Hosts  []string `yaml:"hosts,omitempty" validate:"dive,required,dns_name"` // names that people and proxies ask for, beside the machine's own
}

// Options are what a Server needs. All fields are required.
type Options struct {
	Config
	Metrics prometheus.Gatherer
	Health  func() Health // called concurrently
	Log     *slog.Logger
}

// Server is a running HTTP server.
type Server struct {
	http    *http.Server
	limiter *limiter
	addr    net.Addr
	done    chan struct{}
}

// Start listens and serves until Close. It fails when the address cannot be had.
func Start(o Options) (*Server, error) {
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("web.listen: %w", err)
	}
	s := &Server{
		limiter: newLimiter(ln, min(mostConns, max(1, openFiles()/fileShare))),
		addr:    ln.Addr(),
		done:    make(chan struct{}),
	}
	s.http = &http.Server{
		Handler:           s.limiter.answering(knownHosts(o.Listen, o.Hosts).only(handler(o))),
		ConnContext:       s.limiter.inContext,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(s.limiter); !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error("web server stopped", "err", err)
		}
	}()
	return s, nil
}

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.addr }

// Describe sends nothing: what Collect sends depends on nothing.
func (s *Server) Describe(chan<- *prometheus.Desc) {}

// Collect sends how many connections were dropped for newer ones.
func (s *Server) Collect(ch chan<- prometheus.Metric) {
	metric.To(ch).Counter(metric.QueueDropped, s.limiter.dropped.Load(), "web")
}

// openFiles is how many files the process may have open. The Go runtime has raised
// the soft limit to the hard one at the start of the program.
func openFiles() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return fileShare * mostConns
	}
	return int(min(l.Cur, 1<<20))
}

// Close stops the server, giving requests under way until ctx ends.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.done
	return err
}

func handler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
		MaxRequestsInFlight: 4,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		h := o.Health()
		h.Status = "ok"
		code := http.StatusOK
		if len(h.Problems) > 0 {
			h.Status, code = "degraded", http.StatusServiceUnavailable
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(h) // the client may have gone
	})
	return mux
}
