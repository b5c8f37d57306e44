package archive

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type document struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

type state struct{ Page int }

func open(t *testing.T, dir string) (a *Archive, s state, fresh bool) {
	t.Helper()
	a, fresh, err := Open(dir, &s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a, s, fresh
}

func add(t *testing.T, a *Archive, pairs ...string) {
	t.Helper()
	for at := 0; at < len(pairs); at += 2 {
		if err := a.Add(document{pairs[at], pairs[at+1]}); err != nil {
			t.Fatal(err)
		}
	}
}

func merge(t *testing.T, a *Archive, s state, gone func(string, []byte) bool) bool {
	t.Helper()
	changed, err := a.Merge(s, gone)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// content prints the documents as "id=text".
func content(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, Documents))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.NewReplacer(`{"id":"`, "", `","text":"`, "=", "\"}\n", " ").Replace(string(b))
}

func expect(t *testing.T, dir, want string) {
	t.Helper()
	if got := content(t, dir); got != want {
		t.Errorf("documents are %q, want %q", got, want)
	}
}

func TestMerge(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "feed")
	a, _, fresh := open(t, dir)
	if !fresh {
		t.Error("a new archive is not fresh")
	}
	add(t, a, "a", "1", "b", "1", "c", "1", "b", "2")
	if len(a.pending) != 3 {
		t.Errorf("%d pending", len(a.pending))
	}
	expect(t, dir, "")
	if !merge(t, a, state{1}, nil) {
		t.Error("nothing changed")
	}
	expect(t, dir, "a=1 b=2 c=1 ")

	add(t, a, "b", "2")
	if merge(t, a, state{2}, nil) {
		t.Error("the same document again is a change")
	}
	add(t, a, "d", "1", "a", "3")
	if !merge(t, a, state{3}, func(id string, line []byte) bool { return id == "c" && strings.Contains(string(line), `"text":"1"`) }) {
		t.Error("nothing changed")
	}
	expect(t, dir, "a=3 b=2 d=1 ")

	a, s, fresh := open(t, dir)
	if fresh || s.Page != 3 {
		t.Errorf("state %+v, fresh %v", s, fresh)
	}
	add(t, a, "b", "2")
	if !merge(t, a, state{4}, func(string, []byte) bool { return true }) {
		t.Error("nothing changed")
	}
	expect(t, dir, "b=2 ")
}

// What was saved survives a stop, what came after does not.
func TestStop(t *testing.T) {
	dir := t.TempDir()
	a, _, _ := open(t, dir)
	add(t, a, "a", "1", "b", "1")
	merge(t, a, state{1}, nil)
	add(t, a, "b", "2", "c", "1")
	if err := a.Save(state{2}); err != nil {
		t.Fatal(err)
	}
	add(t, a, "d", "1", "e", strings.Repeat("x", 2<<20))

	a, s, fresh := open(t, dir)
	if fresh || s.Page != 2 || len(a.pending) != 2 {
		t.Errorf("state %+v, fresh %v, %d pending", s, fresh, len(a.pending))
	}
	expect(t, dir, "a=1 b=1 ")
	add(t, a, "f", "1")
	merge(t, a, state{3}, nil)
	expect(t, dir, "a=1 b=2 c=1 f=1 ")
}

// What a killed process was writing does not pile up.

// What is published counts, and what is forgotten does not.
func TestPublish(t *testing.T) {
	dir := t.TempDir()
	a, _, _ := open(t, dir)
	add(t, a, "a", "1", "b", "1")
	merge(t, a, state{1}, nil)
	add(t, a, "b", "2")
	if changed, err := a.Publish(state{2}); !changed || err != nil {
		t.Fatal(changed, err)
	}
	expect(t, dir, "a=1 b=2 ")

	a, s, fresh := open(t, dir)
	if fresh || s.Page != 2 || len(a.pending) != 1 {
		t.Errorf("state %+v, fresh %v, %d pending", s, fresh, len(a.pending))
	}
	add(t, a, "c", "1")
	merge(t, a, state{3}, func(string, []byte) bool { return true })
	expect(t, dir, "b=2 c=1 ")

	add(t, a, "d", "1")
	if err := a.Forget(); err != nil {
		t.Fatal(err)
	}
	if merge(t, a, state{4}, nil) {
		t.Error("what was forgotten is a change")
	}
	expect(t, dir, "b=2 c=1 ")
}

