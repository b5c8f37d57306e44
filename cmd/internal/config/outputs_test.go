package config

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert/output"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/hit"
)

const anOutput = `
plugin_dir: plugins
outputs:
  - {name: chat, type: webhook}
  - name: siem
    type: syslog
    min_severity: medium
    kinds: [new, dnsbl]
    directions: [outbound]
    categories: [c2]
    feeds: [a]
    batch: {max: 10, every: 0s}
    timeout: 1m
    spool: 64MiB
    max_attempts: 1
    max_age: 1d
    sha256: ` + "0123456789abcdefABCDEF0123456789abcdef0123456789abcdef0123456789" + `
    settings:
      address: "tls://${FLOWHOUND_TEST_SECRET}:6514"
      port: 6514
      hex: 0x10
      ratio: .5
      on: true
      time: 2026-01-02
      tls: {key: literal, names: [a, "${FLOWHOUND_TEST_SECRET}"]}
      headers: {X-Token: abc}
`

func TestOutputs(t *testing.T) {
	t.Setenv("FLOWHOUND_TEST_SECRET", "hunter2")
	c := mustParse(t, minimal+anOutput)
	if c.PluginDir != "/etc/flowhound/plugins" {
		t.Errorf("plugin_dir is %s", c.PluginDir)
	}
	got := c.Outputs[1]
	var set any
	if err := json.Unmarshal(got.Settings.JSON, &set); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"address": "tls://hunter2:6514", "port": 6514., "hex": 16., "ratio": ".5", "on": true, "time": "2026-01-02",
		"tls": map[string]any{"key": "literal", "names": []any{"a", "hunter2"}}, "headers": map[string]any{"X-Token": "abc"},
	}
	if !reflect.DeepEqual(set, want) {
		t.Errorf("settings %#v, want %#v", set, want)
	}
	got.Settings = settings.Opaque{}
	if want := (output.Config{
		Name: "siem", Type: "syslog", MinSeverity: hit.Medium, Kinds: []string{"new", "dnsbl"}, Directions: []string{"outbound"},
		Categories: []intel.Category{intel.C2}, Feeds: []string{"a"}, Batch: output.Batch{Max: 10}, Timeout: time.Minute, Spool: 64 * settings.MiB,
		MaxAttempts: 1, MaxAge: 24 * time.Hour, SHA256: "0123456789abcdefABCDEF0123456789abcdef0123456789abcdef0123456789",
	}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if want := (output.Config{
		Name: "chat", Type: "webhook", Batch: output.Batch{Max: 500, Every: time.Second}, Timeout: 30 * time.Second, Spool: settings.GB, MaxAttempts: 5, MaxAge: 168 * time.Hour,
	}); !reflect.DeepEqual(c.Outputs[0], want) {
		t.Errorf("defaults %+v, want %+v", c.Outputs[0], want)
	}

	for key, want := range map[string]string{
		"settings.tls.key":   "/etc/flowhound/flowhound.yaml:26: outputs[1].settings.tls.key: is short",
		"settings.tls.other": "/etc/flowhound/flowhound.yaml:26: outputs[1].settings.tls.other: is short",
		"settings.gone":      "/etc/flowhound/flowhound.yaml:19: outputs[1].settings.gone: is short",
	} {
		if got := c.OutputProblem(1, key, "is short").String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// What is printed of settings tells nothing that the plugin calls a secret, and
// nothing at all while that is not known.
func TestPrintOutputs(t *testing.T) {
	t.Setenv("FLOWHOUND_TEST_SECRET", "hunter2")
	c := mustParse(t, minimal+anOutput)
	for _, no := range []string{"hunter2", "literal", "abc\n", "port: 6514"} {
		if printed := c.String(); strings.Contains(printed, no) {
			t.Errorf("prints %q:\n%s", no, printed)
		}
	}
	c.ShowSettings(1, []string{"tls.key", "headers.*"})
	printed := c.String()
	for _, no := range []string{"hunter2", "literal", "abc\n"} {
		if strings.Contains(printed, no) {
			t.Errorf("prints %q:\n%s", no, printed)
		}
	}
	for _, line := range []string{
		"address: tls://${FLOWHOUND_TEST_SECRET}:6514\n", "port: 6514\n", "key: <secret>\n", "- ${FLOWHOUND_TEST_SECRET}\n", "X-Token: <secret>\n", "\"on\": true\n", "spool: 64MiB\n",
	} {
		if !strings.Contains(printed, line) {
			t.Errorf("%q is not in\n%s", line, printed)
		}
	}
	again := mustParse(t, printed)
	again.ShowSettings(1, []string{"tls.key", "headers.*"})
	if again.String() != printed {
		t.Errorf("changed by printing and reading:\n%s\nand\n%s", printed, again)
	}
}

func TestMatchesName(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"url", "url", true},
		{"url", "urls", false},
		{"tls.key", "tls.key", true},
		{"tls", "tls.key", true},
		{"tls.key", "tls", false},
		{"nodes[].password", "nodes[12].password", true},
		{"nodes[].password", "nodes[12].user", false},
		{"headers.*", "headers.X-Token", true},
		{"keys[]", "keys[0]", true},
	} {
		if got := matchesName(c.pattern, c.name); got != c.want {
			t.Errorf("%s of %s: %v", c.name, c.pattern, got)
		}
	}
}
