package keep

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/export"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/nearest"
	"github.com/flowhound/flowhound/plugin/text"
)

// File is one file that is kept as the indicators are, for another system to read:
// an entry of exports in the configuration.
type File struct {
	Format string `yaml:"format" validate:"required,export_format"`
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

	// Name is the table of nftables and the stem of the names of ipset's sets; ""
	// for the format's default, and for all other formats.
	Name string `yaml:"name,omitempty" validate:"omitempty,max=26,set_name"`

	// Zone and Action are for zones (rpz) only, and zero otherwise.

	Zone   string `yaml:"zone,omitempty" validate:"omitempty,dns_name"` // without the final dot
	Action Action `yaml:"action,omitempty"`
}

// SetDefaults sets what an entry has that says nothing.
func (f *File) SetDefaults() { f.Every = 5 * time.Minute }

// defaultTimeout is far above what rndc or nft take for a million entries.
const defaultTimeout = 30 * time.Second

// Action says what becomes of a query for a name in a response policy zone: one
// of the words of export.Actions, or export.ActionCNAME and the name that is answered instead.
type Action struct {
	Word  string `yaml:"-"`
	CNAME string `yaml:"cname" validate:"omitempty,dns_name"`
}

// UnmarshalText reads one of the words. {cname: NAME} is read as a section.
func (a *Action) UnmarshalText(b []byte) error {
	if !slices.Contains(export.Actions(), string(b)) {
		return fmt.Errorf("unknown action %q", b)
	}
	*a = Action{Word: string(b)}
	return nil
}

// MarshalYAML returns what Parse reads.
func (a Action) MarshalYAML() (any, error) {
	if a.Word == export.ActionCNAME {
		return map[string]string{"cname": a.CNAME}, nil
	}
	return a.Word, nil
}

var setName = text.Pattern(`^[a-z][a-z0-9_-]*$`)

// Tags returns the validator tags of File's own.
func Tags() []settings.Tag {
	return []settings.Tag{
		settings.DNSName(),
		{Name: "export_format", Words: export.Formats},
		{Name: "set_name", Is: func(s string) bool { return setName().MatchString(s) }, Want: "the name of a table or set: use a-z, 0-9, _ and - only, a letter first"},
	}
}

// Types returns how values of File's own types are written.
func Types() []settings.Type {
	words := export.Actions()
	return []settings.Type{
		settings.Text[Action]("one of "+strings.Join(words, ", ")+", or {cname: walled.example}",
			func(s string) string { return nearest.Word(s, words) }).OrSection(),
	}
}

// options is f in the words of package export.
func (f *File) options() export.Options {
	o := export.Options{
		Format: f.Format, Name: f.Name, Zone: f.Zone, Action: f.Action.Word, CNAME: f.Action.CNAME,
		Filter: export.Filter{Feeds: f.Feeds, Categories: f.Categories, MinScore: f.MinScore, Max: f.Max},
	}
	for _, name := range f.Kinds {
		var k export.Kind
		if k.UnmarshalText([]byte(name)) == nil { // the configuration takes these names alone
			o.Filter.Kinds = append(o.Filter.Kinds, k)
		}
	}
	return o
}

// Paths returns the paths that f holds, for whoever makes them absolute.
func (f *File) Paths() []*string {
	paths := []*string{&f.Path}
	if len(f.Reload) > 0 && strings.Contains(f.Reload[0], "/") {
		paths = append(paths, &f.Reload[0])
	}
	return paths
}
