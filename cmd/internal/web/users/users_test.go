package users

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAddAndRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	anna, err := ForPassword("anna", Operator, []byte("correct horse battery"))
	if err != nil {
		t.Fatal(err)
	}
	prom, token, err := ForToken("prometheus", Viewer)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []User{anna, prom} {
		if err := Add(path, u, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := Add(path, anna, ""); !errors.Is(err, ErrThere) {
		t.Errorf("a second anna: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	all, err := Read(path)
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	text, _ := os.ReadFile(path)
	if strings.Contains(string(text), token) || strings.Contains(string(text), "battery") {
		t.Error("the file holds a secret")
	}
	for _, c := range []struct {
		name, password string
		want           bool
	}{
		{"anna", "correct horse battery", true},
		{"anna", "correct horse batter", false},
		{"anna", "", false},
		{"bob", "correct horse battery", false},
		{"prometheus", token, false}, // a token is no password
		{"anna", strings.Repeat("x", 100_000), false},
	} {
		if u, ok := ByPassword(all, c.name, []byte(c.password)); ok != c.want || ok && u.Role != Operator {
			t.Errorf("%s, %.30q: %v", c.name, c.password, ok)
		}
	}
	if u, ok := ByToken(all, token); !ok || u.Name != "prometheus" {
		t.Error("the token is not taken")
	}
	for _, wrong := range []string{"", "x", anna.Hash, prom.Hash, strings.TrimPrefix(prom.Hash, tokenPrefix)} {
		if _, ok := ByToken(all, wrong); ok {
			t.Errorf("%q is taken for a token", wrong)
		}
	}
	if err := os.WriteFile(path, append(text, "# by hand\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Remove(path, "anna"); err != nil {
		t.Fatal(err)
	}
	if err := Remove(path, "anna"); !errors.Is(err, ErrNoUser) {
		t.Errorf("removed twice: %v", err)
	}
	left, _ := os.ReadFile(path)
	if strings.Contains(string(left), "anna") || !strings.Contains(string(left), "# by hand") || !strings.Contains(string(left), "prometheus:viewer:") {
		t.Errorf("left: %s", left)
	}
}

func TestPasswords(t *testing.T) {
	for _, c := range []struct{ name, password, want string }{
		{"anna", "short", "too short"},
		{"anna", strings.Repeat("x", 73), "too long"},
		{"An na", "long enough it is", "cannot be a name"},
		{"a:b", "long enough it is", "cannot be a name"},
		{"", "long enough it is", "cannot be a name"},
	} {
		if _, err := ForPassword(c.name, Viewer, []byte(c.password)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := ForPassword("anna", "root", []byte("long enough it is")); err == nil || !strings.Contains(err.Error(), "viewer and operator") {
		t.Errorf("role root: %v", err)
	}
	if _, _, err := ForToken("a b", Viewer); err == nil {
		t.Error("a name with a space")
	}
}

func TestParseSaysTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"anna\n":              "line 1",
		"# x\nanna:root:x\n":  "line 2: there is no role",
		"anna:viewer:plain\n": "hash of anna",
		"anna:viewer:$2a$31$EqQvC8oGmqH8hRZ1nE6iUuYb0mDqkO5oTtqk5C1e6c6bVt0pEo0yK\n": "hash of anna",
		"anna:viewer:sha256:00\n":                                     "hash of anna",
		"a:viewer:" + string(nobody) + "\na:viewer:" + string(nobody): "twice",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestMay(t *testing.T) {
	for _, c := range []struct {
		have, want Role
		may        bool
	}{{Viewer, Viewer, true}, {Viewer, Operator, false}, {Operator, Viewer, true}, {Operator, Operator, true}, {"", Viewer, false}, {"root", Operator, false}} {
		if got := (Caller{Role: c.have}).May(c.want); got != c.may {
			t.Errorf("%s may %s: %v", c.have, c.want, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("# c\nanna:viewer:" + string(nobody) + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := Parse(b)
		if err != nil {
			return
		}
		for _, u := range all {
			if !validName().MatchString(u.Name) || !u.validHash() {
				t.Errorf("%+v", u)
			}
		}
	})
}