// A damaged archive is an empty one.
func TestDamage(t *testing.T) {
	for name, harm := range map[string]func(dir string) error{
		"documents cut":  func(dir string) error { return os.Truncate(filepath.Join(dir, Documents), 5) },
		"documents gone": func(dir string) error { return os.Remove(filepath.Join(dir, Documents)) },
		"documents changed": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, Documents), []byte("{\"id\":\"a\",\"text\":\"2\"}\n"), 0o600)
		},
		"spool cut":  func(dir string) error { return os.Truncate(filepath.Join(dir, spoolFile), 3) },
		"spool gone": func(dir string) error { return os.Remove(filepath.Join(dir, spoolFile)) },
		"spool changed": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, spoolFile), []byte(strings.Repeat("x", 99)), 0o600)
		},
		"state cut":  func(dir string) error { return os.Truncate(filepath.Join(dir, stateFile), 30) },
		"state gone": func(dir string) error { return os.Remove(filepath.Join(dir, stateFile)) },
		"state of a later version": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, stateFile), []byte(`{"version":9}`), 0o600)
		},
		"state of another shape": func(dir string) error {
			b, err := os.ReadFile(filepath.Join(dir, stateFile))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, stateFile), []byte(strings.Replace(string(b), `{"Page":2}`, `"x"`, 1)), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a, _, _ := open(t, dir)
			add(t, a, "a", "1")
			merge(t, a, state{1}, nil)
			add(t, a, "b", "1")
			if err := a.Save(state{2}); err != nil {
				t.Fatal(err)
			}
			if err := harm(dir); err != nil {
				t.Fatal(err)
			}
			a, s, fresh := open(t, dir)
			if !fresh || s.Page != 0 || len(a.pending) != 0 {
				t.Errorf("state %+v, fresh %v, %d pending", s, fresh, len(a.pending))
			}
			add(t, a, "c", "1")
			merge(t, a, state{3}, nil)
			expect(t, dir, "c=1 ")
			if _, s, fresh := open(t, dir); fresh || s.Page != 3 {
				t.Errorf("afterwards: state %+v, fresh %v", s, fresh)
			}
		})
	}
}

func TestAddRefusesWhatHasNoID(t *testing.T) {
	a, _, _ := open(t, t.TempDir())
	for _, d := range []any{map[string]int{"x": 1}, document{}, 7, struct{ B, ID string }{"b", "a"}} {
		if a.Add(d) == nil {
			t.Errorf("%+v was taken", d)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"version":1,"size":0,"crc32c":0,"spool":24,"state":{"Page":2}}`), []byte("{\"id\":\"a\",\"text\":\"1\"}\n"), []byte("x"))
	f.Add([]byte(`{"version":1,"size":-1,"spool":-5}`), []byte(""), []byte(""))
	f.Fuzz(func(t *testing.T, saved, spool, documents []byte) {
		dir := t.TempDir()
		for name, content := range map[string][]byte{stateFile: saved, spoolFile: spool, Documents: documents} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var s state
		a, _, err := Open(dir, &s)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = a.Close() }()
		if err := a.Add(document{"zz", "1"}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Merge(s, nil); err == nil && !strings.Contains(content(t, dir), "zz=1") {
			t.Fatal("the document is not there")
		}
	})
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "."+Documents+".123.tmp") // of a merge that was killed
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("%s is still there (%v)", left, err)
	}
}
