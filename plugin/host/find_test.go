package host

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// program puts a small file that could be executed into dir.
func program(t *testing.T, dir, typ string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, prefix+typ)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func pluginDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plugins")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFind(t *testing.T) {
	sum := sha256.Sum256([]byte("#!/bin/sh\n"))
	hexSum := hex.EncodeToString(sum[:])
	for name, c := range map[string]struct {
		make    func(t *testing.T, dir string)
		typ     string // "x"
		sum     string
		want    string // of the error; "" for none
		rootToo bool   // needs root to make
	}{
		"fine":                        {},
		"pinned":                      {sum: strings.ToUpper(hexSum)},
		"another hash":                {sum: strings.Repeat("0", 64), want: "has the SHA-256 " + hexSum + ", not the one in the configuration"},
		"other type":                  {typ: "y", want: "there is no flowhound-output-y in"},
		"what there is":               {typ: "y", want: "the types there are x"},
		"no type":                     {typ: "../x", want: `"../x" is not the type of an output`},
		"not executable":              {want: "is not executable (mode 0644); chmod +x it", make: func(t *testing.T, dir string) { program(t, dir, "x", 0o644) }},
		"world-writable":              {want: "can be written to by others (mode 0757); chmod go-w it", make: func(t *testing.T, dir string) { program(t, dir, "x", 0o757) }},
		"group-writable":              {want: "can be written to by others (mode 0775); chmod go-w it", make: func(t *testing.T, dir string) { program(t, dir, "x", 0o775) }},
		"directory can be written to": {want: "plugins can be written to by others (mode 0777), who could put a program there", make: func(t *testing.T, dir string) { chmod(t, dir, 0o777) }},
		"directory is sticky":         {want: "plugins can be written to by others (mode 0777), who could put a program there", make: func(t *testing.T, dir string) { chmod(t, dir, 0o777|os.ModeSticky) }},
		"parent can be written to":    {want: "can be written to by others (mode 0775)", make: func(t *testing.T, dir string) { chmod(t, filepath.Dir(dir), 0o775) }},
		"parent is sticky":            {make: func(t *testing.T, dir string) { chmod(t, filepath.Dir(dir), 0o777|os.ModeSticky) }},
		"of another user":             {want: "belongs to user 12345; it must belong to root", rootToo: true, make: func(t *testing.T, dir string) { chown(t, filepath.Join(dir, prefix+"x")) }},
		"directory of another user":   {want: "plugins belongs to user 12345", rootToo: true, make: func(t *testing.T, dir string) { chown(t, dir) }},
		"link to elsewhere":           {want: "/bin/true, outside of the plugin directory; copy the file instead", make: func(t *testing.T, dir string) { link(t, "/bin/true", filepath.Join(dir, prefix+"x")) }},
		"link out and back": {want: "outside of the plugin directory; copy the file instead", make: func(t *testing.T, dir string) {
			program(t, filepath.Dir(dir), "y", 0o755)
			link(t, "../"+prefix+"y", filepath.Join(dir, prefix+"x"))
		}},
		"link within": {make: func(t *testing.T, dir string) {
			program(t, dir, "x-1.2", 0o755)
			link(t, prefix+"x-1.2", filepath.Join(dir, prefix+"x"))
		}},
		"link within to what is writable": {want: "x-1.2 can be written to by others", make: func(t *testing.T, dir string) {
			program(t, dir, "x-1.2", 0o777)
			link(t, prefix+"x-1.2", filepath.Join(dir, prefix+"x"))
		}},
		"link to nothing": {want: "there is no flowhound-output-x in", make: func(t *testing.T, dir string) { link(t, "gone", filepath.Join(dir, prefix+"x")) }},
		"a directory": {want: "is not a regular file", make: func(t *testing.T, dir string) {
			path := filepath.Join(dir, prefix+"x")
			os.Remove(path)
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}},
		"a pipe": {want: "is not a regular file", make: func(t *testing.T, dir string) {
			path := filepath.Join(dir, prefix+"x")
			os.Remove(path)
			if err := syscall.Mkfifo(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}},
		"no directory": {want: "does not exist; install the plugins there, or set plugin_dir", make: func(t *testing.T, dir string) { os.RemoveAll(dir) }},
	} {
		t.Run(name, func(t *testing.T) {
			if c.rootToo && os.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			dir := pluginDir(t)
			program(t, dir, "x", 0o755)
			if c.make != nil {
				c.make(t, dir)
			}
			typ := c.typ
			if typ == "" {
				typ = "x"
			}
			bin, err := find(dir, typ, c.sum)
			if err == nil {
				bin.file.Close()
			}
			if got := fmt.Sprint(err); c.want == "" && err != nil || !strings.Contains(got, c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func chown(t *testing.T, path string) {
	t.Helper()
	if err := os.Chown(path, 12345, -1); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	os.Remove(path)
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

func TestList(t *testing.T) {
	dir := pluginDir(t)
	program(t, dir, "good", 0o755)
	program(t, dir, "open", 0o777)
	program(t, dir, "Odd", 0o755)
	if err := os.WriteFile(filepath.Join(dir, "flowhound"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	found, err := List(dir)
	if err != nil || len(found) != 2 || found[0].Type != "good" || found[0].Err != nil || found[1].Type != "open" || found[1].Err == nil || found[0].Path != filepath.Join(dir, prefix+"good") {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := List(filepath.Join(dir, "none")); err == nil {
		t.Error("no error for a directory that is not there")
	}
}

// TestWhatIsCheckedIsExecuted replaces the binary after it was found.
func TestWhatIsCheckedIsExecuted(t *testing.T) {
	t.Parallel()
	o, _ := options(t, "good", nil)
	bin, err := find(o.Dir, "good", "")
	if err != nil {
		t.Fatal(err)
	}
	defer bin.file.Close()
	other := program(t, t.TempDir(), "other", 0o755)
	if err := os.Rename(other, bin.path); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(o.RunDir, "s")
	if err := makeSocketDir(dir); err != nil {
		t.Fatal(err)
	}
	r := newRun(bin, dir, o)
	if err := r.prepare([]string{"FLOWHOUND_OUTPUT=wrong"}); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = r.stdout.Read(make([]byte, 1)) }()
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = r.Wait(t.Context())
	r.close()
	// The test's binary, started without the cookie, says what it is; the script
	// in its place would have said nothing and ended with 0.
	if got := r.status(); got != "exit status 2" {
		t.Errorf("it ended with %s: %s", got, r.log.lastWords())
	}
}
