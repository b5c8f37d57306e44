package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
)

// edited writes a configuration, has change change it and returns what it is then.
func edited(t *testing.T, content string, change func(path string) (*Change, error)) (string, *Change, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flowhound.yaml")
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
	c, err := change(path)
	if got, readErr := os.ReadFile(path); readErr != nil || string(got) != content {
		t.Errorf("changed before Write: %v\n%s", readErr, got)
	}
	if err != nil {
		return content, nil, err
	}
	if err := c.Write(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("afterwards: %v, %v", info, err)
	}
	return string(got), c, nil
}

func TestRemoveFeed(t *testing.T) {
	const one = "feeds:\n  # mine\n  - {name: a, type: list, path: a}\n"
	for name, tt := range map[string]struct{ before, feed, after string }{
		"on one line":        {one + "  - {name: b, type: tor} # gone\n  # c is dear\n  - name: c\n    type: cins\n", "b", one + "  # c is dear\n  - name: c\n    type: cins\n"},
		"the first":          {"feeds:\n  # all of them\n  - name: a\n    type: tor\n    #confidence: 9\n  - {name: b, type: cins}\nlog: {keep: 1}\n", "a", "feeds:\n  # all of them\n  - {name: b, type: cins}\nlog: {keep: 1}\n"},
		"a dash by itself":   {one + "  -\n    name: b\n    type: tor\n\n# web\nweb: {listen: \"\"}\n", "b", one + "\n# web\nweb: {listen: \"\"}\n"},
		"dashes at the edge": {"feeds:\n- name: b\n  type: tor\n- name: a\n  type: cins\n", "b", "feeds:\n- name: a\n  type: cins\n"},
		"no newline":         {one + "  - {name: b, type: tor}", "b", one},
		"from Windows":       {"feeds:\r\n  - {name: a, type: tor}\r\n  - {name: b, type: cins}\r\n", "b", "feeds:\r\n  - {name: a, type: tor}\r\n"},
	} {
		got, c, err := edited(t, tt.before, func(path string) (*Change, error) { return RemoveFeed(path, tt.feed) })
		if err != nil || got != tt.after || !strings.Contains(c.Text, tt.feed) {
			t.Errorf("%s: %v; the file is\n%s", name, err, got)
		}
	}
	for before, want := range map[string]string{
		one:                                  `there is no feed "b"; those configured are a`,
		"feeds:\n  - {name: b, type: tor}\n": "is the only feed",
		one + "  - {name: tor, type: tor}\n": `there is no feed "b"; those configured are a, tor`,
		"feeds: [{name: b, type: tor}, {name: a, type: cins}]\n":                               "feeds is written as [...]",
		one + "  - {name: b, type: tor}\nexports: [{format: plain, path: /tmp/x, feeds: [b]}]": "would not be valid",
		one + "  - &x\n    name: b\n    type: tor\n  - <<: *x\n    name: c\n":                  "", // whatever it says, nothing changes
	} {
		got, _, err := edited(t, before, func(path string) (*Change, error) { return RemoveFeed(path, "b") })
		if err == nil || got != before || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", before, err)
		}
	}
}

// Every feed that AddFeed writes goes as it came.
func TestAddedFeedGoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flowhound.yaml")
	if err := os.WriteFile(path, []byte(Example()), 0o600); err != nil {
		t.Fatal(err)
	}
	for typ, url := range map[string]string{"otx": "", "tor": "", "list": "https://lists.example/{key}/x", "misp": "https://misp.example/"} {
		added, err := AddFeed(path, NewFeed{Type: typ, Name: "new", URL: url})
		if err != nil {
			t.Fatal(err)
		}
		c, err := RemoveFeed(path, "new")
		if err != nil {
			t.Fatal(err)
		}
		if c.Text != added.Block {
			t.Errorf("%s: came\n%s\nwent\n%s", typ, added.Block, c.Text)
		}
		if err := c.Write(); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != Example() {
			t.Errorf("%s: something is left", typ)
		}
	}
}

var (
	nextYear = time.Now().AddDate(1, 0, 0).UTC().Truncate(time.Second)
	ours     = alert.Mute{Src: netip.MustParsePrefix("10.1.2.3/32"), Cat: "scanner", Until: nextYear, Why: `our "own": #1, it's`, By: "alice", At: nextYear.AddDate(-1, 0, 0)}
)

