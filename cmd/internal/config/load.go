package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/flow/udp"
	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/export/keep"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/cmd/internal/site"
	"github.com/flowhound/flowhound/plugin/hit"
)

// maxFile is the largest configuration file that is read, in bytes: a thousand
// times what anyone writes by hand, and little enough to parse at once.
const maxFile = 1 << 20

// Load reads and validates the file at path. The error is the operating system's,
// wrapped, when the file cannot be read, and a *Problems with all that is wrong,
// warnings included, when it does not hold a valid configuration. What Parse
// says of the content holds here too; in addition Load warns of feed files and
// allow lists that cannot be read, of exports without a folder or a command, and
// of a configuration that everyone may write to.
func Load(path string) (*Config, error) {
	data, mode, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	d := parse(path, data)
	d.config.source = sha256.Sum256(data)
	if mode.IsRegular() && mode.Perm()&0o002 != 0 {
		d.Warnf(0, "", "everyone on this host may change this file; run: chmod o-w %s", path)
	}
	d.checkFeedFiles()
	keep.CheckPlaces(d.config.Exports, d.Section("exports"))
	return d.result()
}

// Parse validates data, the content of a file called name. It reads environment
// variables that data names and touches nothing else; relative paths become
// relative to name's folder. The error is a *Problems with all that is wrong,
// warnings included.
func Parse(name string, data []byte) (*Config, error) {
	return parse(name, data).result()
}

// IsOf reports whether the file at path has the content that c, which Load made, was
// made of. One that cannot be read counts as such.
func (c *Config) IsOf(path string) bool {
	data, _, err := read(path)
	return err != nil || sha256.Sum256(data) == c.source
}

func read(path string) ([]byte, fs.FileMode, error) {
	f, info, err := file.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	// One byte more than parse takes, so that it sees that there is too much.
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	return data, info.Mode(), err
}

func parse(name string, data []byte) *document {
	d := &document{settings.New(name, types()...), Default()}
	if len(data) > maxFile {
		d.Errorf(0, "", "is larger than %d bytes: this is not a configuration file; put long lists of addresses into a feed's file", maxFile)
		return d
	}
	if !d.Decode(data, d.config) {
		return d
	}
	d.validate()
	d.completeRunDir()
	d.keepPlaces()
	d.config.resolve(filepath.Dir(name))
	d.checkExportPaths()
	return d
}

// maxRunDir is the longest run_dir, in bytes, that leaves room for the name of a
// socket in the 107 bytes of unix(7).
const maxRunDir = 94

// completeRunDir keeps the sockets of an agent with a data_dir of its own apart from
// those of the others, and rejects a path that is too long for any. Where nobody
// wrote that path, the agent is worth running without.
func (d *document) completeRunDir() {
	const key = "run_dir"
	if d.Has(key) {
		if len(d.config.RunDir) > maxRunDir && !d.Reported(key) {
			d.Errorf(d.Line(key), key, "%s is too long for the sockets in it; the longest has %d bytes", d.Text(key), maxRunDir)
		}
		return
	}
	if d.config.DataDir == Default().DataDir || d.Reported("data_dir") {
		return
	}
	d.config.RunDir = filepath.Join(d.config.DataDir, "run")
	if text, ok := d.Written()["data_dir"]; ok {
		d.NoteWritten(key, filepath.Join(text, "run"))
	}
	if len(d.config.RunDir) > maxRunDir {
		d.Warnf(d.Line("data_dir"), "data_dir", "%s is too long for the sockets in its folder run; set run_dir, to %d bytes at most, or commands cannot reach the agent", d.Text("data_dir"), maxRunDir)
	}
}

// document is a file on its way to a Config.
type document struct {
	*settings.Document
	config *Config
}

// types is how values of the configuration's own types are written.
func types() []settings.Type {
	return append(slices.Concat(udp.Types(), site.Types(), geo.Types(), keep.Types()),
		settings.Enum[intel.Category](intel.NumCategories),
		settings.Enum[hit.Severity](hit.NumSeverities),
	)
}

// result returns the configuration, or else all that is wrong with it.
func (d *document) result() (*Config, error) {
	problems := d.Problems()
	if d.Failed() {
		return nil, &problems
	}
	d.config.Warnings = problems
	if len(d.Written()) > 0 {
		d.config.written = d.Written()
	}
	return d.config, nil
}

// checkFeedFiles warns of feeds and allow lists whose file is not there or may not
// be read, and of keys that others may read. It is no error: the file may come
// later, and the other feeds are worth running for.
func (d *document) checkFeedFiles() {
	for i, f := range d.config.Feeds {
		key := fmt.Sprintf("feeds[%d]", i)
		if at := key + ".path"; f.Path != "" && !d.Reported(at) {
			if err := readable(f.Path, true); err != nil {
				d.Warnf(d.Line(at), at, "%s cannot be read (%v); the feed has no indicators until it can", d.Text(at), err)
			}
		}
		d.checkSecretFile(key+".api_key_file", f.KeyFile)
		d.checkSecretFile(key+".password_file", f.PasswordFile)
	}
	for i, path := range d.config.Allow {
		key := fmt.Sprintf("allow[%d]", i)
		if err := readable(path, false); err != nil && !d.Reported(key) {
			d.Warnf(d.Line(key), key, "%s cannot be read (%v); what it allows is reported until it can", d.Text(key), err)
		}
	}
}

// checkSecretFile warns of a file with a secret that is not there, or not secret.
func (d *document) checkSecretFile(at, path string) {
	if path == "" || d.Reported(at) {
		return
	}
	if err := readable(path, false); err != nil {
		d.Warnf(d.Line(at), at, "%s cannot be read (%v); nothing is fetched until it can", d.Text(at), err)
	} else if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o044 != 0 {
		d.Warnf(d.Line(at), at, "others on this host may read %s; run: chmod 0600 %s", d.Text(at), d.Raw(at))
	}
}

// readable says why the file at path cannot be read, without naming it: its name
// may come from the environment. A folder is read where folder says so.
func readable(path string, folder bool) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() && (!folder || !info.IsDir()) {
		return errors.New("it is not a file") // and opening a pipe would block
	}
	if err == nil {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err == nil { // it may be a pipe by now
			return f.Close()
		}
	}
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
