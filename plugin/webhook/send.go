package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/retry"
	"github.com/flowhound/flowhound/plugin/text"
)

// maxAnswer is how much of an answer is read: those of the services have a few
// hundred bytes.
const maxAnswer = 64 << 10

// maxSaid is how many bytes of it an error repeats.
const maxSaid = 300

// maxWait bounds what a service can ask to wait: one whose clock is wrong must
// not silence an output.
const maxWait = time.Hour

type request struct {
	address string
	header  http.Header
	body    []byte
}

type answer struct {
	status int
	header http.Header
	body   []byte
	said   string // ": " and the beginning of body, as it may stand in a message
	torn   error  // why body is not all of it
}

// sender posts requests and keeps secrets out of its errors.
type sender struct {
	client  *http.Client
	timeout time.Duration
	secrets *text.Redactor
}

// newClient trusts the system's authorities and those in ca_file, takes the proxy
// from the environment, and follows a redirect within the same host only: where
// another host points to, the address and the token are not sent.
func newClient(s *settings) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = maxAnswer
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		pem, err := readFile(s.CAFile)
		if err != nil {
			return nil, plugin.Problem{Key: "ca_file", Message: err.Error()}
		}
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, plugin.Problem{Key: "ca_file", Message: s.CAFile + " has no certificate in PEM"}
		}
		transport.TLSClientConfig.RootCAs = roots
	}
	return &http.Client{Transport: transport, CheckRedirect: sameHost}, nil
}

// sameHost allows only redirects that keep method, body, scheme and host. Others
// are left as the answer.
func sameHost(next *http.Request, via []*http.Request) error {
	keeps := next.Response.StatusCode == http.StatusTemporaryRedirect || next.Response.StatusCode == http.StatusPermanentRedirect
	if !keeps || len(via) > 3 || next.URL.Scheme != via[0].URL.Scheme || next.URL.Host != via[0].URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

func (s *sender) post(ctx context.Context, r request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.address, bytes.NewReader(r.body))
	if err != nil {
		return answer{}, s.hide(withoutURL(err))
	}
	req.Header = r.header
	res, err := s.client.Do(req)
	if err != nil {
		return answer{}, s.hide(withoutURL(err))
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, header: res.Header}
	a.body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		a.torn = s.hide(withoutURL(err))
	}
	if text := s.secrets.Excerpt(string(a.body), maxSaid); text != "" {
		a.said = ": " + text
	}
	return a, nil
}

// redactor knows secrets and the address, which is one.
func redactor(secrets []string, address string) *text.Redactor {
	r := new(text.Redactor)
	r.Learn(append(secrets, address))
	return r
}

// hide returns err without secrets: to be retried, or not, as err is.
func (s *sender) hide(err error) error {
	if err == nil {
		return nil
	}
	h := &hidden{s.secrets.Redact(err.Error()), err}
	var later *plugin.RetryAfterError
	switch {
	case plugin.IsPermanent(err):
		return plugin.Permanent(h)
	case errors.As(err, &later):
		return plugin.RetryAfter(h, later.After)
	}
	return h
}

// hidden is an error with another text. It can be compared, never unwrapped.
type hidden struct {
	text string
	err  error
}

func (h *hidden) Error() string        { return h.text }
func (h *hidden) Is(target error) bool { return errors.Is(h.err, target) }

// withoutURL takes off what net/http wraps around an error: the whole address.
func withoutURL(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	return err
}

// refusal is what a status other than 2xx means: Permanent where the message is
// at fault, else to be tried again, later where the service says when.
func (a *answer) refusal() error {
	err := fmt.Errorf("answered %d %s%s", a.status, http.StatusText(a.status), a.said)
	switch {
	case a.status == http.StatusGone:
		return errGone
	case a.status >= 300 && a.status < 400:
		return fmt.Errorf("answered %d with a redirect that is not followed, because it leads to another host or would lose the message: put the final address in url", a.status)
	case a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable:
		if wait := a.wait(time.Now()); wait > 0 {
			return plugin.RetryAfter(err, wait)
		}
		return err
	case a.status >= 500 || a.status == http.StatusRequestTimeout || a.status == http.StatusTooEarly || a.status == http.StatusProxyAuthRequired:
		return err
	}
	return plugin.Permanent(err)
}

// wait returns how long the service wants to be left alone, at most maxWait, 0
// when it does not say. Discord (in seconds with a fraction) and Telegram say it
// in the body, the others in the header Retry-After, in seconds or as a date.
func (a *answer) wait(now time.Time) time.Duration {
	var said struct {
		RetryAfter float64 `json:"retry_after"`
		Parameters struct {
			RetryAfter float64 `json:"retry_after"`
		} `json:"parameters"`
	}
	if json.Unmarshal(a.body, &said) == nil {
		if s := max(said.RetryAfter, said.Parameters.RetryAfter); s > 0 {
			return min(retry.Seconds(s), maxWait)
		}
	}
	d, _ := retry.After(a.header, now)
	return min(d, maxWait)
}
