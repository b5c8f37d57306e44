package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
)

// addFeed adds f to a file of that content and returns what it is then.
func addFeed(t *testing.T, content string, f NewFeed) (string, *AddedFeed, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flowhound.yaml")
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
	added, err := AddFeed(path, f)
	got, readErr := os.ReadFile(path)
	if info, statErr := os.Stat(path); readErr != nil || statErr != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("afterwards: %v, %v, %v", info, readErr, statErr)
	}
	if names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
	return string(got), added, err
}

func TestAddFeed(t *testing.T) {
	const block = "# DShield's most active attackers: https://isc.sans.edu/feeds_doc.html\n- name: dshield\n  type: dshield\n  #every: 1h\n  #max_shrink: 50\n  #category: scanner\n  #confidence: 60\n"
	in := func(indent, newline, s string) string {
		return indent + strings.TrimSuffix(strings.ReplaceAll(strings.ReplaceAll(s, "\n", newline+indent), "\n"+indent+"\n", "\n\n"), indent)
	}
	for name, tt := range map[string]struct{ before, added, after string }{
		"at the end":   {"feeds:\n  - {name: a, type: list, path: a}\n", in("  ", "\n", block), ""},
		"in between":   {"# mine\nfeeds:\n- name: a\n  type: list\n  path: a # here\n  #confidence: 60\n", block, "\n# web\nweb: {listen: \"\"}\n"},
		"no newline":   {"feeds:\n  - {name: a, type: list, path: a}", "\n" + in("  ", "\n", block), ""},
		"from Windows": {"feeds:\r\n  - {name: a, type: list, path: a}\r\n", in("  ", "\r\n", block), "log: {keep: 1}\r\n"},
		"none yet":     {"log: {keep: 1}\n", "feeds:\n" + in("  ", "\n", block), ""},
		"emptied":      {"feeds:\n  # all gone\n", in("  ", "\n", block), "log: {keep: 1}\n"},
		"empty file":   {"", "feeds:\n" + in("  ", "\n", block), ""},
	} {
		before := tt.before
		if name == "emptied" {
			before = "feeds:\n"
			tt.after = "  # all gone\nlog: {keep: 1}\n"
		}
		got, added, err := addFeed(t, before+tt.after, NewFeed{Type: "dshield"})
		if err != nil || got != before+tt.added+tt.after || added.Name != "dshield" || added.KeyFile != "" {
			t.Errorf("%s: %+v, %v; the file is\n%s", name, added, err, got)
		}
	}

	got, added, err := addFeed(t, "feeds:\n  - name: otx\n    type: list\n    path: a\n", NewFeed{Type: "otx"})
	if err != nil || added.Name != "otx-2" || filepath.Base(added.KeyFile) != "otx-2.key" || !filepath.IsAbs(added.KeyFile) || !strings.Contains(got, "api_key_file: otx-2.key\n") {
		t.Errorf("a name that is taken: %+v, %v\n%s", added, err, got)
	}
}

// TestAddEveryFeed adds each type to the example, also with all that the block
// shows set.
func TestAddEveryFeed(t *testing.T) {
	for _, name := range feed.Names() {
		typ, _ := feed.Find(name)
		f := NewFeed{Type: name, Name: name + "-too"}
		if !typ.HasURL() {
			f.URL = "https://lists.example/{key}/x"
			if typ.IsServer() {
				f.URL = "https://lists.example/"
			}
		}
		got, added, err := addFeed(t, Example(), f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if rest := strings.Replace(got, added.Block, "", 1); rest != Example() {
			t.Errorf("%s: the rest has changed", name)
		}
		all := strings.ReplaceAll(added.Block, "    #", "    ")
		if _, err := Parse("f", []byte("feeds:\n"+all)); err != nil {
			t.Errorf("%s: with all set: %v\n%s", name, err, all)
		}
	}
}

func TestAddFeedRefuses(t *testing.T) {
	const good = "feeds:\n  - {name: a, type: list, path: a}\n"
	for says, tt := range map[string]struct {
		content string
		f       NewFeed
	}{
		"did you mean dshield?":                              {good, NewFeed{Type: "dsheild"}},
		"needs --url or --path":                              {good, NewFeed{Type: "list"}},
		"--url and --path are both set":                      {good, NewFeed{Type: "list", URL: "https://a.example", Path: "b"}},
		"feed a is of type tor already; to add a second one": {"feeds:\n  - {name: a, type: tor}\n", NewFeed{Type: "tor"}},
		"on a line of its own":                               {minimal, NewFeed{Type: "tor"}},
		"is the name of feeds[0] too":                        {good, NewFeed{Type: "tor", Name: "a"}},
		"is not a feed's name":                               {good, NewFeed{Type: "tor", Name: "a b"}},
		"flowhound check":                                    {"feeds: [", NewFeed{Type: "tor"}},
		"would not be valid":                                 {good + "wbe: 1\n", NewFeed{Type: "tor"}},
		"a URL that starts with http://":                     {good, NewFeed{Type: "list", URL: "a.example"}},
		"put that into an environment variable ":             {good, NewFeed{Type: "list", URL: "https://a:b@a.example/"}},
	} {
		got, added, err := addFeed(t, tt.content, tt.f)
		if err == nil || !strings.Contains(err.Error(), says) || added != nil && got != tt.content {
			t.Errorf("%s: %+v, %v", says, added, err)
		}
		if got != tt.content {
			t.Errorf("%s: the file has changed:\n%s", says, got)
		}
	}
	if _, err := AddFeed(filepath.Join(t.TempDir(), "gone.yaml"), NewFeed{Type: "tor"}); !os.IsNotExist(unwrap(err)) {
		t.Errorf("no file: %v", err)
	}
}
