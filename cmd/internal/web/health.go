package web

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/finding"
)

// Health is the answer of /healthz: status 200 when Problems is empty, else 503.
type Health struct {
	Status        string   `json:"status"` // "ok" or "degraded"
	Version       string   `json:"version"`
	UptimeSeconds int64    `json:"uptime_seconds"`
	Problems      []string `json:"problems,omitempty"` // what does not work
	Warnings      []string `json:"warnings,omitempty"` // what works, but not as well as it could, or not for long
}

// health says how the agent is now.
func (s *Server) health() Health {
	h := Health{Status: "ok", Version: s.d.Version, UptimeSeconds: int64(time.Since(s.d.Started).Seconds())}
	for _, f := range s.d.Findings() {
		switch f.Level {
		case finding.Bad:
			h.Status = "degraded"
			h.Problems = append(h.Problems, f.What)
		case finding.Warn:
			h.Warnings = append(h.Warnings, f.What)
		}
	}
	return h
}

// answerHealth answers /healthz. Who is not known hears the status alone, as a load
// balancer needs no more.
func (s *Server) answerHealth(w http.ResponseWriter, known bool) {
	h := s.health()
	code := http.StatusOK
	if len(h.Problems) > 0 {
		code = http.StatusServiceUnavailable
	}
	if !known {
		h = Health{Status: h.Status}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(h) // the client may have gone
}
