package main

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/flowhound/flowhound/plugin"
)

// The flavors.
const (
	elasticFlavor    = "elasticsearch"
	openSearchFlavor = "opensearch"
)

// dataset names what a stream holds: logs-flowhound.hit-<namespace>.
const dataset = "flowhound.hit"

// maxFile bounds the files of settings: a key, a password, a CA bundle.
const maxFile = 1 << 20

// output writes hits to a data stream; its fields are the settings.
type output struct {
	Addresses    []string      `json:"addresses" validate:"required,min=1,max=64"`
	Flavor       string        `json:"flavor" validate:"oneof=elasticsearch opensearch"`
	APIKey       plugin.Secret `json:"api_key"`
	APIKeyFile   string        `json:"api_key_file" validate:"excluded_with=APIKey"`
	Username     string        `json:"username" validate:"required_with=Password PasswordFile"`
	Password     plugin.Secret `json:"password"`
	PasswordFile string        `json:"password_file" validate:"excluded_with=Password"`
	CAFile       string        `json:"ca_file"`
	Namespace    string        `json:"namespace" validate:"max=100"`
	Retention    string        `json:"retention"`
	AutoSetup    bool          `json:"auto_setup"`
	Compress     bool          `json:"compress"`

	transport *elastictransport.Client
	idle      *http.Transport // whose connections Close ends
}

// newOutput returns the settings as they are where the configuration says nothing.
func newOutput() *output {
	return &output{Flavor: elasticFlavor, Namespace: "default", Retention: "90d", Compress: true}
}

var (
	namespaces = regexp.MustCompile(`^[a-z0-9][a-z0-9_.]*$`)
	retentions = regexp.MustCompile(`^([1-9][0-9]{0,4}d|none)$`)
)

// Validate says what tags cannot: what Elasticsearch allows in a name, and which
// settings do not go together. No message repeats an address, which may hold a password.
func (o *output) Validate() error {
	switch {
	case !namespaces.MatchString(o.Namespace):
		return plugin.Problem{Key: "namespace", Message: "must be lower-case letters, digits, '_' and '.', not '-'"}
	case !retentions.MatchString(o.Retention):
		return plugin.Problem{Key: "retention", Message: "must be a number of days such as 90d, or none"}
	case o.Flavor == openSearchFlavor && (o.APIKey != "" || o.APIKeyFile != ""):
		return plugin.Problem{Key: "api_key", Message: "is nothing that OpenSearch knows; set username and password_file"}
	}
	_, err := o.nodes()
	return err
}

// stream is the name of the data stream.
func (o *output) stream() string { return "logs-" + dataset + "-" + o.Namespace }

// nodes are the addresses as URLs.
func (o *output) nodes() ([]*url.URL, error) {
	var urls []*url.URL
	for i, address := range o.Addresses {
		wrong := func(message string) error {
			return plugin.Problem{Key: fmt.Sprintf("addresses[%d]", i), Message: message}
		}
		u, err := url.Parse(strings.TrimRight(address, "/"))
		switch {
		case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
			return nil, wrong("must be such as https://es1.example:9200")
		case u.User != nil:
			return nil, wrong("must not hold a password; set username and password_file")
		case u.RawQuery != "" || u.Fragment != "":
			return nil, wrong("must end with the host, port or path")
		}
		urls = append(urls, u)
	}
	return urls, nil
}

// Open reads the files that the settings name and asks the server whether its
// templates are there.
func (o *output) Open(ctx context.Context) error {
	if err := o.connect(); err != nil {
		return err
	}
	err := o.checkTemplate(ctx)
	if errors.Is(err, errNoTemplate) && o.AutoSetup {
		err = o.setup(ctx)
	}
	if err != nil {
		_ = o.disconnect(ctx) // what is wrong is said already
	}
	return err
}

// Close ends the connections.
func (o *output) Close(ctx context.Context) error { return o.disconnect(ctx) }

// connect makes the client. It never retries and follows no redirect: the core
// writes again what failed, and secrets stay with the hosts they were meant for.
func (o *output) connect() error {
	if err := o.Validate(); err != nil {
		return err
	}
	urls, err := o.nodes()
	if err != nil {
		return err
	}
	key, err := secret(o.APIKey, o.APIKeyFile, "api_key_file")
	if err != nil {
		return err
	}
	password, err := secret(o.Password, o.PasswordFile, "password_file")
	if err != nil {
		return err
	}
	roots, err := o.roots()
	if err != nil {
		return err
	}
	o.idle = &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     90 * time.Second,
		MaxIdleConnsPerHost: 1, // Write is never called concurrently
	}
	options := []elastictransport.Option{
		elastictransport.WithURLs(urls...),
		elastictransport.WithAPIKey(key), // goes before the password
		elastictransport.WithBasicAuth(o.Username, password),
		elastictransport.WithUserAgent("flowhound"),
		elastictransport.WithDisableRetry(),
		elastictransport.WithTransport(o.idle),
	}
	if o.Compress {
		options = append(options, elastictransport.WithCompression(gzip.BestSpeed))
	}
	o.transport, err = elastictransport.NewClient(options...)
	return err
}

func (o *output) disconnect(ctx context.Context) error {
	if o.transport == nil {
		return nil
	}
	err := o.transport.Close(ctx)
	o.idle.CloseIdleConnections()
	o.transport, o.idle = nil, nil
	return err
}

// roots is the pool of ca_file, nil for the system's. A certificate's fingerprint
// is no way to trust a server here: a chain that merely contains the pinned
// certificate would pass.
func (o *output) roots() (*x509.CertPool, error) {
	if o.CAFile == "" {
		return nil, nil
	}
	pem, err := readFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM form", o.CAFile)
	}
	return pool, nil
}

// secret returns what is set, or what the file holds, without the newline.
func secret(set plugin.Secret, file, name string) (string, error) {
	if file == "" {
		return set.Reveal(), nil
	}
	b, err := readFile(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	s := strings.TrimSpace(string(b))
	if s == "" || strings.ContainsAny(s, "\r\n") {
		return "", fmt.Errorf("%s: %s must hold one line, the secret", name, file)
	}
	return s, nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s is larger than 1 MB", name)
	}
	return b, err
}

// unreachableError says that a node did not answer at all.
type unreachableError struct{ error }

func (e *unreachableError) Unwrap() error { return e.error }

// do sends one request and returns the body of a 2xx answer.
func (o *output) do(ctx context.Context, r esapi.Request, limit int64) ([]byte, error) {
	if o.transport == nil {
		return nil, errors.New("the output is not open")
	}
	res, err := r.Do(ctx, o.transport)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", o.Flavor, &unreachableError{err})
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if res.StatusCode/100 != 2 {
		return nil, o.refused(res, body) // half a reason is better than none
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the answer of %s: %w", o.Flavor, err)
	case int64(len(body)) > limit:
		return nil, fmt.Errorf("the answer of %s is longer than %d bytes", o.Flavor, limit)
	case o.Flavor == elasticFlavor && res.Header.Get("X-Elastic-Product") != "Elasticsearch":
		return nil, errors.New("the server is not Elasticsearch: set flavor: opensearch for OpenSearch and the Wazuh indexer; otherwise check for a proxy in between")
	}
	return body, nil
}
