package config

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/catalog"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// Types of feeds that the rest of the program names. All are in package catalog.
const (
	FeedList  = catalog.List  // a text file of addresses, networks, names or URLs
	FeedOTX   = catalog.OTX   // pulses of AlienVault OTX
	FeedMISP  = catalog.MISP  // events of a MISP feed
	FeedTAXII = catalog.TAXII // collections of a TAXII 2.1 server
)

// The formats of list feeds.
const (
	FormatAuto  = "auto" // told from the file's content
	FormatPlain = "plain"
	FormatCSV   = "csv"
	FormatHosts = "hosts"
)

// Feed is one source of indicators: it is read from Path, or fetched.
type Feed struct {
	Name string `yaml:"name" validate:"required,max=64,feed_name"` // unique
	Type string `yaml:"type" validate:"required,feed_type"`
	// Path is a file, or a folder of files; "": the feed is fetched.
	Path string `yaml:"path,omitempty"`

	// The next five are for feeds that are fetched, and zero otherwise.

	// URL is where; "": where the type's publisher has it. {key} in it stands for the key.
	URL string `yaml:"url,omitempty" validate:"omitempty,http_url"`
	// Every is the time between two fetches, the type's default where the file sets none.
	Every      time.Duration `yaml:"every,omitempty" validate:"omitempty,max=720h"`
	APIKey     string        `yaml:"api_key,omitempty"` // from the environment
	APIKeyFile string        `yaml:"api_key_file,omitempty"`
	// MaxShrink is how much of its indicators, in percent, the feed may lose at
	// once; 100: all. 0 where it is not looked at.
	MaxShrink int `yaml:"max_shrink,omitempty" validate:"omitempty,min=1,max=100"`

	// Confidence is the score, 0-100, and Category the category of indicators to
	// which the feed itself gives none.
	Confidence int            `yaml:"confidence" validate:"min=0,max=100"`
	Category   intel.Category `yaml:"category"`
	// Reference is an http or https URL for people, or "".
	Reference string `yaml:"reference,omitempty" validate:"omitempty,http_url"`

	// The next three are for FeedList only, and zero otherwise.

	Format string `yaml:"format,omitempty" validate:"omitempty,oneof=auto plain csv hosts"`
	Column string `yaml:"column,omitempty"` // FormatCSV: the header of the column with the addresses; "": found by looking
	Member string `yaml:"member,omitempty"` // of a zip file: the one to read; "": the only one

	Pulses PulseChoice `yaml:"pulses,omitempty"` // for FeedOTX only

	// The rest is for FeedTAXII that is fetched only.

	Collections  []string `yaml:"collections,omitempty" validate:"dive,required"` // ids, aliases or titles; empty: all
	Username     string   `yaml:"username,omitempty"`
	Password     string   `yaml:"password,omitempty"` // from the environment
	PasswordFile string   `yaml:"password_file,omitempty"`
}

// PulseChoice says which pulses of OTX are used. A pulse is used when no deny list
// names it and every other list that is not empty does.
type PulseChoice struct {
	Authors     []string `yaml:"authors,omitempty" validate:"dive,required"`
	DenyAuthors []string `yaml:"deny_authors,omitempty" validate:"dive,required"`
	Tags        []string `yaml:"tags,omitempty" validate:"dive,required"` // one of a pulse's tags is enough
	DenyTags    []string `yaml:"deny_tags,omitempty" validate:"dive,required"`
	IDs         []string `yaml:"ids,omitempty" validate:"dive,required"`
	DenyIDs     []string `yaml:"deny_ids,omitempty" validate:"dive,required"`
	TLP         []string `yaml:"tlp,omitempty" validate:"dive,oneof=white clear green amber red"`
	DenyTLP     []string `yaml:"deny_tlp,omitempty" validate:"dive,oneof=white clear green amber red"`
	// MinSubscribers leaves out pulses with fewer, where OTX says how many there are.
	MinSubscribers int `yaml:"min_subscribers,omitempty" validate:"min=0"`
}

// IsZero reports whether every pulse is used.
func (c PulseChoice) IsZero() bool {
	return len(c.Authors)+len(c.DenyAuthors)+len(c.Tags)+len(c.DenyTags)+len(c.IDs)+len(c.DenyIDs)+len(c.TLP)+len(c.DenyTLP)+c.MinSubscribers == 0
}

// Fetched reports whether the feed comes over the network.
func (f *Feed) Fetched() bool { return f.Path == "" }

func (d *document) checkFeeds() {
	if len(d.config.Feeds) == 0 && !d.said("feeds") {
		d.errorf(d.line("feeds"), "feeds", "needs at least one feed, for example: feeds: [{name: ours, type: list, path: /etc/flowhound/blacklist.txt}]")
	}
	first := map[string]int{}
	for i := range d.config.Feeds {
		f := &d.config.Feeds[i]
		key := fmt.Sprintf("feeds[%d]", i)
		if t, ok := catalog.Find(f.Type); ok {
			d.checkFeedKeys(key, f, &t)
			d.completeFeed(key, f, &t)
		} else if !d.has(key + ".confidence") {
			f.Confidence = intel.DefaultConfidence
		}
		if d.said(key+".name") || f.Name == "" {
			continue
		}
		if j, twice := first[f.Name]; twice {
			d.errorf(d.line(key+".name"), key+".name", "%s is the name of feeds[%d] too (line %d); give each feed its own", d.text(key+".name"), j, d.line(fmt.Sprintf("feeds[%d].name", j)))
			continue
		}
		first[f.Name] = i
	}
}

