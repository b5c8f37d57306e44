package geo

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGaps: the fallback is asked where the built-in table knows nothing, and never of what
// no database may speak of. A command reads it when it needs it, and says what it cannot
// read; the agent reads it at once.
func TestGaps(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("geoip", "134744064,134744319,SE\n3221225984,3221226239,SE\n4026531840,4026532095,SE\n") // 8.8.8.0/24, 192.0.2.0/24, 240.0.0.0/24
	write("geoip6", "2001:4860::,2001:4860:ffff:ffff:ffff:ffff:ffff:ffff,SE\n5000::,5000::ffff,FI\n")
	c := Config{Fallback: dir}
	var said strings.Builder
	p, err := Open(c, "", slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	v, problems := loadNow(&c)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for text, want := range map[string]string{"8.8.8.8": "US", "192.0.2.1": "--", "240.0.0.1": "--", "10.0.0.1": "private", "5000::1": "FI", "5000::1:1": "FI", "5001::": "--"} {
		for _, view := range []*View{p.View(), v} {
			if got := view.Country(addr(text), 0).String(); got != want {
				t.Errorf("%s is %s, want %s", text, got, want)
			}
		}
	}
	if v.Source() != "DB-IP" || said.Len() > 0 {
		t.Errorf("source %s, said %q", v.Source(), said.String())
	}

	write("geoip6", "not a database\n")
	if p, err = Open(c, "", slog.New(slog.NewTextHandler(&said, nil))); err != nil {
		t.Fatal(err)
	}
	if got := p.View().Country(addr("8.8.8.8"), 0).String(); got != "US" || said.Len() > 0 {
		t.Errorf("8.8.8.8 is %s, and what nobody asked for was read: %q", got, said.String())
	}
	if got := p.View().Country(addr("5000::1"), 0).String(); got != "--" || !strings.Contains(said.String(), "geoip6") {
		t.Errorf("5000::1 is %s, said %q", got, said.String())
	}
	if _, problems := loadNow(&c); len(problems) != 1 {
		t.Errorf("the agent finds %v", problems)
	}
}