func TestMuteEdits(t *testing.T) {
	const feeds = "feeds: [{name: a, type: list, path: a}] # mine\n"
	add := func(m alert.Mute) func(string) (*Change, error) {
		return func(path string) (*Change, error) { return AddMute(path, m) }
	}
	remove := func(m alert.Mute) func(string) (*Change, error) {
		return func(path string) (*Change, error) { return RemoveMute(path, m) }
	}
	six := alert.Mute{IOC: netip.MustParsePrefix("2001:db8::/32"), Until: nextYear, Why: "v6"}
	for _, before := range []string{feeds, feeds + "mute: [] # none\nlog: {keep: 1}\n", feeds + "mute:\n  # by hand\nlog: {keep: 1}\n", feeds + "mute:\n- {cat: spam, until: 2099-01-01, why: x} # stays\n\n# end\n"} {
		one, c, err := edited(t, before, add(ours))
		if err != nil {
			t.Fatalf("%q: %v", before, err)
		}
		if !strings.Contains(one, "src: 10.1.2.3, cat: scanner, until:") || !strings.Contains(one, c.Text) {
			t.Errorf("%s", one)
		}
		two, _, err := edited(t, one, add(six))
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := Parse("x", []byte(two))
		if err != nil || len(cfg.Mute) < 2 || cfg.Mute[len(cfg.Mute)-2] != ours || cfg.Mute[len(cfg.Mute)-1] != six {
			t.Fatalf("%v\n%s", err, two)
		}
		longer := ours
		longer.Until = nextYear.AddDate(1, 0, 0)
		three, _, err := edited(t, two, add(longer))
		if cfg, _ := Parse("x", []byte(three)); err != nil || cfg == nil || cfg.Mute[len(cfg.Mute)-1] != longer || strings.Count(three, "10.1.2.3") != 1 {
			t.Errorf("again: %v\n%s", err, three)
		}
		back, _, err := edited(t, three, remove(alert.Mute{IOC: six.IOC}))
		if err == nil {
			back, _, err = edited(t, back, remove(alert.Mute{Src: ours.Src, Cat: "scanner"}))
		}
		want := strings.Replace(before, "mute: [] # none\n", "", 1) // the comment goes with the key that it is about
		want = strings.Replace(want, "mute:\n  # by hand", "  # by hand", 1)
		if err != nil || back != want {
			t.Errorf("after all: %v\n%s\nwant\n%s", err, back, want)
		}
	}
	over, all := ours, ours
	over.Until = time.Now().Add(-time.Hour)
	all.Src, all.Cat = netip.Prefix{}, ""
	variable := ours
	variable.Why = "${HOME} of it"
	long := ours
	long.Why = strings.Repeat("x", 300)
	for want, change := range map[string]func(string) (*Change, error){
		"in the past": add(over), "name what is muted": add(all), "use other words": add(variable), "would not be valid": add(long),
		"give the reason": add(alert.Mute{Cat: "spam", Until: nextYear}), "nothing is muted": remove(ours),
	} {
		if _, _, err := edited(t, feeds, change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestAllowEdits(t *testing.T) {
	const feeds = "feeds: [{name: a, type: list, path: a}]\n"
	dir := t.TempDir()
	path, list := filepath.Join(dir, "flowhound.yaml"), filepath.Join(dir, "allow.txt")
	if err := os.WriteFile(path, []byte(feeds), 0o600); err != nil {
		t.Fatal(err)
	}
	do := func(c *Change, err error) {
		t.Helper()
		if err == nil {
			err = c.Write()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	is := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(list); err != nil || string(got) != want {
			t.Errorf("%v, the list is\n%s", err, got)
		}
	}
	add := func(what, why string) (*Change, error) { return AddAllow(path, Allowed{What: what, Why: why}) }
	do(add("198.51.100.7", "our host"))
	is("198.51.100.7 # our host\n")
	if got, _ := os.ReadFile(path); string(got) != feeds+"allow:\n  - allow.txt\n" {
		t.Errorf("%s", got)
	}
	at := time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)
	do(AddAllow(path, Allowed{What: ".Example.COM", List: list, Why: "theirs", By: "alice", At: at, Until: nextYear}))
	until := " # until " + nextYear.Format(time.RFC3339) + ": theirs (alice, 2026-06-07)\n"
	is("198.51.100.7 # our host\n.example.com" + until)
	do(add("198.51.100.7", "another reason"))
	is(".example.com" + until + "198.51.100.7 # another reason\n")
	if err := os.WriteFile(list, []byte("# mine\n2001:DB8::1 ; six\n198.51.100.0/24 # a network\n198.51.100.7"), 0o600); err != nil {
		t.Fatal(err)
	}
	do(add("10.0.0.0/8", "private"))
	is("# mine\n2001:DB8::1 ; six\n198.51.100.0/24 # a network\n198.51.100.7\n10.0.0.0/8 # private\n")
	do(RemoveAllow(path, "198.51.100.7"))
	do(RemoveAllow(path, "2001:db8:0::1"))
	is("# mine\n198.51.100.0/24 # a network\n10.0.0.0/8 # private\n")
	for _, tt := range []struct {
		a    Allowed
		want string
	}{
		{Allowed{What: "nonsense!", Why: "x"}, "cannot be allowed"},
		{Allowed{What: "0.0.0.0/0", Why: "x"}, "cannot be allowed"},
		{Allowed{What: "198.51.100.7:80", Why: "x"}, "cannot be allowed"},
		{Allowed{What: "198.51.100.7"}, "give the reason"},
		{Allowed{What: "198.51.100.7", Why: "x", Until: at}, "in the past"},
		{Allowed{What: "198.51.100.7", Why: "x", List: "other.txt"}, "other.txt is not in allow:"},
	} {
		if _, err := AddAllow(path, tt.a); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt.a, err)
		}
	}
	if _, err := RemoveAllow(path, "198.51.100.7"); err == nil || !strings.Contains(err.Error(), "no allow list has a line of exactly 198.51.100.7") {
		t.Error(err)
	}
	c, err := add("192.0.2.1", "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, []byte("# else\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Write(); err == nil || !strings.Contains(err.Error(), "changed it meanwhile") {
		t.Error(err)
	}
	if err := os.WriteFile(list, []byte(`{"type": "cidr", "list": []}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := add("192.0.2.1", "x"); err == nil || !strings.Contains(err.Error(), "MISP warninglist") {
		t.Error(err)
	}
}
