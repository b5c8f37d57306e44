package plugin_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
)

type tlsSettings struct {
	CA  string        `json:"ca" validate:"omitempty,startswith=/"`
	Key plugin.Secret `json:"key" validate:"required_with=Cert"`
	// Cert is checked together with Key.
	Cert string `json:"cert"`
}

type node struct {
	URL   string `json:"url" validate:"required,http_url"`
	Limit int    `json:"limit" validate:"min=0,max=100"`
}

type common struct {
	Timeout time.Duration `json:"timeout" validate:"min=1s,max=1m"`
}

type out struct {
	common
	Address  string            `json:"address" validate:"required,hostname_port"`
	Format   string            `json:"format" validate:"omitempty,oneof=json cef leef"`
	Token    plugin.Secret     `json:"token" validate:"omitempty,min=8"`
	Verify   bool              `json:"verify"`
	Rate     float64           `json:"rate"`
	Count    uint16            `json:"count"`
	From     netip.Prefix      `json:"from"`
	Nodes    []node            `json:"nodes" validate:"max=2,dive"`
	TLS      *tlsSettings      `json:"tls"`
	Headers  map[string]string `json:"headers"`
	Internal string
	hidden   string
	skipped  string
	Skipped  string `json:"-"`
}

func (*out) Open(context.Context) error                { return nil }
func (*out) Write(context.Context, []plugin.Hit) error { return nil }
func (*out) Close(context.Context) error               { return nil }
func (o *out) Validate() error {
	if o.Format == "cef" && o.Count > 1 {
		return errors.Join(plugin.Problem{Key: "count", Message: "is for other formats"}, errors.New("cef is alone"))
	}
	return nil
}

func fresh() *out {
	return &out{common: common{10 * time.Second}, Format: "json", Internal: "i", hidden: "h", skipped: "s"}
}

func TestConfigure(t *testing.T) {
	o := fresh()
	problems := plugin.Configure(o, []byte(`{"address": "siem:514", "timeout": "5s", "token": "hunter22", "verify": "true", "rate": 1.5, "count": "7", "from": "10.0.0.0/8",
		"nodes": [{"url": "https://a:9200", "limit": 3}, {"url": "http://b"}], "tls": {"ca": "/ca", "key": "k", "cert": "c"}, "headers": {"X-A": "b"}}`))
	want := fresh()
	want.Address, want.Timeout, want.Token, want.Verify, want.Rate, want.Count, want.From = "siem:514", 5*time.Second, "hunter22", true, 1.5, 7, netip.MustParsePrefix("10.0.0.0/8")
	want.Nodes = []node{{"https://a:9200", 3}, {"http://b", 0}}
	want.TLS, want.Headers = &tlsSettings{CA: "/ca", Key: "k", Cert: "c"}, map[string]string{"X-A": "b"}
	if len(problems) > 0 || !reflect.DeepEqual(o, want) {
		t.Errorf("%v\n got %+v\nwant %+v", problems, o, want)
	}
}

