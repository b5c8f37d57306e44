package config

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// The formats of exports with keys of their own.
const (
	ExportRPZ      = "rpz"
	ExportNftables = "nftables"
	ExportIPSet    = "ipset"
)

// Export is one file that the agent keeps as its indicators are, for another
// system to read.
type Export struct {
	Format string `yaml:"format" validate:"required,oneof=rpz silk zeek suricata suricata-categories suricata-domains nftables ipset wazuh ossec stix plain"`
	Path   string `yaml:"path" validate:"required"` // unique, and no file that flowhound reads

	// Feeds and Categories choose indicators; empty: all.
	Feeds      []string         `yaml:"feeds,omitempty"`
	Categories []intel.Category `yaml:"categories,omitempty"`
	// Kinds chooses among address, prefix, domain and url; empty: all that the
	// format can hold.
	Kinds    []string `yaml:"kinds,omitempty" validate:"dive,oneof=address prefix domain url"`
	MinScore int      `yaml:"min_score,omitempty" validate:"min=0,max=100"`
	Max      int      `yaml:"max,omitempty" validate:"min=0"` // the best are kept; 0: all

	// Every is the least time between two versions of the file.
	Every time.Duration `yaml:"every" validate:"min=1s,max=168h"`
	// Reload is the command, run without a shell, that tells the other system of
	// a new version; empty: none. The program's path is absolute, or PATH has it.
	// It is killed after Timeout, which is 0 without a command.
	Reload  []string      `yaml:"reload,omitempty" validate:"dive,required"`
	Timeout time.Duration `yaml:"timeout,omitempty" validate:"omitempty,min=1s,max=1h"`

	// Name is the table of ExportNftables and the stem of the names of the sets
	// of ExportIPSet; "" for the format's default, and for all other formats.
	Name string `yaml:"name,omitempty" validate:"omitempty,max=26,set_name"`

	// Zone and Action are for ExportRPZ only, and zero otherwise.

	Zone   string `yaml:"zone,omitempty" validate:"omitempty,dns_name"` // without the final dot
	Action Action `yaml:"action,omitempty"`
}

func (e *Export) setDefaults() { e.Every = 5 * time.Minute }

const (
	// DefaultZone is the zone of an RPZ export that names none, DefaultAllowZone
	// when its action is ActionAllow.
	DefaultZone      = "rpz.flowhound"
	DefaultAllowZone = "allow.rpz.flowhound"
	// defaultTimeout is far above what rndc or nft take for a million entries.
	defaultTimeout = 30 * time.Second
)

const (
	// ActionCNAME is the word of an action that sends clients to another name.
	ActionCNAME = "cname"
	// ActionAllow makes a zone of what the allow lists hold, to let it pass.
	ActionAllow = "allow"
)

var actions = []string{"nxdomain", "nodata", "passthru", "drop", "tcp-only", ActionAllow}

// Action says what becomes of a query for a name in a response policy zone: one
// of the words nxdomain, nodata, passthru, drop, tcp-only and allow, or ActionCNAME
// and the name that is answered instead.
type Action struct {
	Word  string `yaml:"-"`
	CNAME string `yaml:"cname" validate:"omitempty,dns_name"`
}

// UnmarshalText reads one of the words. {cname: NAME} is read as a section.
func (a *Action) UnmarshalText(b []byte) error {
	if !slices.Contains(actions, string(b)) {
		return fmt.Errorf("action %q: %w", b, errRefused)
	}
	*a = Action{Word: string(b)}
	return nil
}

// MarshalYAML returns what Parse reads.
func (a Action) MarshalYAML() (any, error) {
	if a.Word == ActionCNAME {
		return map[string]string{"cname": a.CNAME}, nil
	}
	return a.Word, nil
}

var (
	dnsName = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)
	setName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
)

// isDNSName takes names in lower case, as they are written into zones, with room
// for the names below them.
func isDNSName(s string) bool { return len(s) <= 200 && dnsName.MatchString(s) }

func (d *document) checkExports() {
	for i := range d.config.Exports {
		e := &d.config.Exports[i]
		key := fmt.Sprintf("exports[%d]", i)
		d.checkExportKeys(key, e)
		d.checkExportFeeds(key, e)
		d.checkReload(key, e)
		if e.Format == ExportRPZ {
			d.completeZone(key, e)
		}
	}
}

