package feed

import (
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/list"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/otx"
	"github.com/flowhound/flowhound/cmd/internal/intel/known"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/text"
)

// Config is what the configuration says of feeds and allow lists. The sections are
// the file's; what belongs to others (own networks, exporters) stands here too, so
// that two Configs that are equal give the same indicators.
type Config struct {
	Feeds      []Source                  // feeds:
	Allow      []string                  // allow: files of what no feed may name
	Categories map[string]intel.Category // categories: what tags and malware families mean
	Contact    string                    // contact: for the publishers

	Known known.Config // known_good: what is embedded of well-known addresses

	Local     []netip.Prefix // own networks: indicators that overlap them are rejected
	Exporters []netip.Prefix // those that the configuration names. No feed may name them
}

// sources returns the feeds and the allow lists as what is read.
func (c *Config) sources() []Source {
	all := make([]Source, 0, len(c.Feeds)+len(c.Allow))
	all = append(all, c.Feeds...)
	for _, path := range c.Allow {
		all = append(all, Source{Name: "allow:" + path, Type: TypeAllow, Path: path}) // no feed can have such a name
	}
	return all
}

// Source is one feed, or one allow list, which has a name, type and path only.
type Source struct {
	Name string `yaml:"name" validate:"required,max=64,feed_name"` // unique
	Type string `yaml:"type" validate:"required,feed_type"`        // of Types, or TypeAllow
	// Path is the file, or the folder of files, that is read; symbolic links are
	// followed. "": the feed is fetched.
	Path string `yaml:"path,omitempty"`

	// The next five are for feeds that are fetched, and zero otherwise.

	// URL is where; "": where the type's publisher has it. {key} in it stands for the key.
	URL string `yaml:"url,omitempty" validate:"omitempty,http_url"`
	// Every is the time between two fetches; 0: as the type says.
	Every   time.Duration `yaml:"every,omitempty" validate:"omitempty,max=720h"`
	Key     string        `yaml:"api_key,omitempty"` // from the environment
	KeyFile string        `yaml:"api_key_file,omitempty"`
	// MaxShrink is how much of its indicators, in percent, the feed may lose at
	// once; 100: all. 0: 50, or it is not looked at.
	MaxShrink int `yaml:"max_shrink,omitempty" validate:"omitempty,min=1,max=100"`

	// Confidence is the score, 0-100, and Category the category of indicators to
	// which the feed itself gives none. HasCategory says that Category is given:
	// otherwise it is the type's.
	Confidence  int            `yaml:"confidence" validate:"min=0,max=100"`
	Category    intel.Category `yaml:"category"`
	HasCategory bool           `yaml:"-" validate:"-"`
	// Own lets a list that is read from path name own addresses.
	Own bool `yaml:"own,omitempty"`
	// Reference is an http or https URL for people, or "".
	Reference string `yaml:"reference,omitempty" validate:"omitempty,http_url"`

	// What follows belongs to one type each: see the Keys of Types.

	Format string `yaml:"format,omitempty" validate:"omitempty,oneof=auto plain csv hosts"`
	Column string `yaml:"column,omitempty"` // of a CSV list: the name or number of the column with the addresses; "": found by what the columns hold
	Member string `yaml:"member,omitempty"` // of a zip file: the one to read; "": the only one

	Pulses otx.Choice `yaml:"pulses,omitempty"`

	Collections  []string `yaml:"collections,omitempty" validate:"dive,required"` // ids, aliases or titles; empty: all
	Username     string   `yaml:"username,omitempty"`
	Password     string   `yaml:"password,omitempty"` // from the environment
	PasswordFile string   `yaml:"password_file,omitempty"`
}

// Fetched reports whether the feed comes over the network.
func (s *Source) Fetched() bool { return s.Path == "" }

// Paths returns the paths of files that s holds.
func (s *Source) Paths() []*string {
	var paths []*string
	for _, p := range []*string{&s.Path, &s.KeyFile, &s.PasswordFile} {
		if *p != "" {
			paths = append(paths, p)
		}
	}
	return paths
}

// sourceName is what the name of a feed must be: the folder of one that is fetched is called
// the same.
var sourceName = text.Pattern(`^[a-z0-9_-]+$`)

// Tags returns the validator tags of Source's own.
func Tags() []settings.Tag {
	return []settings.Tag{
		{Name: "feed_name", Is: func(s string) bool { return sourceName().MatchString(s) }, Want: "a feed's name: use a-z, 0-9, _ and - only"},
		{Name: "feed_type", Words: Names},
	}
}

// Complete sets what the types of feeds say and the file, in section at, does not,
// and says what is wrong with what it does.
func Complete(feeds []Source, at settings.Section) {
	if len(feeds) == 0 && !at.Reported("") {
		at.Errorf("", "needs at least one feed, for example: feeds: [{name: ours, type: list, path: /etc/flowhound/blacklist.txt}]")
	}
	first := map[string]int{}
	for i := range feeds {
		f, all, at := &feeds[i], at, at.Index(i)
		if t, ok := Find(f.Type); ok {
			f.validate(&t, at)
			f.complete(&t, at)
		} else if !at.Has("confidence") {
			f.Confidence = intel.DefaultConfidence
		}
		if at.Reported("name") || f.Name == "" {
			continue
		}
		if j, twice := first[f.Name]; twice {
			at.Errorf("name", "%s is the name of feeds[%d] too (line %d); give each feed its own", at.Text("name"), j, all.Index(j).Line("name"))
			continue
		}
		first[f.Name] = i
	}
}

