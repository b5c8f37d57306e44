package web

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/web/api"
	"github.com/flowhound/flowhound/cmd/internal/web/users"
)

// gate tells who asks, and keeps out who may not.
type gate struct {
	config   Config
	file     *userFile // nil: there is none
	sessions sessions
	tries    tries
	hashing  chan struct{} // holds a token for each password that is being looked at
}

// mostHashing bounds the cores that log-ins keep busy.
const mostHashing = 1

func newGate(c Config) *gate {
	g := &gate{config: c, hashing: make(chan struct{}, mostHashing)}
	if c.Users != "" {
		g.file = &userFile{path: c.Users}
	}
	return g
}

// cookie is the name of the session's cookie. The prefix has browsers take it from
// this host alone, for all of it, and over TLS.
func (g *gate) cookie() string {
	if g.config.TLS.Cert != "" {
		return "__Host-flowhound"
	}
	return "flowhound"
}

// caller returns who sent a request; ok is false where nobody knows.
func (g *gate) caller(r *http.Request, now time.Time) (c users.Caller, ok bool) {
	if !g.config.Authenticates() {
		return users.Caller{Role: users.Viewer}, true
	}
	var all []users.User
	if g.file != nil {
		all, _ = g.file.users(now)
	}
	if name := g.proxied(r); name != "" {
		if u, ok := find(all, name); ok {
			return users.Caller{Name: name, Role: u.Role}, true
		}
		return users.Caller{Name: name, Role: users.Viewer}, true
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		u, ok := users.ByToken(all, token)
		return users.Caller{Name: u.Name, Role: u.Role}, ok
	}
	k, err := r.Cookie(g.cookie())
	if err != nil {
		return c, false
	}
	begun, ok := g.sessions.of(k.Value, now)
	if !ok {
		return c, false
	}
	u, ok := find(all, begun.Name)
	if !ok || u.Hash != begun.Hash { // taken out, or with another password
		g.sessions.end(k.Value)
		return c, false
	}
	return users.Caller{Name: u.Name, Role: u.Role}, true
}

// proxied returns the user that a proxy names. Nobody else's word counts.
func (g *gate) proxied(r *http.Request) string {
	if g.config.Proxy.User == "" || !g.fromProxy(r) {
		return ""
	}
	names := r.Header.Values(g.config.Proxy.User)
	if len(names) != 1 || len(names[0]) > 64 { // two: the client's own beside the proxy's
		return ""
	}
	for _, c := range names[0] {
		if c <= ' ' || c > '~' {
			return ""
		}
	}
	return names[0]
}

func (g *gate) fromProxy(r *http.Request) bool {
	a := remote(r)
	for _, p := range g.config.Proxy.From {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func remote(r *http.Request) netip.Addr {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return a.Addr().Unmap().WithZone("")
}

// peer returns whom a log-in counts for: the client of a proxy that says so.
func (g *gate) peer(r *http.Request) netip.Prefix {
	a := remote(r)
	if g.fromProxy(r) {
		// HAProxy adds a line of its own below the client's, others add to the client's.
		all := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if last, err := netip.ParseAddr(strings.TrimSpace(all[len(all)-1])); err == nil {
			a = last.Unmap().WithZone("")
		}
	}
	return peerOf(&net.TCPAddr{IP: a.AsSlice()})
}

// only passes on requests of known callers. Others are asked to log in: people by a
// page, programs by an error.
func (g *gate) only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := g.caller(r, time.Now())
		switch {
		case ok:
			ctx := api.WithStill(api.WithCaller(r.Context(), c), func() bool {
				again, ok := g.caller(r, time.Now())
				return ok && again == c
			})
			next.ServeHTTP(w, r.WithContext(ctx))
		case strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/metrics" || r.Method != http.MethodGet:
			w.Header().Set("WWW-Authenticate", "Bearer")
			api.Refuse(w, http.StatusUnauthorized, "log in, or send a token: flowhound user add NAME --token makes one")
		default:
			to := "/login"
			if r.URL.RequestURI() != "/" {
				to += "?next=" + url.QueryEscape(r.URL.RequestURI())
			}
			http.Redirect(w, r, to, http.StatusSeeOther)
		}
	})
}

// logIn answers POST /api/v1/session.
func (g *gate) logIn(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	if !api.Decode(w, r, &q) {
		return
	}
	if g.file == nil {
		api.Refuse(w, http.StatusNotFound, "nobody logs in here: web.users is not set")
		return
	}
	now, peer := time.Now(), g.peer(r)
	name := q.Name
	if len(name) > 64 { // nobody's, and not to be remembered
		name = name[:64]
	}
	if _, wait := g.tries.left(peer, name, now); wait > 0 {
		tooMany(w, wait)
		return
	}
	if !g.turn(r.Context()) {
		w.Header().Set("Retry-After", "2")
		api.Refuse(w, http.StatusServiceUnavailable, "too many people log in at once; try again")
		return
	}
	defer func() { <-g.hashing }()
	// Those who waited for their turn together may have used up the tries.
	if _, wait := g.tries.left(peer, name, now); wait > 0 {
		tooMany(w, wait)
		return
	}
	all, err := g.file.users(now)
	if err != nil {
		api.Refuse(w, http.StatusServiceUnavailable, "the users' file cannot be read; on the host: flowhound user list says why")
		return
	}
	u, ok := users.ByPassword(all, name, []byte(q.Password))
	if !ok {
		g.tries.wrong(peer, name, now)
		left, wait := g.tries.left(peer, name, now)
		if wait > 0 {
			tooMany(w, wait)
			return
		}
		api.Refuse(w, http.StatusForbidden, fmt.Sprintf("Name or password is wrong. %d tries left, then a pause of a minute.", left))
		return
	}
	g.tries.right(peer)
	http.SetCookie(w, g.newCookie(g.sessions.begin(u, now), int(sessionTime/time.Second)))
	api.Answer(w, r, users.Caller{Name: u.Name, Role: u.Role})
}

// hashTime is how long a log-in waits for those before it.
const hashTime = 5 * time.Second

// turn waits for a place among those whose passwords are looked at: each takes a
// quarter of a second of a core. It reports false when none came free in time.
func (g *gate) turn(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, hashTime)
	defer cancel()
	select {
	case g.hashing <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func tooMany(w http.ResponseWriter, wait time.Duration) {
	s := int(math.Ceil(wait.Seconds()))
	w.Header().Set("Retry-After", strconv.Itoa(s))
	api.Refuse(w, http.StatusTooManyRequests, fmt.Sprintf("Too many tries. Again in %d s.", s))
}

func (g *gate) newCookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure is set where there is TLS; without it browsers would keep no cookie at all
		Name: g.cookie(), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: g.config.TLS.Cert != "", SameSite: http.SameSiteStrictMode,
	}
}

// logOut answers DELETE /api/v1/session.
func (g *gate) logOut(w http.ResponseWriter, r *http.Request) {
	if k, err := r.Cookie(g.cookie()); err == nil {
		g.sessions.end(k.Value)
	}
	http.SetCookie(w, g.newCookie("", -1))
	w.WriteHeader(http.StatusNoContent)
}
