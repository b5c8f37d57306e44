package main

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"sync"
	"time"
)

// sink is a web server that collects the ids of hits, as long as it likes them.
type sink struct {
	addr   string
	server *http.Server
	mu     sync.Mutex
	ids    map[string]int
	mode   string // "": fine; 500; cut: accepts and does not say so
}

var idJSON = regexp.MustCompile(`"id": ?"([a-z0-9]+-\d+)"`)

func newSink(addr string) (*sink, error) {
	s := &sink{ids: map[string]int{}}
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s.addr = listener.Addr().String()
	s.serve(listener)
	return s, nil
}

func (s *sink) serve(l net.Listener) {
	server := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	s.server = server
	go func() { _ = server.Serve(l) }()
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	s.mu.Lock()
	mode := s.mode
	if err == nil && mode != "500" {
		for _, m := range idJSON.FindAllSubmatch(b, -1) {
			s.ids[string(m[1])]++
		}
	}
	s.mu.Unlock()
	switch mode {
	case "500":
		w.WriteHeader(http.StatusInternalServerError)
	case "cut":
		panic(http.ErrAbortHandler)
	}
}

func (s *sink) set(mode string) { s.mu.Lock(); s.mode = mode; s.mu.Unlock() }

// away takes the sink off its port for a while.
func (s *sink) away(d time.Duration) error {
	_ = s.server.Close()
	time.Sleep(d)
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.serve(listener)
	return nil
}

func (s *sink) seen() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]int, len(s.ids))
	for id, n := range s.ids {
		all[id] = n
	}
	return all
}

func (s *sink) close() { _ = s.server.Close() }