// completeFeed sets what the type says and the file does not.
func (d *document) completeFeed(key string, f *Feed, t *catalog.Type) {
	if !d.has(key + ".confidence") {
		f.Confidence = t.Confidence
	}
	if !d.has(key + ".category") {
		f.Category = t.Category
	}
	if !d.has(key + ".reference") {
		f.Reference = t.Reference
	}
	if f.Type == FeedList && f.Format == "" {
		f.Format = FormatAuto
	}
	if f.Fetched() && !d.has(key+".every") {
		f.Every = t.Every
	}
	if f.Fetched() && !d.has(key+".max_shrink") && shrinks(t) {
		f.MaxShrink = 50
	}
}

// shrinks reports whether it is looked at how much a type's feeds shrink.
func shrinks(t *catalog.Type) bool { return !t.IsServer() && !t.MayBeEmpty }

// checkFeedKeys refuses keys that would do nothing in feed f of type t, at key,
// and tells which are missing.
func (d *document) checkFeedKeys(key string, f *Feed, t *catalog.Type) {
	refuse := func(why string, names ...string) {
		for _, name := range names {
			if at := key + "." + name; d.has(at) && !d.said(at) {
				d.errorf(d.line(at), at, "%s. Remove the line", why)
			}
		}
	}
	if f.Type != FeedList {
		refuse("is for feeds of type list only", "format", "column", "member")
	}
	if f.Type != FeedOTX {
		refuse("is for feeds of type otx only", "pulses")
	} else {
		refuse("does nothing here: every pulse has its own page", "reference")
	}
	if f.Type != FeedTAXII {
		refuse("is for feeds of type taxii only", "collections", "username", "password", "password_file")
	}
	if column := key + ".column"; f.Type == FeedList && f.Format != FormatCSV && d.has(column) && !d.said(key+".format") {
		d.errorf(d.line(column), column, "is for format: csv only; add that, or remove this line")
	}
	network := []string{"every", "api_key", "api_key_file", "max_shrink", "collections", "username", "password", "password_file"}
	switch path, at := key+".path", key+".url"; {
	case d.has(path):
		if f.Path == "" && !d.said(path) {
			d.errorf(d.line(path), path, "is empty")
		}
		if d.has(at) {
			d.errorf(d.line(at), at, "is where the feed is fetched from, and path is the file that it is read from: remove one")
		}
		refuse("is for feeds that are fetched, and this one is read from path", network...)
	case !d.has(at) && !t.HasURL() && !d.said(path) && !d.said(at):
		d.errorf(d.line(key), path, "is missing: name the file or folder to read, or set url to where the feed is fetched from")
	default:
		d.checkFetched(key, f, t, refuse)
	}
}

// checkFetched is checkFeedKeys for a feed that is fetched.
func (d *document) checkFetched(key string, f *Feed, t *catalog.Type, refuse func(string, ...string)) {
	if at := key + ".every"; d.has(at) && !d.said(at) && f.Every < t.Least {
		d.errorf(d.line(at), at, "%s is too often for the publisher of %s; the least is %s", d.text(at), f.Type, t.Least)
	}
	if !shrinks(t) {
		refuse("does nothing for type "+f.Type+", which may rightly lose all", "max_shrink")
	}
	hasKey, at := d.has(key+".api_key") || d.has(key+".api_key_file"), key+".url"
	inURL := strings.Contains(f.URL, ingest.Key)
	switch {
	case t.Key == catalog.NoKey:
		refuse("does nothing for type "+f.Type+", which takes no key", "api_key", "api_key_file")
	case f.Type == FeedList && hasKey && !inURL:
		refuse("does nothing unless url has "+ingest.Key+" where the key goes", "api_key", "api_key_file")
	case t.IsServer() && inURL:
		d.errorf(d.line(at), at, "has %s, which feeds of type %s do not know: the key goes into a header", ingest.Key, f.Type)
	case !hasKey && inURL:
		d.errorf(d.line(at), at, "has %s for a key, and there is none: set api_key_file", ingest.Key)
	case t.Key == catalog.NeedsKey && !hasKey && !d.has(at):
		d.errorf(d.line(key), key+".api_key_file", "is missing: type %s needs a key, which you get at %s; put it into a file and name that here", f.Type, t.Page)
	}
	d.checkSecret(key, "api_key", "api_key_file")
	d.checkSecret(key, "password", "password_file")
	if u, err := url.Parse(f.URL); err == nil && u.User != nil && !d.fromEnv(at) && !d.said(at) {
		d.errorf(d.line(at), at, "holds a password: put that into an environment variable and write ${NAME} in its place")
	}
	user, password := d.has(key+".username"), d.has(key+".password") || d.has(key+".password_file")
	if at := key + ".username"; user != password && f.Type == FeedTAXII {
		d.errorf(d.line(key), at, "and a password belong together: set username and password_file")
	}
}

// checkSecret holds a secret and the file with it to one of both, and the secret
// to the environment: what stands in the configuration is read by many.
func (d *document) checkSecret(key, name, file string) {
	at, fileAt := key+"."+name, key+"."+file
	switch {
	case d.said(at) || d.said(fileAt) || !d.has(at):
	case d.has(fileAt):
		d.errorf(d.line(at), at, "and %s are given; remove one", file)
	case !d.fromEnv(at):
		// Its text is not told: it is the secret.
		d.errorf(d.line(at), at, "must not stand in this file: put it into a file that only flowhound's user can read and set %s, or write ${NAME} for an environment variable", file)
	}
}

// fromEnv reports whether the value of key names an environment variable.
func (d *document) fromEnv(key string) bool {
	_, ok := d.config.written[key]
	return ok
}
