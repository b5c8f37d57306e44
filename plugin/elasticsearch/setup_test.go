package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
)

func unopened(f *fake) *output {
	o := newOutput()
	o.Addresses, o.Flavor = []string{f.URL}, f.flavor
	return o
}

func TestSetup(t *testing.T) {
	t.Parallel()
	const policy = "/_plugins/_ism/policies/logs-flowhound.hit"
	for _, flavor := range []string{elasticFlavor, openSearchFlavor} {
		f := newFake(t, flavor)
		o := unopened(f)
		if err := o.Open(deadline(t, time.Minute)); err == nil || !strings.Contains(err.Error(), "flowhound output setup") {
			t.Fatalf("%s: opened without templates: %v", flavor, err)
		}
		o.Retention = "30d"
		for range 2 { // a second time brings up to date
			if err := o.Setup(deadline(t, time.Minute)); err != nil {
				t.Fatalf("%s: %v", flavor, err)
			}
		}
		kept := f.puts["/_index_template/logs-flowhound.hit"]
		if flavor == openSearchFlavor {
			kept = f.puts[policy]
		}
		if !strings.Contains(kept, `"30d"`) || strings.Contains(kept, `"90d"`) {
			t.Errorf("%s: the retention is not in %s", flavor, kept)
		}
		if (f.puts[policy] != "") != (flavor == openSearchFlavor) {
			t.Errorf("%s: ISM policy: %q", flavor, f.puts[policy])
		}
		if err := o.Open(deadline(t, time.Minute)); err != nil {
			t.Errorf("%s: %v", flavor, err)
		}
		_ = o.Close(context.Background())
	}
}

// TestSetupWithoutISM: a server that cannot delete old hits is no reason to lose
// new ones, but is not passed over in silence.
func TestSetupWithoutISM(t *testing.T) {
	t.Parallel()
	f := newFake(t, openSearchFlavor)
	f.noISM = true
	o := unopened(f)
	if err := o.Setup(deadline(t, time.Minute)); err == nil || !strings.Contains(err.Error(), "retention: none") || !strings.Contains(err.Error(), "no handler") {
		t.Error(err)
	}
	o.Retention = "none"
	if err := o.Setup(deadline(t, time.Minute)); err != nil {
		t.Error(err)
	}
	f = newFake(t, elasticFlavor)
	o = unopened(f)
	o.Retention = "none"
	if err := o.Setup(deadline(t, time.Minute)); err != nil || strings.Contains(f.puts["/_index_template/logs-flowhound.hit"], "retention") {
		t.Errorf("%v: %v", err, f.puts)
	}
}

func TestOpenWithCredentials(t *testing.T) {
	t.Parallel()
	write := func(name, content string) string {
		name = filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	f := newFake(t, elasticFlavor)
	for _, c := range []struct {
		name      string
		key, user string
		set       func(*output)
		says      string // "" when it opens
	}{
		{"key", "hunter2", "", func(o *output) { o.APIKey = "hunter2" }, ""},
		{"key from a file", "hunter2", "", func(o *output) { o.APIKeyFile = write("key", "hunter2\n") }, ""},
		{"key before password", "hunter2", "", func(o *output) { o.APIKey, o.Username, o.Password = "hunter2", "elastic", "x" }, ""},
		{"password", "", "elastic:hunter2", func(o *output) { o.Username, o.Password = "elastic", "hunter2" }, ""},
		{"password from a file", "", "elastic:hunter2", func(o *output) { o.Username, o.PasswordFile = "elastic", write("p", "hunter2") }, ""},
		{"wrong key", "other", "", func(o *output) { o.APIKey = "hunter2" }, "check api_key"},
		{"wrong password", "", "elastic:other", func(o *output) { o.Username, o.Password = "elastic", "hunter2" }, "check api_key or username"},
		{"no credentials", "other", "", func(o *output) {}, "unable to authenticate"},
		{"no file", "hunter2", "", func(o *output) { o.APIKeyFile = "/nonexistent/key" }, "api_key_file"},
		{"two lines", "hunter2", "", func(o *output) { o.APIKeyFile = write("key", "hunter2\nhunter2") }, "one line"},
		{"no CA", "hunter2", "", func(o *output) { o.CAFile = write("ca", "hunter2") }, "no certificate"},
	} {
		f.key, f.user = c.key, c.user
		o := unopened(f)
		o.AutoSetup = true
		c.set(o)
		err := o.Open(deadline(t, time.Minute))
		if err == nil != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, not %q", c.name, err, c.says)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") || plugin.IsPermanent(err) {
			t.Errorf("%s: %v", c.name, err)
		}
		_ = o.Close(context.Background())
	}
}

// TestOpenMayNotSeeTemplates: credentials that may write hits and nothing else do.
func TestOpenMayNotSeeTemplates(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	f := newFake(t, elasticFlavor)
	f.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if r.Method == http.MethodGet {
			says(w, 403, "security_exception", "action [indices:admin/index_template/get] is unauthorized")
		}
		return r.Method == http.MethodGet
	}
	o := unopened(f)
	if err := o.Open(deadline(t, time.Minute)); err != nil || !strings.Contains(log.String(), "cannot check whether") {
		t.Errorf("%v, log %q", err, log.String())
	}
	if err := o.Write(deadline(t, time.Minute), someHits(2)); err != nil || len(f.docs) != 2 {
		t.Errorf("%v, %d documents", err, len(f.docs))
	}
	_ = o.Close(context.Background())
}

func TestOpenWhileServerIsDown(t *testing.T) {
	t.Parallel()
	f := newFake(t, elasticFlavor)
	f.Close()
	if err := unopened(f).Open(deadline(t, time.Minute)); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set  func(*output)
		says string
	}{
		{func(o *output) {}, ""},
		{func(o *output) { o.Namespace = "site_1.b" }, ""},
		{func(o *output) { o.Namespace = "Site-1" }, "namespace"},
		{func(o *output) { o.Retention = "3 months" }, "retention"},
		{func(o *output) { o.Retention = "none" }, ""},
		{func(o *output) { o.Addresses = []string{"https://elastic:hunter2@es:9200"} }, "addresses[0]: must not hold a password"},
		{func(o *output) { o.Addresses = []string{"https://es:9200/?q=hunter2"} }, "addresses[0]"},
		{func(o *output) { o.Addresses = []string{"https://es:9200/", "es"} }, "addresses[1]"},
		{func(o *output) { o.Addresses = []string{"https://proxy/es/"} }, ""},
		{func(o *output) { o.Flavor, o.APIKeyFile = openSearchFlavor, "/k" }, "nothing that OpenSearch knows"},
	} {
		o := newOutput()
		o.Addresses = []string{"https://es1.example:9200"}
		c.set(o)
		err := o.Validate()
		if err == nil != (c.says == "") || err != nil && (!strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%v, not %q", err, c.says)
		}
	}
}

// TestTLS: the server is known by the CA of ca_file alone.
func TestTLS(t *testing.T) {
	t.Parallel()
	f := newFake(t, elasticFlavor)
	s := newTLS(t, f)
	o := unopened(f)
	o.Addresses, o.AutoSetup = []string{s.URL}, true
	if err := o.Open(deadline(t, time.Minute)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("opened without knowing the CA: %v", err)
	}
	o.CAFile = caFile(t, s)
	if err := o.Open(deadline(t, time.Minute)); err != nil {
		t.Error(err)
	}
	_ = o.Close(context.Background())
}
