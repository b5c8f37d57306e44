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

// Dependencies are what a Server works with. All fields but API are required.
type Dependencies struct {
	API     http.Handler // answers below /api/v1/; nil: there are no pages either
	Metrics prometheus.Gatherer
	Log     *slog.Logger

	// What /healthz tells. Findings is called concurrently, and often: it must not look
	// at many files. Parts are those that may find something.
	Version  string
	Started  time.Time
	Findings func() finding.List
	Parts    []string
}

// Server serves pages, metrics and health. New makes one, Start has it listen.
type Server struct {
	c       Config
	d       Dependencies
	http    *http.Server
	limiter *limiter
	addr    net.Addr
	done    chan struct{}
}

// New returns a server that does not listen yet.
func New(c Config, d Dependencies) *Server { return &Server{c: c, d: d} }

// Start listens and serves until Stop. It fails when the address cannot be had, and when
// nobody could use the pages.
func (s *Server) Start(context.Context) error {
	if err := ready(&s.c); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", s.c.Listen)
	if err != nil {
		return fmt.Errorf("web.listen: %w", err)
	}
	s.limiter = newLimiter(ln, min(mostConns, max(1, openFiles()/fileShare)))
	s.addr, s.done = ln.Addr(), make(chan struct{})
	s.http = &http.Server{
		Handler:           s.limiter.answering(knownHosts(s.c.Listen, s.c.Hosts).only(guarded(s.c.TLS.Cert != "", s.handler(newGate(s.c))))),
		ConnContext:       s.limiter.inContext,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(s.d.Log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(s.done)
		serve := func() error { return s.http.Serve(s.limiter) }
		if s.c.TLS.Cert != "" {
			s.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: (&certificate{files: s.c.TLS}).get}
			serve = func() error { return s.http.ServeTLS(s.limiter, "", "") }
		}
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			s.d.Log.Error("web server stopped", "err", err)
		}
	}()
	return nil
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

// Addr is the address that the server listens on, once it has started.
func (s *Server) Addr() net.Addr { return s.addr }

// Describe sends nothing: what Collect sends depends on nothing.
func (s *Server) Describe(chan<- *prometheus.Desc) {}

var descProblems = metric.Desc("problems", "Problems that /healthz lists.", "part")

// Collect sends how many connections were dropped for newer ones, and how many problems
// each part has.
func (s *Server) Collect(ch chan<- prometheus.Metric) {
	to := metric.To(ch)
	to.Counter(metric.QueueDropped, s.limiter.dropped.Load(), "web")
	problems := map[string]float64{}
	for _, part := range s.d.Parts {
		problems[part] = 0
	}
	for _, f := range s.d.Findings() {
		if f.Level == finding.Bad {
			problems[f.Part]++
		}
	}
	for part, n := range problems {
		to.Gauge(descProblems, n, part)
	}
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

// Stop ends the server, giving requests under way until ctx ends.
func (s *Server) Stop(ctx context.Context) error {
	if s.http == nil {
		return nil // it never listened
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.done
	return err
}

func (s *Server) handler(g *gate) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", g.only(promhttp.HandlerFor(s.d.Metrics, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(s.d.Log.Handler(), slog.LevelWarn),
		MaxRequestsInFlight: 4,
	})))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		_, known := g.caller(r, time.Now())
		s.answerHealth(w, known)
	})
	if s.d.API == nil {
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
	mux.Handle("/api/", g.only(s.d.API))
	return mux
}
