package peer

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Program builds the program in a folder of this module as a release has it, static and
// without symbols, and returns its path. All test programs share the builds, below the
// user's cache folder, so that the linker works only when something has changed. The
// sources count as files that the test has read: when one changes, Go runs the test
// again, and does not take the result from its cache.
func Program(t testing.TB, folder string) (path string) {
	t.Helper()
	once, _ := programs.LoadOrStore(folder, sync.OnceValues(func() (string, error) { return build(folder) }))
	path, err := once.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// InstallProgram copies what Program returns into a folder, which is made with mode 0755
// where there is none.
func InstallProgram(t testing.TB, folder, dir string) (path string) {
	t.Helper()
	from := Program(t, folder)
	path = filepath.Join(dir, filepath.Base(from))
	if err := copyProgram(from, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// programs are those that this process has asked for: a func() (string, error) by folder.
var programs sync.Map

func build(folder string) (path string, err error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	id := fnv.New64a() // of the tree: several may be worked on
	_, _ = io.WriteString(id, root)
	name := filepath.Base(folder)
	if strings.HasPrefix(folder, "plugin/") {
		name = "flowhound-output-" + name
	}
	// Each lies alone: flowhound takes outputs that lie beside it for its own.
	dir := filepath.Join(cache, "flowhound-programs", strconv.FormatUint(id.Sum64(), 36), name)
	path = filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // tests run programs as other users, too
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := golang(root, "build", "-buildvcs=false", "-ldflags=-s -w", "-o", path, "./"+folder); err != nil {
		return "", err
	}
	files, err := golang(root, "list", "-deps", "-f", `{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}
{{end}}{{range .EmbedFiles}}{{$dir}}/{{.}}
{{end}}`, "./"+folder)
	if err != nil {
		return "", err
	}
	for file := range strings.Lines(files) {
		if file = strings.TrimSpace(file); strings.HasPrefix(file, root+"/") {
			_, _ = os.Stat(file) // which Go notes for its cache of results
		}
	}
	return path, nil
}

// golang runs the go command.
func golang(dir string, args ...string) (out string, err error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	b, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, failed.Stderr)
	}
	return string(b), err
}

// moduleRoot is the folder of go.mod.
func moduleRoot() (dir string, err error) {
	if dir, err = os.Getwd(); err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("no go.mod in this folder or above")
}

func copyProgram(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // as above
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755) //nolint:gosec // it is a program
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
