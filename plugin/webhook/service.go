package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/flowhound/flowhound/plugin"
)

// object and list are JSON as encoding/json reads it, so that a message of ours
// and one from a template are measured alike.
type (
	object = map[string]any
	list   = []any
)

// service is what one service wants. The functions that are nil are not needed.
type service struct {
	needs, takes []string // settings it must and may have, beside url and those all have
	how          string   // what the settings chose, for messages
	address      string   // where to post when no url is set
	publicOnly   bool     // the service is in the internet: http:// would be a mistake
	perHit       bool     // an event for each hit, not a message for a batch

	// message is m as the service's document.
	message func(s *settings, m *message) object
	// envelope are the members that a template need not know: they are added to
	// its document and to the service's own where these do not set them.
	envelope func(s *settings, m *message, thread string) object
	// limit is the most that size of a document, or its encoding's bytes when
	// size is nil, may be. bytes bounds the encoding beside it.
	limit, bytes int
	size         func(doc object) int
	// place completes the address.
	place func(s *settings, address, thread string) string
	// headers are added to a request.
	headers func(t *target, m *message, body []byte) http.Header
	// accepted reads an answer of 2xx: the thread that the message has begun, if
	// there are threads, or why it has failed all the same.
	accepted func(a *answer) (thread string, err error)
}

// serviceOf returns the service that s names.
func serviceOf(s *settings) *service {
	switch {
	case s.Service == "discord":
		return discord(s.Forum)
	// with a token they are talked to through their API
	case s.Service == "slack" && s.Token != "":
		return slackAPI()
	case s.Service == "mattermost" && s.Token != "":
		return mattermostAPI()
	}
	return map[string]func() *service{
		"slack": slack, "mattermost": mattermost, "teams": teams, "rocketchat": rocketchat,
		"googlechat": googlechat, "telegram": telegram, "ntfy": ntfy, "pagerduty": pagerduty, "generic": generic,
	}[s.Service]()
}

// addressOf returns where to post to. An error never has the address in it.
func (v *service) addressOf(s *settings) (string, error) {
	address := s.URL.Reveal()
	if address == "" {
		address = v.address
	}
	key := "url"
	if s.URLFile != "" {
		key = "url_file"
	}
	if address == "" {
		return "", plugin.Problem{Key: key, Message: "is missing: it is the address to post to, given by " + s.Service + " where a webhook is made"}
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", plugin.Problem{Key: key, Message: "is not a URL such as https://host/path"}
	case u.Fragment != "":
		return "", plugin.Problem{Key: key, Message: "has a part after #, which is never sent"}
	case v.publicOnly && unencrypted(address):
		return "", plugin.Problem{Key: key, Message: "must start with https://"}
	}
	return address, nil
}

// unencrypted reports whether posting to address crosses a network in the clear.
func unencrypted(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" {
		return false
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return !ip.IsLoopback()
	}
	return u.Hostname() != "localhost"
}

// reserved are headers that a service sets itself or that would break requests.
var reserved = []string{"Content-Length", "Host", "Connection", "Transfer-Encoding", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}

func checkHeaders(headers map[string]plugin.Secret) error {
	for name, value := range headers {
		bad := ""
		switch {
		case name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }):
			bad = "is no name of a header"
		case strings.ContainsFunc(value.Reveal(), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			bad = "its value has a line end or another control character"
		}
		for _, r := range reserved {
			if http.CanonicalHeaderKey(name) == r {
				bad = "cannot be set: flowhound sets it"
			}
		}
		if bad != "" {
			return plugin.Problem{Key: fmt.Sprintf("headers.%.60s", name), Message: bad}
		}
	}
	return nil
}

// request is m, already encoded as body, on its way to t.
func (t *target) request(m *message, thread string, body []byte) request {
	r := request{address: t.address, header: http.Header{}, body: body}
	if t.service.place != nil {
		r.address = t.service.place(&t.settings, t.address, thread)
	}
	r.header.Set("Content-Type", "application/json; charset=utf-8")
	r.header.Set("User-Agent", "flowhound")
	if t.service.headers != nil {
		for k, v := range t.service.headers(t, m, body) {
			r.header[k] = v
		}
	}
	for k, v := range t.Headers {
		r.header.Set(k, v.Reveal())
	}
	return r
}

func bearer(t *target, _ *message, _ []byte) http.Header {
	if t.Token == "" {
		return nil
	}
	return http.Header{"Authorization": {"Bearer " + t.Token.Reveal()}}
}

// withQuery adds one parameter to an address.
func withQuery(address, key, value string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// read says what a is: nil for delivered.
func (v *service) read(a answer) (thread string, err error) {
	if a.status < 200 || a.status > 299 {
		return "", a.refusal()
	}
	if a.torn != nil {
		return "", fmt.Errorf("the answer was cut off: %w", a.torn)
	}
	if v.accepted == nil {
		return "", nil
	}
	return v.accepted(&a)
}

var errGone = errors.New("410 Gone")
