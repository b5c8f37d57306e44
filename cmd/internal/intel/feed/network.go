package feed

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/plugin/retry"
)

const (
	// defaultShrink is how much of its indicators, in percent, a feed may lose at
	// once, and shrinkFrom from how many on that is looked at.
	defaultShrink = 50
	shrinkFrom    = 100

	// firstRetry is how long after a failed fetch the next one comes; each further
	// failure doubles it, up to the feed's own schedule.
	firstRetry = time.Minute
)

// network is what is known of a feed that is fetched. After Load it belongs to the
// feed's goroutine.
type network struct {
	docs         []ingest.Document
	folder       string // of its own
	every, least time.Duration
	shrink       int // percent

	saved saved
	due   time.Time    // of the next fetch; on the monotonic clock, which does not jump
	fresh time.Time    // when it was last known to be the newest, likewise; zero: never
	kick  chan *update // receives what Update wants
}

func newNetwork(c *Source, t *Type, folder string) *network {
	n := &network{
		docs: t.At(c.URL, c.hasKey()), folder: folder,
		every: t.Every, least: t.Least, shrink: defaultShrink, kick: make(chan *update),
		saved: saved{Version: savedVersion, Type: t.Name},
	}
	if c.Every > 0 {
		n.every = max(c.Every, t.Least)
	}
	if c.MaxShrink > 0 {
		n.shrink = c.MaxShrink
	}
	return n
}

// redacted is where the feed is had, without keys.
func (s *source) redacted() string {
	switch {
	case len(s.net.docs) > 0:
		return redact(s.net.docs[0].URL)
	case s.cfg.URL != "":
		return redact(s.cfg.URL)
	}
	return s.typ.Server
}

// redact keeps {key}, which is none.
func redact(u string) string {
	const stand = "the-key.in-its-place"
	u = fetch.Redact(strings.ReplaceAll(u, ingest.Key, stand))
	return strings.ReplaceAll(u, stand, ingest.Key)
}

// staleAfter is how old a feed's version may be before it is stale.
func (n *network) staleAfter() time.Duration { return max(3*n.every, time.Hour) }

// next is when to fetch again after a success: the schedule, give or take a tenth,
// so that not all who use a feed ask for it at one moment.
func (n *network) next() time.Duration {
	return n.every*9/10 + rand.N(n.every/5+1) //nolint:gosec // jitter is not a secret
}

// retry is when to fetch again after failures in a row, the last of which was err:
// not before the server wants it (asked), and where it rejected us, not before a
// fetch would be due at the earliest.
func (n *network) retry(failures int, err error) (wait time.Duration, asked bool) {
	wait = retry.Backoff{First: firstRetry, Most: n.every}.After(failures)
	var status *fetch.StatusError
	if errors.As(err, &status) {
		if status.Code < 500 {
			wait = max(wait, n.least)
		}
		asked = status.RetryAfter >= wait
		wait = max(wait, status.RetryAfter)
	}
	return wait + rand.N(wait/10+1), asked //nolint:gosec // jitter is not a secret
}

// age is how old a time on the wall clock is, 0 for one in the future: then a clock
// has jumped, and it cannot be known.
func age(t, now time.Time) time.Duration { return max(now.Sub(t), 0) }

// resume sets the schedule by what a former run left. What it says is not trusted
// where it lies in the future.
func (n *network) resume(now time.Time) {
	s := &n.saved
	n.due = now
	if !s.Fresh.IsZero() {
		n.fresh = now.Add(-age(s.Fresh, now))
	}
	if !s.Attempt.IsZero() && !s.Attempt.After(now) {
		if s.Failures == 0 {
			n.due = now.Add(n.every - age(s.Attempt, now))
		}
		if s.NotBefore.After(now) && s.NotBefore.Sub(s.Attempt) <= maxNotBefore {
			n.due = now.Add(s.NotBefore.Sub(now))
		}
	}
	if n.due.Before(now) {
		n.due = now
	}
	if n.due.Equal(now) && !n.fresh.IsZero() { // there is something to use: do not crowd the start
		n.due = now.Add(rand.N(min(n.every/10, 10*time.Second))) //nolint:gosec // jitter is not a secret
	}
}

// maxNotBefore is the longest wait that a server's word is taken for, as in
// package fetch.
const maxNotBefore = 8 * 24 * time.Hour

func (c *Source) hasKey() bool { return c.Key != "" || c.KeyFile != "" }

// maxKey is the longest key, in bytes.
const maxKey = 4096

// key returns the key, read anew so that one can be changed at any time; "" where
// none is configured. The error does not tell it.
func (c *Source) key() (string, error) { return secret(c.Key, c.KeyFile) }

// password is key for the password.
func (c *Source) password() (string, error) { return secret(c.Password, c.PasswordFile) }

func secret(text, file string) (string, error) {
	if file != "" {
		var err error
		if text, err = readKey(file); err != nil {
			return "", err
		}
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", errors.New("the key or password must be one line of printable ASCII")
	}
	return text, nil
}

// errNoKey says how to get a key.
func errNoKey(t *Type) error {
	return fmt.Errorf("needs a key: see %s and set api_key_file", t.Page)
}

func readKey(path string) (string, error) {
	file, _, err := openUpTo(path, 64<<10)
	if err != nil {
		return "", fmt.Errorf("key: %w", err)
	}
	defer func() { _ = file.Close() }()
	b, err := io.ReadAll(io.LimitReader(file, maxKey+1))
	key := strings.TrimSpace(string(b))
	switch {
	case err != nil:
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return "", fmt.Errorf("key: %s: %w", path, err)
	case len(b) > maxKey:
		return "", fmt.Errorf("key: %s is too long to be a key", path)
	case key == "":
		return "", fmt.Errorf("key: %s is empty: put the key into it", path)
	}
	return key, nil
}

// request is how document i is asked for.
func (s *source) request(i int, key string) (fetch.Request, error) {
	d := &s.net.docs[i]
	r := fetch.Request{Method: d.Method, URL: d.URL, Validators: s.net.saved.document(i, d).Validators}
	if strings.Contains(r.URL, ingest.Key) || s.typ.Key == NeedsKey && s.cfg.URL == "" {
		if key == "" {
			return r, errNoKey(&s.typ)
		}
	}
	r.URL = strings.ReplaceAll(r.URL, ingest.Key, url.PathEscape(key))
	if d.Header != "" && key != "" {
		r.Secret = http.Header{d.Header: {key}}
	}
	if d.Body != "" {
		r.Body = []byte(d.Body)
		r.Header = http.Header{"Content-Type": {d.ContentType}}
	}
	if !s.net.holds(i) {
		r.Validators = fetch.Validators{} // there is nothing that could be unchanged
	}
	return r, nil
}

// document is the file of document i's last good copy.
func (n *network) document(i int) string { return fmt.Sprintf("%s/document-%d", n.folder, i) }

// holdsAny reports whether there is a last good copy of any document.
func (n *network) holdsAny() bool {
	for i := range n.docs {
		if n.holds(i) {
			return true
		}
	}
	return false
}

// holds reports whether there is a last good copy of document i.
func (n *network) holds(i int) bool {
	info, err := os.Stat(n.document(i))
	return err == nil && info.Mode().IsRegular()
}