func TestConfigureSaysWhatIsWrong(t *testing.T) {
	for settings, want := range map[string]string{
		`{}`:                                     "address: is missing",
		``:                                       "address: is missing",
		`{"address": ""}`:                        "address: is empty",
		`{"addresses": "a:1"}`:                   "addresses: unknown key; did you mean address?",
		`{"address": "a:1", "Internal": "x"}`:    `Internal: unknown key; those known here are address, count, format, from, headers, nodes, rate, timeout, tls, token, verify`,
		`{"address": "a:1", "hidden": "x"}`:      "hidden: unknown key; those known",
		`{"address": "a:1", "TOKEN": "x"}`:       "TOKEN: unknown key; did you mean token?",
		`{"address": "nowhere"}`:                 `address: "nowhere" is not host:port`,
		`{"address": 7}`:                         "address: want text, not 7",
		`{"address": null}`:                      "address: has no value; give one, or remove the key",
		`{"address": "a:1", "format": "jsn"}`:    `format: "jsn" is not one of json, cef, leef; did you mean json?`,
		`{"address": "a:1", "timeout": 5}`:       `timeout: want a duration such as "30s" or "5m", not 5`,
		`{"address": "a:1", "timeout": "5"}`:     `timeout: want a duration such as "30s" or "5m", not "5"`,
		`{"address": "a:1", "timeout": "0s"}`:    "timeout: 0s is too small; the least is 1s",
		`{"address": "a:1", "timeout": "2h"}`:    "timeout: 2h0m0s is too large; the most is 1m",
		`{"address": "a:1", "token": "hunter2"}`: "token: is too short; the least is 8 characters",
		`{"address": "a:1", "token": 42424242}`:  "token: want text, not a number",
		`{"address": "a:1", "verify": "ja"}`:     `verify: want true or false, not "ja"`,
		`{"address": "a:1", "rate": "fast"}`:     `rate: want a number, not "fast"`,
		`{"address": "a:1", "count": -1}`:        "count: want a whole number of 0 or more, not -1",
		`{"address": "a:1", "count": 70000}`:     "count: want a whole number of 0 or more, not 70000",
		`{"address": "a:1", "from": "10"}`:       `from: "10" is not valid: netip.ParsePrefix("10"): no '/'`,
		`{"address": "a:1", "nodes": {}}`:        "nodes: want a list, not a section",
		`{"address": "a:1", "nodes": ["x"]}`:     "nodes[0]: want a section of keys and values, not text",
		`{"address": "a:1", "nodes": [{"url": "http://a"}, {"limit": 101, "uri": ""}]}`:              "nodes[1].uri: unknown key; did you mean url?, nodes[1].limit: 101 is too large; the most is 100",
		`{"address": "a:1", "nodes": [{"url": "ftp://a"}]}`:                                          `nodes[0].url: "ftp://a" is not a URL that starts with http:// or https://`,
		`{"address": "a:1", "nodes": [{"url": "http://a"},{"url": "http://b"},{"url": "http://c"}]}`: "nodes: has too many entries; the most is 2",
		`{"address": "a:1", "tls": {"ca": "x", "cert": "y"}}`:                                        `tls.ca: "x" does not start with /, tls.key: is missing with cert`,
		`{"address": "a:1", "tls": []}`:                                                              "tls: want a section of keys and values, not a list",
		`{"address": "a:1", "headers": {"a": 1}}`:                                                    "headers.a: want text, not 1",
		`{"address": "a:1", "format": "cef", "count": 2}`:                                            "count: is for other formats, cef is alone",
		`[]`:                             "want a section of keys and values, not a list",
		`{"a`:                            "are not valid JSON",
		`{"address": "a:1", "a b\n": 1}`: `"a b\n": unknown key; those known here`,
	} {
		var texts []string
		for _, p := range plugin.Configure(fresh(), []byte(settings)) {
			texts = append(texts, p.Error())
		}
		if got := strings.Join(texts, ", "); !strings.HasPrefix(got, want) || strings.Count(got, ", ") > strings.Count(want, ", ")+11 {
			t.Errorf("%s:\n got %s\nwant %s", settings, got, want)
		}
	}
}

type value struct{}

func (value) Open(context.Context) error                { return nil }
func (value) Write(context.Context, []plugin.Hit) error { return nil }
func (value) Close(context.Context) error               { return nil }

func TestConfigureOfNoPointer(t *testing.T) {
	if p := plugin.Configure(value{}, nil); len(p) != 1 || !strings.Contains(p[0].Message, "this is a bug in it") {
		t.Error(p)
	}
	if p := plugin.Configure(&value{}, []byte(`{"a": 1}`)); len(p) != 1 || p[0].Error() != "a: unknown key; there are no settings here" {
		t.Error(p)
	}
}

func FuzzConfigure(f *testing.F) {
	f.Add([]byte(`{"address": "a:1", "timeout": "5s", "nodes": [{"url": "http://a", "limit": 1}], "tls": {"ca": "/x"}, "headers": {"a": "b"}}`))
	f.Add([]byte(`{"address": null, "tls": null, "nodes": [null], "from": "::/0", "token": "\ud800"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range plugin.Configure(fresh(), b) {
			if p.Message == "" || len(p.Error()) > 1000 {
				t.Errorf("%q", p.Error())
			}
		}
	})
}

// TestReadSecretDoesNotWait: a pipe that nobody writes to is not a secret.
func TestReadSecretDoesNotWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, "/dev/zero", t.TempDir()} {
		if s, err := plugin.ReadSecret(p); err == nil || !strings.Contains(err.Error(), "regular file") {
			t.Errorf("%s: %q, %v", p, s.Reveal(), err)
		}
	}
}

func TestReadSecret(t *testing.T) {
	var log bytes.Buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(was) })
	path := filepath.Join(t.TempDir(), "key")
	for content, want := range map[string]string{
		"hunter2": "hunter2", "hunter2\n": "hunter2", "hunter2\r\n\n": "hunter2", " a b\n": " a b",
		"": "the file is empty", "\n": "the file is empty", strings.Repeat("x", 64<<10+1): "the file is larger than 64 KiB",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := plugin.ReadSecret(path)
		if err == nil && s.Reveal() != want || err != nil && !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%.20q: %q, %v", content, s.Reveal(), err)
		}
	}
	if log.Len() > 0 {
		t.Errorf("log: %s", &log)
	}
	if err := errors.Join(os.WriteFile(path, []byte("hunter2"), 0o600), os.Chmod(path, 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := plugin.ReadSecret(path); err != nil || !strings.Contains(log.String(), "everyone can read") || strings.Contains(log.String(), "hunter2") {
		t.Errorf("%v, %s", err, &log)
	}
	if _, err := plugin.ReadSecret(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