func (s *Source) complete(t *Type, at settings.Section) {
	if !at.Has("confidence") {
		s.Confidence = t.Confidence
	}
	if !at.Has("category") {
		s.Category = t.Category
	}
	s.HasCategory = true
	if !at.Has("reference") {
		s.Reference = t.Reference
	}
	if t.takes("format") && s.Format == "" {
		s.Format = string(list.Auto)
	}
	if s.Fetched() && !at.Has("every") {
		s.Every = t.Every
	}
	if s.Fetched() && !at.Has("max_shrink") && t.Shrinks() {
		s.MaxShrink = defaultShrink
	}
}

// validate rejects keys that would do nothing in a feed of type t, and tells which
// are missing.
func (s *Source) validate(t *Type, at settings.Section) {
	for _, other := range Types() {
		if other.Name == other.Format && other.Format != t.Name {
			at.Reject("is for feeds of type "+other.Name+" only", other.Keys...)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(t.Without)) {
		at.Reject(t.Without[key], key)
	}
	if s.Format != string(list.CSV) && t.takes("column") && at.Has("column") && !at.Reported("format") {
		at.Errorf("column", "is for format: csv only; add that, or remove this line")
	}
	switch {
	case at.Has("path"):
		if s.Path == "" && !at.Reported("path") {
			at.Errorf("path", "is empty")
		}
		if s.Own && t.Name != List && !at.Reported("own") {
			at.Errorf("own", "is for feeds of type list only: a list of your own")
		}
		if at.Has("url") {
			at.Errorf("url", "is where the feed is fetched from, and path is the file that it is read from: remove one")
		}
		at.Reject("is for feeds that are fetched, and this one is read from path",
			"every", "api_key", "api_key_file", "max_shrink", "collections", "username", "password", "password_file")
	case !at.Has("url") && !t.HasURL() && !at.Reported("path") && !at.Reported("url"):
		at.Errorf("path", "is missing: name the file or folder to read, or set url to where the feed is fetched from")
	default:
		at.Reject("is for a list that is read from path: nobody else knows your own addresses", "own")
		s.validateFetched(t, at)
	}
}

// validateFetched is validate for a feed that is fetched.
func (s *Source) validateFetched(t *Type, at settings.Section) {
	if at.Has("every") && !at.Reported("every") && s.Every < t.Least {
		at.Errorf("every", "%s is too often for the publisher of %s; the least is %s", at.Text("every"), s.Type, t.Least)
	}
	if !t.Shrinks() {
		at.Reject("does nothing for type "+s.Type+", which may rightly lose all", "max_shrink")
	}
	hasKey, inURL := at.HasAny("api_key", "api_key_file"), strings.Contains(s.URL, ingest.Key)
	switch {
	case t.Key == NoKey:
		at.Reject("does nothing for type "+s.Type+", which takes no key", "api_key", "api_key_file")
	case t.Name == List && hasKey && !inURL:
		at.Reject("does nothing unless url has "+ingest.Key+" where the key goes", "api_key", "api_key_file")
	case t.IsServer() && inURL:
		at.Errorf("url", "has %s, which feeds of type %s do not know: the key goes into a header", ingest.Key, s.Type)
	case !hasKey && inURL:
		at.Errorf("url", "has %s for a key, and there is none: set api_key_file", ingest.Key)
	case t.Key == NeedsKey && !hasKey && !at.Has("url"):
		at.Errorf("api_key_file", "is missing: type %s needs a key, which you get at %s; put it into a file and name that here", s.Type, t.Page)
	}
	checkSecret(at, "api_key", "api_key_file")
	checkSecret(at, "password", "password_file")
	if u, err := url.Parse(s.URL); err == nil && u.User != nil && !at.FromEnv("url") && !at.Reported("url") {
		at.Errorf("url", "contains a password: put that into an environment variable and write ${NAME} in its place")
	}
	if t.takes("username") && at.Has("username") != at.HasAny("password", "password_file") {
		at.Errorf("username", "must be set together with password_file")
	}
}

// checkSecret holds a secret and the file with it to one of both, and the secret
// to the environment: what stands in the configuration is read by many.
func checkSecret(at settings.Section, name, file string) {
	switch {
	case at.Reported(name) || at.Reported(file) || !at.Has(name):
	case at.Has(file):
		at.Errorf(name, "and %s are both set; remove one", file)
	case !at.FromEnv(name):
		// Its text is not told: it is the secret.
		at.Errorf(name, "must not be in this file: put it into a file that only flowhound's user can read and set %s, or write ${NAME} for an environment variable", file)
	}
}

// Meanings is the table of what the words of feeds mean: a heading and one row for
// each word.
func (c *Config) Meanings() [][]string {
	rows := [][]string{{"word", "category", "from"}}
	for _, m := range ingest.Meanings(c.Categories) {
		from := "built in"
		if m.Override {
			from = "the configuration"
		}
		rows = append(rows, []string{m.Word, m.Category.String(), from})
	}
	return rows
}
