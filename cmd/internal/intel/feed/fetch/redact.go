package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// hidden stands for what is not printed.
const hidden = "<secret>"

// Redact returns a URL fit for logs and errors: without user and password, the
// values of its query, its fragment, and elements of its path that look like
// keys. What is no URL becomes "<secret>" as a whole.
func Redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return hidden
	}
	var b strings.Builder
	b.WriteString(u.Scheme + "://")
	if u.User != nil {
		b.WriteString(hidden + "@")
	}
	b.WriteString(u.Host)
	elements := strings.Split(u.EscapedPath(), "/")
	for i, e := range elements {
		if looksSecret(e) {
			elements[i] = hidden
		}
	}
	b.WriteString(strings.Join(elements, "/"))
	if u.RawQuery != "" {
		for i, pair := range strings.Split(u.RawQuery, "&") {
			name, _, isPair := strings.Cut(pair, "=")
			if !isPair {
				name = "" // a query without a name may be the key itself
			}
			b.WriteString(string("?&"[min(i, 1)]) + name + "=" + hidden)
		}
	}
	return b.String()
}

// looksSecret tells keys from names of files: 16 characters or more without a dot
// and with a digit.
func looksSecret(e string) bool {
	return len(e) >= 16 && !strings.Contains(e, ".") && strings.ContainsAny(e, "0123456789")
}

// secrets are the values that no error may print. Short ones are left alone:
// they would blot out common words.
func (r *Request) secrets() []string {
	var out []string
	add := func(s string) {
		if len(s) >= 4 {
			out = append(out, s)
		}
	}
	for _, values := range r.Secret {
		for _, v := range values {
			add(v)
			if _, token, ok := strings.Cut(v, " "); ok { // "Bearer ..."
				add(token)
			}
		}
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return append(out, r.URL)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		add(u.User.Username())
		add(password)
		add(u.User.String())
	}
	for _, e := range strings.Split(u.EscapedPath(), "/") {
		if looksSecret(e) {
			add(e)
		}
	}
	for _, values := range u.Query() {
		for _, v := range values {
			if len(v) >= 8 {
				add(v)
				add(url.QueryEscape(v))
			}
		}
	}
	return out
}

func scrub(text string, secrets []string) string {
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, hidden)
	}
	return text
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
		return errors.New("is no URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("begins with neither https:// nor http://")
	}
	return nil
}
