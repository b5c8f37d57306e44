// Package fetch is HTTP for feeds: requests with a User-Agent, conditional (304 Not
// Modified) and with retries; bodies are bounded in bytes and time. What cannot be a feed (a web page, half a document) is an
// error, and no key ever reaches a log, an error, another host or a connection
// without TLS that it was not meant for.
//
//	c := fetch.New(fetch.Options{Version: "1.2.3"})
//	defer c.Close()
//	resp, err := c.Do(ctx, fetch.Request{URL: u, Validators: last, Secret: http.Header{"Auth-Key": {key}}})
//	if err != nil { ... } // *StatusError, ErrHTML, ErrTooLarge, ...: see errors.go
//	if resp.NotModified { ... }
//	defer resp.Body.Close()
//	... read resp.Body; its errors are this package's too
//
// It knows no format and keeps nothing on disk. Unpack opens what was fetched or
// saved as gzip or zip.
package fetch

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"golang.org/x/net/http/httpproxy"

	"github.com/flowhound/flowhound/plugin/retry"
	"github.com/flowhound/flowhound/plugin/text"
)

// Options say how a Client asks. The zero value works; what is 0 has the default
// named beside it.
type Options struct {
	// Version is flowhound's own and Contact whoever runs this one, both for the
	// User-Agent: publishers ask for it, to write before they block.
	Version, Contact string

	Connect time.Duration // for a connection with TLS: 15s
	Header  time.Duration // until the answer begins: 60s
	Idle    time.Duration // for each 4 KiB of a body, and its end: 60s
	Total   time.Duration // for all of one Do with its retries and body: 30m

	MaxBytes int64 // of a body, unpacked: 1 GiB
	MaxWire  int64 // of a body as it is sent: 1 GiB

	Retries   int           // after the first try: 3; below 0: none
	RetryWait time.Duration // before the first retry, doubled for each: 1s
	// RetryMost is the longest wait for a retry: 30s. A server that asks for more
	// (Retry-After) gets it by StatusError.RetryAfter, which is for the caller.
	RetryMost time.Duration

	RootCAs *x509.CertPool // nil: the system's
	Log     *slog.Logger   // for retries; nil: silent
}

// Client fetches. It is safe for concurrent use and keeps connections for the
// next request. Proxies are those of the environment when it was made.
type Client struct {
	o         Options
	agent     string
	retrying  *retryablehttp.Client
	transport *http.Transport
}

// Validators let a server answer that nothing has changed (RFC 9110, 13.1).
type Validators struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

// Request is one thing to fetch.
type Request struct {
	Method string // "": GET
	URL    string // http or https; keys in it are not printed
	Accept string // media types; "": any
	Header http.Header
	// Secret holds the headers that authenticate. A redirect to another host or
	// to http is rejected when there are any.
	Secret http.Header
	// Body is sent as JSON unless Header has a Content-Type. It is sent again by
	// a retry, and counts as secret.
	Body       []byte
	Validators Validators // of the version that the caller has; zero: it has none
	MaxBytes   int64      // of this body, unpacked; 0: the Client's
}

// Response is an answer of status 200, 204 or 304.
type Response struct {
	// Body must be closed. Reading it gives ErrTooLarge, ErrTruncated or
	// ErrTimeout, wrapped, where it ends badly; a transfer coding of gzip is
	// undone, a file that is packed stays so (see Unpack).
	Body        io.ReadCloser
	Status      int
	Header      http.Header
	NotModified bool       // 304: Body is empty
	Validators  Validators // for the next request; of a 304, those sent if it brings none
	FinalURL    string     // after redirects, without keys
	Length      int64      // of Body, in bytes; -1: not known beforehand
}

// New returns a Client.
func New(o Options) *Client {
	o.setDefaults()
	dialer := &net.Dialer{Timeout: o.Connect, KeepAlive: 30 * time.Second}
	proxy := httpproxy.FromEnvironment().ProxyFunc()
	c := &Client{o: o, agent: userAgent(o.Version, o.Contact)}
	c.transport = &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			u, err := proxy(r.URL)
			if err != nil { // its text holds the proxy's password
				return nil, errors.New("the proxy that the environment names (HTTPS_PROXY, HTTP_PROXY) is not a URL")
			}
			return u, nil
		},
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    o.Connect,
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		ResponseHeaderTimeout:  o.Header,
		IdleConnTimeout:        30 * time.Second,
		MaxConnsPerHost:        4,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // body counts what comes over the wire
		ForceAttemptHTTP2:      true,
	}
	c.retrying = &retryablehttp.Client{
		HTTPClient:   &http.Client{Transport: &watched{newHops(c.transport, dialer), o.Idle}, CheckRedirect: redirect},
		RetryWaitMin: o.RetryWait,
		RetryWaitMax: o.RetryMost,
		RetryMax:     max(o.Retries, 0),
		CheckRetry:   c.retry,
		Backoff:      backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return c
}

