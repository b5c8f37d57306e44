package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/plugintest"
)

func TestConfigure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	q := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	for settings, want := range map[string]string{
		`{"service":"slack","url":"https://hooks.slack.com/services/T0/B0/x"}`:                                                              "",
		`{"service":"slack","url_file":` + q(file("url", "https://hooks.slack.com/services/T0/B0/x\n")) + `}`:                               "",
		`{"service":"slack","url_file":` + q(file("bad", "not a secret URL 5EcReT")) + `}`:                                                  "url_file: is not a URL",
		`{"service":"slack","url_file":` + q(file("none", "")) + `}`:                                                                        "url_file: " + dir,
		`{"service":"slack","url_file":"` + dir + `/missing"}`:                                                                              "no such file",
		`{"service":"slack","url_file":"/dev/zero"}`:                                                                                        "not a regular file",
		`{"service":"slak","url":"https://x.example/"}`:                                                                                     "did you mean slack?",
		`{"url":"https://x.example/"}`:                                                                                                      "service: is missing",
		`{"service":"slack"}`:                                                                                                               "url: is missing",
		`{"service":"slack","url":"https://a.example/","url_file":"x"}`:                                                                     "url_file: cannot be given",
		`{"service":"slack","url":"http://hooks.example/5EcReT"}`:                                                                           "must start with https://",
		`{"service":"slack","url":"ftp://5EcReT"}`:                                                                                          "is not a URL",
		`{"service":"slack","url":"https://%zz5EcReT"}`:                                                                                     "is not a URL",
		`{"service":"slack","url":"https://a.example/","chat":"1"}`:                                                                         "chat: service slack without a token has no use for it",
		`{"service":"slack","token":"x"}`:                                                                                                   "channel: is missing",
		`{"service":"slack","token":"x","channel":"C1"}`:                                                                                    "",
		`{"service":"mattermost","url":"http://chat.example/hooks/x"}`:                                                                      "",
		`{"service":"mattermost","token":"x","channel":"c"}`:                                                                                "url: is missing",
		`{"service":"telegram","token":"x","chat":"-1"}`:                                                                                    "",
		`{"service":"telegram","token":"x"}`:                                                                                                "chat: is missing",
		`{"service":"ntfy","topic":"t"}`:                                                                                                    "",
		`{"service":"ntfy"}`:                                                                                                                "topic: is missing",
		`{"service":"pagerduty","routing_key":"x"}`:                                                                                         "",
		`{"service":"pagerduty"}`:                                                                                                           "routing_key: is missing",
		`{"service":"generic","url":"https://a.example/"}`:                                                                                  "",
		`{"service":"generic","url":"https://a.example/","secret":"whsec_5EcReT"}`:                                                          "secret: must be base64",
		`{"service":"teams","url":"https://a.example/","secret":"whsec_5EcReT"}`:                                                            "secret: service teams has no use for it",
		`{"service":"generic","url":"https://a.example/","timeout":"1ms"}`:                                                                  "timeout",
		`{"service":"generic","url":"https://a.example/","headers":{"X-A":"5EcReT\r\nX-B: 1"}}`:                                             "headers.X-A",
		`{"service":"generic","url":"https://a.example/","headers":{"X A":"1"}}`:                                                            "is no name of a header",
		`{"service":"generic","url":"https://a.example/","headers":{"webhook-id":"1"}}`:                                                     "cannot be set",
		`{"service":"generic","url":"https://a.example/","ca_file":` + q(file("ca", "x")) + `}`:                                             "has no certificate in PEM",
		`{"service":"slack","url":"https://a.example/","template":"{{"}`:                                                                    "template: is no template",
		`{"service":"slack","url":"https://a.example/","template":"{{nosuch .Title}}"}`:                                                     "nosuch",
		`{"service":"slack","url":"https://a.example/","template":"{\"text\": {{json .Titel}}}"}`:                                           "Titel",
		`{"service":"slack","url":"https://a.example/","template":"just text"}`:                                                             "output is not a JSON object",
		`{"service":"slack","url":"https://a.example/","template":"{\"text\":\"{{(index .Hits 0).Hit.Name}}\"}"}`:                           "output is not a JSON object",
		`{"service":"slack","url":"https://a.example/","template":"{\"text\": {{json .Title}}}"}`:                                           "",
		`{"service":"slack","url":"https://a.example/","template":"{{range 2000000}}xxxxxx{{end}}"}`:                                        "larger than",
		`{"service":"telegram","token":"x","chat":"1","template":"{\"text\":\"{{range 5000}}x{{end}}\"}"}`:                                  "5000 characters, the limit of telegram is 4096",
		`{"service":"slack","url":"https://a.example/","template_file":` + q(file("t", `{"text": {{json .Title}}, "n": {{.Count}}}`)) + `}`: "",
	} {
		problems := plugin.Configure(&output{}, []byte(settings))
		got := fmt.Sprint(problems)
		if want == "" && len(problems) > 0 || want != "" && !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %q", settings, got, want)
		}
		if strings.Contains(got, testSecret) {
			t.Errorf("%s: shows a secret: %s", settings, got)
		}
	}
}

