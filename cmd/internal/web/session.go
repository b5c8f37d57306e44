package web

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/web/users"
)

const (
	mostSessions = 1000
	idleTime     = 12 * time.Hour
	sessionTime  = 7 * 24 * time.Hour
)

// session is a user who has logged in. It ends with the line of the users' file that
// it was begun by.
type session struct {
	user        users.User
	began, used time.Time
}

// sessions are kept in memory: a restart ends them. Their keys are hashes, so that
// nobody who sees the memory of the table can use one.
type sessions struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]session
}

// begin returns the secret of a new session.
func (s *sessions) begin(u users.User, now time.Time) string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails
	secret := base64.RawURLEncoding.EncodeToString(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[[sha256.Size]byte]session{}
	}
	var oldest [sha256.Size]byte
	for key, x := range s.all {
		if x.over(now) {
			delete(s.all, key)
		} else if o, ok := s.all[oldest]; !ok || x.used.Before(o.used) {
			oldest = key
		}
	}
	if len(s.all) >= mostSessions {
		delete(s.all, oldest)
	}
	s.all[sha256.Sum256([]byte(secret))] = session{u, now, now}
	return secret
}

func (x *session) over(now time.Time) bool {
	return now.Sub(x.used) > idleTime || now.Sub(x.began) > sessionTime
}

// of returns the user of a session, and keeps it alive.
func (s *sessions) of(secret string, now time.Time) (users.User, bool) {
	key := sha256.Sum256([]byte(secret))
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.all[key]
	if !ok {
		return users.User{}, false
	}
	if x.over(now) {
		delete(s.all, key)
		return users.User{}, false
	}
	x.used = now
	s.all[key] = x
	return x.user, true
}

func (s *sessions) end(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, sha256.Sum256([]byte(secret)))
}

const (
	// After so many wrong passwords a peer, or a name from anywhere, has to wait.
	mostTries, mostTriesOfName = 5, 20
	tryTime                    = time.Minute
	mostTried                  = 4096 // peers and names that are remembered
)

// tries counts wrong passwords.
type tries struct {
	mu  sync.Mutex
	all map[any]tried // by netip.Prefix of a peer, or string of a name
}

type tried struct {
	n     int
	since time.Time
}

// left returns how many tries a peer has for a name, and how long it must wait where
// it has none.
func (t *tries) left(peer netip.Prefix, name string, now time.Time) (n int, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n = mostTries
	for key, most := range map[any]int{peer: mostTries, name: mostTriesOfName} {
		x, ok := t.all[key]
		if !ok || now.Sub(x.since) >= tryTime {
			continue
		}
		if left := max(0, most-x.n); left < n {
			n = left
		}
		if x.n >= most {
			wait = max(wait, tryTime-now.Sub(x.since))
		}
	}
	return n, wait
}

// wrong counts a wrong password.
func (t *tries) wrong(peer netip.Prefix, name string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[any]tried{}
	}
	if len(t.all) >= mostTried-1 {
		maps.DeleteFunc(t.all, func(_ any, x tried) bool { return now.Sub(x.since) >= tryTime })
	}
	for key := range t.all { // a flood pushes out what it likes, and is counted by name
		if len(t.all) < mostTried-1 {
			break
		}
		delete(t.all, key)
	}
	for _, key := range []any{peer, name} {
		x := t.all[key]
		if now.Sub(x.since) >= tryTime {
			x = tried{since: now}
		}
		x.n++
		t.all[key] = x
	}
}

// right forgets the wrong passwords of a peer.
func (t *tries) right(peer netip.Prefix) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, peer)
}

// userFile is the users' file, read again when it has changed.
type userFile struct {
	path string

	mu      sync.Mutex
	looked  time.Time
	modTime time.Time
	size    int64
	all     []users.User
	err     error
}

// lookEvery is how often the file is looked at, at most.
const lookEvery = time.Second

// users returns those of the file as it is now. A file that cannot be read has none:
// whoever was taken out of it must not come in because a later line is wrong.
func (f *userFile) users(now time.Time) ([]users.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.looked) < lookEvery && !f.looked.IsZero() {
		return f.all, f.err
	}
	f.looked = now
	info, err := os.Stat(f.path)
	if err != nil {
		f.all, f.err, f.modTime = nil, err, time.Time{}
		return nil, err
	}
	if !info.ModTime().Equal(f.modTime) || info.Size() != f.size || f.err != nil {
		f.modTime, f.size = info.ModTime(), info.Size()
		f.all, f.err = users.Read(f.path)
	}
	return f.all, f.err
}

// find returns the user of a name.
func find(all []users.User, name string) (users.User, bool) {
	for _, u := range all {
		if u.Name == name {
			return u, true
		}
	}
	return users.User{}, false
}