func (o *Options) setDefaults() {
	for _, d := range []struct {
		v  *time.Duration
		to time.Duration
	}{
		{&o.Connect, 15 * time.Second}, {&o.Header, time.Minute}, {&o.Idle, time.Minute}, {&o.Total, 30 * time.Minute},
		{&o.RetryWait, time.Second}, {&o.RetryMost, 30 * time.Second},
	} {
		if *d.v <= 0 {
			*d.v = d.to
		}
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
	}
	if o.MaxWire <= 0 {
		o.MaxWire = 1 << 30
	}
	if o.Retries == 0 {
		o.Retries = 3
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// userAgent says who asks and where to write to.
func userAgent(version, contact string) string {
	if version == "" {
		version = "dev"
	}
	ua := "flowhound/" + version + " (+https://github.com/flowhound/flowhound"
	if contact != "" {
		ua += "; " + contact
	}
	return text.ASCII(ua + ")")
}

// Close drops the idle connections. Bodies that are being read are not touched.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Do asks, again if need be, and returns once the answer has begun. The error
// names the URL, without keys. ctx bounds the body too.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	secrets := new(text.Redactor)
	secrets.Learn(r.secrets())
	fail := func(err error) error { return &requestError{url: text.URL(r.URL), err: err, secrets: secrets} }

	ctx, cancel := context.WithCancelCause(ctx)
	total := time.AfterFunc(c.o.Total, func() {
		cancel(fmt.Errorf("%w: not done within %s", ErrTimeout, c.o.Total))
	})
	stop := func() { total.Stop(); cancel(nil) }
	req, err := c.request(context.WithValue(ctx, guardKey{}, &guard{cancel: cancel, secret: r.isSecret()}), &r)
	if err != nil {
		stop()
		return nil, fail(err)
	}
	resp, err := c.retrying.Do(req) //nolint:bodyclose // closer does
	if err != nil {
		if resp != nil {
			_ = resp.Body.Close()
		}
		err = c.explain(ctx, err)
		stop()
		return nil, fail(err)
	}
	out, err := c.respond(&r, resp)
	if err != nil {
		_ = resp.Body.Close()
		stop()
		return nil, fail(err)
	}
	out.Body = &closer{out.Body, fail, func() { _ = resp.Body.Close(); stop() }}
	return out, nil
}

// request is r for the HTTP library.
func (c *Client) request(ctx context.Context, r *Request) (*retryablehttp.Request, error) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("is not an http or https URL")
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	var body any
	if r.Body != nil {
		body = r.Body
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, method, r.URL, body)
	if err != nil {
		return nil, err
	}
	for _, from := range []http.Header{r.Header, r.Secret} {
		for name, values := range from {
			req.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	set := func(name, value string) {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	set("User-Agent", c.agent)
	set("Accept", r.Accept)
	set("If-None-Match", r.Validators.ETag)
	set("If-Modified-Since", r.Validators.LastModified)
	req.Header.Set("Accept-Encoding", "gzip")
	if r.Body != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// respond makes a Response of an answer that is one.
func (c *Client) respond(r *Request, resp *http.Response) (*Response, error) {
	out := &Response{Status: resp.StatusCode, Header: resp.Header, FinalURL: text.URL(resp.Request.URL.String()), Length: resp.ContentLength}
	if resp.Header.Get("Content-Encoding") != "" {
		out.Length = -1
	}
	out.Validators = Validators{ETag: bounded(resp.Header.Get("ETag")), LastModified: bounded(resp.Header.Get("Last-Modified"))}
	asked := r.Validators != Validators{}
	switch {
	case resp.StatusCode == http.StatusNotModified && asked:
		out.NotModified, out.Body = true, http.NoBody
		if out.Validators == (Validators{}) {
			out.Validators = r.Validators
		}
		return out, nil
	case resp.StatusCode == http.StatusNoContent:
		out.Body = http.NoBody
		return out, nil
	case resp.StatusCode != http.StatusOK:
		return nil, c.statusError(resp)
	}
	limit := r.MaxBytes
	if limit <= 0 {
		limit = c.o.MaxBytes
	}
	body, err := c.body(resp, limit)
	if err != nil {
		return nil, err
	}
	br := bufio.NewReaderSize(body, 32<<10)
	head, _ := br.Peek(sniffLen) // the reader meets an error again
	if isHTML(resp.Header.Get("Content-Type"), head) {
		return nil, ErrHTML
	}
	out.Body = io.NopCloser(br)
	return out, nil
}

// bounded rejects validators that are too long to be sent back.
func bounded(v string) string {
	if len(v) > 1024 {
		return ""
	}
	return v
}

// retry decides whether to ask again. What only a person can fix is not tried
// again, nor what the server wants later than we wait here.
func (c *Client) retry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if errors.Is(err, ErrRedirect) || isTimeout(err) { // the next fetch is soon enough for a server that hangs
		return false, nil
	}
	again, _ := retryablehttp.DefaultRetryPolicy(ctx, resp, err)
	if resp != nil && again {
		if wait, ok := retry.After(resp.Header, time.Now()); ok && wait > c.o.RetryMost {
			again = false
		}
	}
	if again {
		status := 0
		if resp != nil {
			status = resp.StatusCode
		}
		c.o.Log.Debug("a request failed, and may be tried again", "status", status, "err", unwrapURL(err))
	}
	return again, nil
}

// backoff is how long to wait before the next try: what the server asks for, or
// twice as long each time, give or take a quarter, so that many agents do not
// come back at one moment.
func backoff(least, most time.Duration, attempt int, resp *http.Response) time.Duration {
	if resp != nil {
		if wait, ok := retry.After(resp.Header, time.Now()); ok {
			return min(max(wait, least), most)
		}
	}
	wait := retry.Backoff{First: least, Most: most}.After(attempt + 1)
	return wait*3/4 + rand.N(wait/2+1) //nolint:gosec // jitter is not a secret
}
