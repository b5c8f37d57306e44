package config

import (
	"slices"
	"testing"
)

func TestWritePaths(t *testing.T) {
	if got := mustParse(t, minimal).WritePaths(); len(got) != 0 {
		t.Errorf("the defaults: %q", got)
	}
	c := mustParse(t, minimal+`
log: {path: /srv/log/alerts.log}
data_dir: /var/lib/flowhound2
exports:
  - {format: plain, path: /var/lib/flowhound/export/a}
  - {format: plain, path: /var/lib/bind/a}
  - {format: plain, path: /var/lib/bind/b}
`)
	if got, want := c.WritePaths(), []string{"/srv/log", "/var/lib/bind", "/var/lib/flowhound2", "/var/lib/flowhound2/run"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