func checkNoSecret(t testing.TB, what, text string) {
	t.Helper()
	for _, s := range []string{testSecret, "SECRETPATH", testRoute, "MDEyMzQ1Njc4OWFi"} {
		if strings.Contains(text, s) {
			t.Errorf("%s: %.300q shows a secret", what, text)
		}
	}
}

// TestSecretsStaySecret has each service answer with all that it was sent, in
// every way that can fail, and looks at errors and log.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(before)
	s := newServer(t, nil)
	for name, conf := range settingsOf(s.URL) {
		conf.Headers = map[string]plugin.Secret{"X-Key": "header-5EcReT"}
		o := opened(t, conf)
		for _, status := range []int{200, 301, 400, 404, 410, 429, 500, 503} {
			o.gone = nil
			s.now(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				if status%2 == 0 {
					fmt.Fprintf(w, "%s %s ", conf.RoutingKey.Reveal(), conf.Secret.Reveal())
				}
				fmt.Fprintf(w, `{"ok":false,"error_code":400,"error":"no %s%s","status":"bad %q %v"}`, s.URL, r.URL.RequestURI(), r.URL.RequestURI(), r.Header)
				fmt.Fprintf(w, " %s %s %s %s", conf.RoutingKey.Reveal(), conf.Topic.Reveal(), conf.Token.Reveal(), conf.Secret.Reveal())
			})
			if err := o.Write(t.Context(), plugintest.Hits(1)); err != nil {
				for e := err; e != nil; e = errors.Unwrap(e) {
					checkNoSecret(t, name, fmt.Sprintf("%v %+v %#v", e, e, e.Error()))
				}
			}
		}
		checkNoSecret(t, name, fmt.Sprintf("%v %+v", o.settings, o.settings))
	}
	dead := newServer(t, nil)
	dead.Close()
	for name, conf := range settingsOf(dead.URL) {
		err := opened(t, conf).Write(t.Context(), plugintest.Hits(1))
		if outcome(err) != "retry" {
			t.Errorf("%s: nobody listens: %v", name, err)
		}
		checkNoSecret(t, name, err.Error())
	}
	checkNoSecret(t, "log", log.String())
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	s := newServer(t, accepts["telegram"])
	conf := settingsOf(s.URL)["telegram"]
	conf.Template = `{"parse_mode": "HTML", "text": {{json (printf "%s: %s" (upper .Severity.String) (html (clean (index .Hits 0).Hit.Name)))}}}`
	o := opened(t, conf)
	if err := o.Write(t.Context(), hostileHits(4)[3:]); err != nil {
		t.Fatal(err)
	}
	var doc object
	if err := json.Unmarshal(s.requests()[0].body, &doc); err != nil {
		t.Fatal(err)
	}
	if text := doc["text"].(string); !strings.HasPrefix(text, "HIGH: &lt;/b&gt;&lt;a href=") || doc["chat_id"] != "-1001234567890" {
		t.Errorf("%v", doc)
	}
}

// TestWire runs the output over the wire that flowhound uses.
func TestWire(t *testing.T) {
	t.Parallel()
	s := newServer(t, accepts["slack"])
	c := plugintest.Open(t, &output{}, `{"service":"slack","url":"`+s.URL+testPath+`","timeout":"5s"}`)
	if err := c.Write(t.Context(), plugintest.Hits(200)); err != nil || len(s.requests()) != 1 {
		t.Errorf("%v, %d requests", err, len(s.requests()))
	}
	s.now(says(429, "", "Retry-After", "3"))
	if err := c.Write(t.Context(), plugintest.Hits(1)); outcome(err) != "3s" {
		t.Errorf("over the wire: %v", err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
