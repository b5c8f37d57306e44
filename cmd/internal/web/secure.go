package web

import (
	"crypto/tls"
	"net/http"
	"os"
	"sync"
	"time"
)

// policy lets a page use what this server sends and nothing else, and has the browser
// refuse to make HTML or script of a string.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// guarded sets what browsers guard a page by, and refuses what other sites send.
func guarded(overTLS bool, next http.Handler) http.Handler {
	headers := map[string]string{
		"Content-Security-Policy":      policy,
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"X-Frame-Options":              "DENY",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy":           "camera=(), geolocation=(), microphone=()",
	}
	if overTLS {
		headers["Strict-Transport-Security"] = "max-age=15552000"
	}
	own := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for k, v := range headers {
			w.Header().Set(k, v)
		}
		own.ServeHTTP(w, r)
	})
}

// certificate reads a certificate and its key again when they have changed: those of
// ACME live for weeks.
type certificate struct {
	files TLS

	mu     sync.Mutex
	looked time.Time
	stamps [2]time.Time
	now    *tls.Certificate
}

// get is what a tls.Config asks. A certificate that cannot be read leaves the one so
// far in use.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now != nil && time.Since(c.looked) < 10*lookEvery {
		return c.now, nil
	}
	c.looked = time.Now()
	stamps := [2]time.Time{modified(c.files.Cert), modified(c.files.Key)}
	if c.now != nil && stamps == c.stamps {
		return c.now, nil
	}
	read, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	switch {
	case err == nil:
		c.now, c.stamps = &read, stamps
	case c.now == nil:
		return nil, err
	}
	return c.now, nil
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