// completeZone puts defaults where export e, at key, has no zone and no action.
func (d *document) completeZone(key string, e *Export) {
	at := key + ".action"
	switch {
	case !d.has(at):
		e.Action.Word = "nxdomain"
	case e.Action.CNAME != "":
		e.Action.Word = ActionCNAME
	case e.Action.Word == "" && !d.said(at+".cname"):
		d.errorf(d.line(at), at, "is empty; write nxdomain, or {cname: walled.example}")
	}
	if e.Zone == "" {
		e.Zone = DefaultZone
		if e.Action.Word == ActionAllow {
			e.Zone = DefaultAllowZone
		}
	}
	if e.Action.Word != ActionAllow {
		return
	}
	for _, filter := range []string{"feeds", "categories", "kinds", "min_score", "max"} {
		if at := key + "." + filter; d.has(at) {
			d.errorf(d.line(at), at, "chooses nothing when the action is allow, which takes what the allow lists hold. Remove it")
		}
	}
}

// checkExportKeys refuses keys that would do nothing in export e, at key.
func (d *document) checkExportKeys(key string, e *Export) {
	if d.said(key + ".format") {
		return
	}
	for _, k := range []struct {
		name string
		of   []string
	}{
		{"zone", []string{ExportRPZ}},
		{"action", []string{ExportRPZ}},
		{"name", []string{ExportNftables, ExportIPSet}},
	} {
		if at := key + "." + k.name; d.has(at) && !slices.Contains(k.of, e.Format) {
			d.errorf(d.line(at), at, "is for exports of format %s only. Remove the line", strings.Join(k.of, " and "))
		}
	}
}

// checkExportFeeds refuses feeds that there are not: the file would stay empty.
func (d *document) checkExportFeeds(key string, e *Export) {
	names := make([]string, len(d.config.Feeds))
	for i, f := range d.config.Feeds {
		names[i] = f.Name
	}
	for i, name := range e.Feeds {
		if at := fmt.Sprintf("%s.feeds[%d]", key, i); !slices.Contains(names, name) && !d.said(at) && !d.said("feeds") {
			d.errorf(d.line(at), at, "%s is not the name of a feed%s", d.text(at), didYouMean(nearest(name, names)))
		}
	}
}

func (d *document) checkReload(key string, e *Export) {
	if len(e.Reload) > 0 {
		if at := key + ".timeout"; !d.has(at) {
			e.Timeout = defaultTimeout
		} else if e.Timeout == 0 && !d.said(at) {
			d.errorf(d.line(at), at, "%s is too small; the least is 1s", d.text(at))
		}
		if len(e.Reload) == 1 && strings.Contains(e.Reload[0], " ") && !d.said(key+".reload") {
			d.warnf(d.line(key+".reload"), key+".reload", "%s is taken for the name of one program; write its arguments as entries of their own: [rndc, reload]", d.text(key+".reload[0]"))
		}
		return
	}
	if at := key + ".timeout"; d.has(at) && !d.said(key+".reload") {
		d.errorf(d.line(at), at, "is for the reload command, and there is none. Remove the line")
	}
}

// checkExportPaths refuses exports that would overwrite what is read or another
// export. It needs resolved paths.
func (d *document) checkExportPaths() {
	taken := map[string]string{filepath.Clean(d.config.Log.Path): "the alert log", filepath.Clean(d.file): "this configuration"}
	for i, f := range d.config.Feeds {
		taken[filepath.Clean(f.Path)] = fmt.Sprintf("the file of feeds[%d]", i)
	}
	for i, e := range d.config.Exports {
		key := fmt.Sprintf("exports[%d].path", i)
		path := filepath.Clean(e.Path)
		if whose, ok := taken[path]; ok && !d.said(key) {
			d.errorf(d.line(key), key, "%s is %s; give the export a file of its own", d.text(key), whose)
			continue
		}
		taken[path] = fmt.Sprintf("the file of exports[%d]", i)
	}
}

// checkExportPlaces warns of exports whose folder or command is not there. Both
// may come later.
func (d *document) checkExportPlaces() {
	for i, e := range d.config.Exports {
		key := fmt.Sprintf("exports[%d]", i)
		if at := key + ".path"; !d.said(at) {
			if info, err := os.Stat(filepath.Dir(e.Path)); err != nil || !info.IsDir() {
				d.warnf(d.line(at), at, "there is no folder for %s; it cannot be written until there is", d.text(at))
			}
		}
		if at := key + ".reload"; len(e.Reload) > 0 && !d.said(at) {
			if _, err := exec.LookPath(e.Reload[0]); err != nil {
				d.warnf(d.line(at), at, "there is no program %s; write its whole path", d.text(at+"[0]"))
			}
		}
	}
}
