package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/flowhound/flowhound/plugin/text"
)

// secrets are the values that no error may print.
func (r *Request) secrets() []string {
	out := text.SecretsOf(r.URL)
	for _, values := range r.Secret {
		for _, v := range values {
			out = append(out, v)
			if _, token, ok := strings.Cut(v, " "); ok { // "Bearer ..."
				out = append(out, token)
			}
		}
	}
	return out
}

// isSecret reports whether the request holds what no other host may have.
func (r *Request) isSecret() bool {
	u, err := url.Parse(r.URL)
	return len(r.Secret) > 0 || r.Body != nil || err == nil && u.User != nil
}

const maxRedirects = 5

// redirect decides whether a redirect is followed. The HTTP library would send
// headers like X-OTX-API-KEY on to any host.
func redirect(req *http.Request, via []*http.Request) error {
	first, last := via[0], via[len(via)-1]
	// It names the page before, and with it keys in its path or query.
	req.Header.Del("Referer")
	g, _ := req.Context().Value(guardKey{}).(*guard)
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("%w: more than %d in a row", ErrRedirect, maxRedirects)
	case req.URL.Scheme != "https" && req.URL.Scheme != "http":
		return fmt.Errorf("%w: neither to http nor to https", ErrRedirect)
	case last.URL.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("%w: from https down to http at %s", ErrRedirect, req.URL.Host)
	case g.secret && (req.URL.Host != first.URL.Host || req.URL.Scheme != first.URL.Scheme):
		return fmt.Errorf("%w: the key for %s must not go to %s://%s; if it should, set url to that address",
			ErrRedirect, first.URL.Host, req.URL.Scheme, req.URL.Host)
	}
	return nil
}

// CheckURL says what keeps raw from being fetched; the error does not print it.
func CheckURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "":
		return errors.New("is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("begins with neither https:// nor http://")
	}
	return nil
}

// Redact returns a URL as the errors of this package print it: without keys.
func Redact(raw string) string { return text.URL(raw) }
