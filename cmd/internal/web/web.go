// Package web serves what the agent shows over HTTP: Prometheus metrics on
// /metrics and the agent's health on /healthz. It asks the agent for both and
// knows nothing of flows itself.
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
)

// Health is the answer of /healthz: status 200 when Problems is empty, else 503.
type Health struct {
	Status        string   `json:"status"` // "ok" or "degraded"; set by the server
	Version       string   `json:"version"`
	UptimeSeconds int64    `json:"uptime_seconds"`
	Problems      []string `json:"problems,omitempty"`
}

// Options are what a Server needs. All fields are required.
type Options struct {
	Listen  string // host:port
	Metrics prometheus.Gatherer
	Health  func() Health // called concurrently
	Log     *slog.Logger
}

// Server is a running HTTP server.
type Server struct {
	http *http.Server
	addr net.Addr
	done chan struct{}
}

// Start listens and serves until Close. It fails when the address cannot be had.
func Start(o Options) (*Server, error) {
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("web.listen: %w", err)
	}
	s := &Server{
		http: &http.Server{
			Handler:           handler(o),
			ReadHeaderTimeout: 5 * time.Second,
			WriteTimeout:      30 * time.Second,
			IdleTimeout:       time.Minute,
			MaxHeaderBytes:    16 << 10,
			ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		},
		addr: ln.Addr(),
		done: make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error("web server stopped", "err", err)
		}
	}()
	return s, nil
}

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.addr }

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
