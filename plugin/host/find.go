package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/flowhound/flowhound/plugin/text"
)

// prefix is how the name of every output plugin's binary begins.
const prefix = "flowhound-output-"

var typeName = text.Pattern(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// binary is a plugin's binary that may be executed: through file, which is open.
type binary struct {
	path string
	file *os.File
}

// find opens the binary of outputs of type typ in dir, and makes sure that only
// root or flowhound's own user could have put it there: it is a regular file, and
// it and all directories above it are theirs and writable by nobody else. A
// directory with the sticky bit, such as /tmp, may stand above the plugin
// directory, as nobody can rename there what is not theirs. A symbolic link may
// lead to another name within dir. sum is the SHA-256 that the file must have, in
// hex, or "".
func find(dir, typ, sum string) (*binary, error) {
	if !typeName().MatchString(typ) {
		return nil, fmt.Errorf("%.70q is not the type of an output: use a-z, 0-9, _ and - only", typ)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s%s: the plugin directory %s does not exist; install the plugins there, or set plugin_dir", prefix, typ, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("plugin directory: %w", err)
	}
	if err := checkDirs(real); err != nil {
		return nil, err
	}
	path, err := resolve(real, prefix+typ)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s in %s; %s", prefix+typ, dir, installed(real))
	}
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open plugin: %w", err)
	}
	if err := checkFile(f, path, sum); err != nil {
		f.Close()
		return nil, err
	}
	return &binary{path, f}, nil
}

// resolve returns the path of name in dir, where a symbolic link leads.
func resolve(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	if real == path {
		return path, nil
	}
	if !strings.HasPrefix(real, dir+string(filepath.Separator)) {
		return "", fmt.Errorf("%s is a symbolic link to %s, outside of the plugin directory; copy the file instead", path, real)
	}
	return real, checkDirs(filepath.Dir(real))
}

// checkDirs checks dir and all above it.
func checkDirs(dir string) error {
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Lstat(d)
		if err != nil {
			return fmt.Errorf("plugin directory: %w", err)
		}
		sticky := d != dir && info.Mode()&fs.ModeSticky != 0
		switch {
		case !info.IsDir():
			return fmt.Errorf("%s is not a directory", d)
		case !trusted(info):
			return fmt.Errorf("%s belongs to user %d; it must belong to root or to the user that flowhound runs as, because its owner can put a program there", d, ownerOf(info))
		case info.Mode()&0o022 != 0 && !sticky:
			return fmt.Errorf("%s can be written to by others (mode %04o), who could put a program there; run: chmod go-w on it", d, info.Mode().Perm())
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

// checkFile checks the open file f at path.
func checkFile(f *os.File, path, sum string) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("check plugin: %w", err)
	}
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	case !trusted(info):
		return fmt.Errorf("%s belongs to user %d; it must belong to root or to the user flowhound runs as; chown it", path, ownerOf(info))
	case info.Mode()&0o022 != 0:
		return fmt.Errorf("%s can be written to by others (mode %04o); chmod go-w it", path, info.Mode().Perm())
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not executable (mode %04o); chmod +x it", path, info.Mode().Perm())
	case sum == "":
		return nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("check plugin: %w", err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, sum) {
		return fmt.Errorf("%s has the SHA-256 %s, not the one in the configuration; if the plugin was upgraded, change it there", path, got)
	}
	return nil
}

// trusted reports whether root or flowhound's own user owns the file.
func trusted(info fs.FileInfo) bool {
	owner := ownerOf(info)
	return owner == 0 || owner == os.Geteuid()
}

// Found is a plugin in the plugin directory.
type Found struct {
	Type string // as the configuration names it
	Path string
	Err  error // why it would not be started, nil when it would
}

// List returns the output plugins in dir, by type, with what is wrong with each.
func List(dir string) ([]Found, error) {
	types, err := typesIn(dir)
	if err != nil {
		return nil, fmt.Errorf("plugin directory: %w", err)
	}
	var found []Found
	for _, typ := range types {
		f := Found{Type: typ, Path: filepath.Join(dir, prefix+typ)}
		bin, err := find(dir, typ, "")
		if f.Err = err; err == nil {
			bin.file.Close()
		}
		found = append(found, f)
	}
	return found, nil
}

// typesIn returns the types of the plugins in dir.
func typesIn(dir string) (types []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if typ, ok := strings.CutPrefix(e.Name(), prefix); ok && typeName().MatchString(typ) {
			types = append(types, typ)
		}
	}
	return types, err
}

// installed says which types there are, for the message that one is missing.
func installed(dir string) string {
	types, _ := typesIn(dir)
	if len(types) == 0 {
		return "there are no output plugins"
	}
	return "the types there are " + strings.Join(types, ", ")
}
