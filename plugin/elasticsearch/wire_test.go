package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/plugintest"
)

// TestSettings says what is wrong with settings in plain words, and never what an
// address with a password in it is.
func TestSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ settings, says string }{
		{`{"addresses": ["https://es1.example:9200"]}`, ""},
		{`{"addresses": ["https://es1.example:9200"], "api_key_file": "/etc/flowhound/elastic.key", "compress": false, "auto_setup": true}`, ""},
		{`{}`, "addresses: is missing"},
		{`{"addresses": []}`, "addresses: "},
		{`{"addresses": ["elastic:hunter2@es1.example:9200"]}`, "addresses[0]: must be such as https://"},
		{`{"addresses": ["https://elastic:hunter2@es1.example:9200"]}`, "addresses[0]: must not hold a password"},
		{`{"addresses": ["https://es1.example:9200"], "flavor": "opensaerch"}`, "did you mean opensearch?"},
		{`{"addresses": ["https://es1.example:9200"], "flavor": "opensearch", "api_key": "hunter2"}`, "api_key: is nothing that OpenSearch knows"},
		{`{"addresses": ["https://es1.example:9200"], "api_key": "hunter2", "api_key_file": "/k"}`, "api_key_file: cannot be given"},
		{`{"addresses": ["https://es1.example:9200"], "password": "hunter2"}`, "username: is missing"},
		{`{"addresses": ["https://es1.example:9200"], "namespace": "site-1"}`, "namespace: must be"},
		{`{"addresses": ["https://es1.example:9200"], "retention": "3 months"}`, "retention: must be"},
		{`{"adresses": ["https://es1.example:9200"]}`, "did you mean addresses?"},
	} {
		said := ""
		for _, p := range plugintest.Dial(t, newOutput()).Configure(t, c.settings) {
			said += p.Error() + "\n"
		}
		if (said == "") != (c.says == "") || !strings.Contains(said, c.says) || strings.Contains(said, "hunter2") {
			t.Errorf("%s: %q, not %q", c.settings, said, c.says)
		}
	}
}

// TestContract holds the output to what flowhound expects of any.
func TestContract(t *testing.T) {
	t.Parallel()
	f, down := newFake(t, elasticFlavor), newFake(t, elasticFlavor)
	down.Close()
	f.key, f.user = "aHVudGVyMjpodW50ZXIz", ""
	settings := func(address, more string) string {
		return fmt.Sprintf(`{"addresses": [%q], "auto_setup": true, %s}`, address, more)
	}
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("correct-horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plugintest.Run(t, plugintest.Suite{
		New:      func() plugin.Output { return newOutput() },
		Settings: settings(f.URL, `"api_key": "`+f.key+`"`),
		Broken: []string{
			settings(down.URL, `"api_key": "`+f.key+`"`),
			settings(f.URL, `"api_key": "d3Jvbmcta2V5"`),
			settings(f.URL, `"username": "elastic", "password": "battery-staple"`),
			settings(f.URL, `"username": "elastic", "password_file": "`+file+`"`),
		},
		Secrets: []string{f.key, "d3Jvbmcta2V5", "battery-staple", "correct-horse"},
	})
}

// TestWire sends through all that lies between flowhound and the server.
func TestWire(t *testing.T) {
	t.Parallel()
	f := newFake(t, elasticFlavor)
	c := plugintest.Dial(t, newOutput())
	if p := c.Configure(t, fmt.Sprintf(`{"addresses": [%q], "namespace": "wire"}`, f.URL)); len(p) > 0 {
		t.Fatal(p)
	}
	if err := c.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "flowhound output setup") {
		t.Fatalf("opened without templates: %v", err)
	}
	if err := c.Setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	hits := plugintest.Hits(300)
	f.refuse = func(id string, _ map[string]any) (int, string) {
		return map[string]int{hits[3].ID: http.StatusTooManyRequests, hits[5].ID: http.StatusBadRequest}[id], "because"
	}
	var partial *plugin.PartialError
	if err := c.Write(deadline(t, time.Minute), hits); !errors.As(err, &partial) {
		t.Fatal(err)
	}
	for i, err := range partial.Errs {
		if (err != nil) != (i == 3 || i == 5) || plugin.IsPermanent(err) != (i == 5) {
			t.Errorf("hit %d: %v", i, err)
		}
	}
	if len(f.docs) != len(hits)-2 || f.requests[len(f.requests)-1] != "POST /logs-flowhound.hit-wire/_bulk" {
		t.Errorf("%d documents, the last by %s", len(f.docs), f.requests[len(f.requests)-1])
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCloseLeavesNothing: no connection and no timer of a node that is down.
func TestCloseLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	f := newFake(t, elasticFlavor)
	o := newOutput()
	o.Addresses, o.AutoSetup = []string{"http://127.0.0.1:1", f.URL}, true
	if err := o.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := o.Write(t.Context(), someHits(3)); err != nil {
		t.Error(err)
	}
	if err := o.Close(t.Context()); err != nil {
		t.Error(err)
	}
	f.Close()
}
