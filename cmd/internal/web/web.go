// Package web serves what the agent shows over HTTP: pages and the answers behind
// them (package api), Prometheus metrics on /metrics and the agent's health on
// /healthz. It decides who may ask and knows nothing of flows itself. Whoever can
// reach it may take a small part of the process's files and memory, and no more.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"path"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sys/unix"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/metric"
	"github.com/flowhound/flowhound/cmd/internal/web/users"
)

// Options are what a Server needs. All fields but API are required.
type Options struct {
	Config
	API     http.Handler // answers below /api/v1/; nil: there are no pages either
	Metrics prometheus.Gatherer
	Log     *slog.Logger

	// What /healthz tells. Findings is called concurrently, and often: it must not look
	// at many files.
	Version  string
	Started  time.Time
	Findings func() finding.List
}

// Server is a running HTTP server.
type Server struct {
	o       Options
	http    *http.Server
	limiter *limiter
	addr    net.Addr
	done    chan struct{}
}

// Start listens and serves until Close. It fails when the address cannot be had.
func Start(o Options) (*Server, error) {
	if err := ready(&o.Config); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("web.listen: %w", err)
	}
	s := &Server{
		o:       o,
		limiter: newLimiter(ln, min(mostConns, max(1, openFiles()/fileShare))),
		addr:    ln.Addr(),
		done:    make(chan struct{}),
	}
	gate := newGate(o.Config)
	s.http = &http.Server{
		Handler:           s.limiter.answering(knownHosts(o.Listen, o.Hosts).only(guarded(o.TLS.Cert != "", handler(o, gate)))),
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
		serve := func() error { return s.http.Serve(s.limiter) }
		if o.TLS.Cert != "" {
			s.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: (&certificate{files: o.TLS}).get}
			serve = func() error { return s.http.ServeTLS(s.limiter, "", "") }
		}
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error("web server stopped", "err", err)
		}
	}()
	return s, nil
}

// ready looks at the files that the server needs from its first request on.
func ready(c *Config) error {
	if c.TLS.Cert != "" {
		if _, err := tls.LoadX509KeyPair(c.TLS.Cert, c.TLS.Key); err != nil {
			return fmt.Errorf("web.tls: %w", err)
		}
	}
	if c.Users == "" {
		return nil
	}
	all, err := users.Read(c.Users)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(all) == 0:
		return fmt.Errorf("web.users: %s has no users, so nobody could log in; run: flowhound user add NAME", c.Users)
	case err != nil:
		return fmt.Errorf("web.users: %s: %w", c.Users, err)
	}
	return nil
}

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.addr }

// Describe sends nothing: what Collect sends depends on nothing.
func (s *Server) Describe(chan<- *prometheus.Desc) {}

var descProblems = metric.Desc("problems", "Problems that /healthz lists.")

// Collect sends how many connections were dropped for newer ones, and how many problems
// there are.
func (s *Server) Collect(ch chan<- prometheus.Metric) {
	to := metric.To(ch)
	to.Counter(metric.QueueDropped, s.limiter.dropped.Load(), "web")
	to.Gauge(descProblems, float64(len(s.o.health().Problems)))
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

func handler(o Options, g *gate) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", g.only(promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
		MaxRequestsInFlight: 4,
	})))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		_, known := g.caller(r, time.Now())
		o.answerHealth(w, known)
	})
	if o.API == nil {
		return mux
	}
	for name, a := range assets() {
		if path.Ext(name) != ".html" {
			mux.Handle("GET /"+name, a)
		}
	}
	for path, name := range pages {
		mux.Handle("GET "+path, g.only(assets()[name]))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if _, known := g.caller(r, time.Now()); !known {
			http.NotFound(w, r)
			return
		}
		notFound(w, r)
	})
	mux.Handle("GET /login", assets()["login.html"])
	mux.HandleFunc("POST /api/v1/session", g.logIn)
	mux.HandleFunc("DELETE /api/v1/session", g.logOut)
	mux.Handle("/api/", g.only(o.API))
	return mux
}
