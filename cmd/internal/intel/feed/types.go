package feed

import (
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/abusech"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/dshield"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/list"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/misp"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/otx"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/spamhaus"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/taxii"
)

// The types of feeds that are no presets; each has its format to itself.
const (
	List      = "list"
	OTX       = "otx"
	DShield   = "dshield"
	Spamhaus  = "spamhaus-drop"
	Feodo     = "feodo"
	ThreatFox = "threatfox"
	URLhaus   = "urlhaus"
	MISP      = "misp"
	TAXII     = "taxii"
)

// Key says what a key, which one gets by registering, is to a type.
type Key uint8

// The uses of a key.
const (
	NoKey       Key = iota // it does nothing
	OptionalKey            // there is more or a better way with one
	NeedsKey
)

// Type is one type of feed.
type Type struct {
	Name   string // as type: in a configuration
	Title  string // for people
	Page   string // about the feed; where there are keys, the way to one
	Format string // the type whose format it has: its own but for presets

	// format reads the documents of a feed of this type.
	format func(*Source) format
	// Keys are those of Source that mean something to this type alone, Without those
	// that mean nothing to it, and why. Hints are lines that "feed add" shows as
	// comments; %s stands for the feed's name.
	Keys    []string
	Without map[string]string
	Hints   []string
	// Folders: a folder is one document, and not one of each file.
	Folders bool

	// Documents are fetched whole, each by itself. Those of List hold no URL:
	// the configuration's is theirs. A type without any is a server of which a
	// copy is kept, piece by piece.
	Documents []ingest.Document
	Keyed     []ingest.Document // in their place for who has a key; nil: the same
	Server    string            // of a type without documents: its URL; "": the configuration's
	// Every is how often it is asked by default, Least how seldom at least.
	Every, Least time.Duration
	Key          Key

	Category   intel.Category // where the feed itself gives none
	Confidence int            // 0-100, where the feed itself gives none
	Reference  string         // a page for people, put into alerts; "": the feed brings its own
	// Aggregate: it gathers other feeds and adds nothing to what they say.
	Aggregate bool
	// MayBeEmpty: no indicators at all, or far fewer than before, is no mistake.
	MayBeEmpty bool
}

// HasURL reports whether the type has an address of its own, so that the
// configuration need not name one.
func (t *Type) HasURL() bool { return t.Server != "" || !t.IsServer() && t.Documents[0].URL != "" }

// IsServer reports whether a copy of a server is kept.
func (t *Type) IsServer() bool { return len(t.Documents) == 0 }

// Shrinks reports whether it is looked at how much a feed of this type shrinks.
func (t *Type) Shrinks() bool { return !t.IsServer() && !t.MayBeEmpty }

// takes reports whether a key is of this type's own.
func (t *Type) takes(key string) bool { return slices.Contains(t.Keys, key) }

// Find returns the type of that name.
func Find(name string) (Type, bool) {
	for _, t := range Types() {
		if t.Name == name {
			return t, true
		}
	}
	return Type{}, false
}

// Names returns the names of all types, in the order of Types.
func Names() []string {
	var names []string
	for _, t := range Types() {
		names = append(names, t.Name)
	}
	return names
}

// Types returns all types: the formats first, then the presets.
func Types() []Type {
	types := []Type{
		{
			Name: List, Title: "a list of addresses, networks, domains or URLs", Format: List,
			// Whose list it is decides how often it is asked.
			Documents: []ingest.Document{{}}, Every: time.Hour, Least: time.Second, Key: OptionalKey,
			Category: intel.Other, Confidence: intel.DefaultConfidence,
			Keys:   []string{"format", "column", "member"},
			format: readList,
		},
		{
			Name: OTX, Title: "AlienVault OTX, the pulses that you subscribe to", Page: "https://otx.alienvault.com/settings", Format: OTX,
			Server: "https://otx.alienvault.com", Every: time.Hour, Least: 5 * time.Minute, Key: NeedsKey,
			Category: intel.Malware, Confidence: intel.DefaultConfidence,
			Keys:    []string{"pulses"},
			Without: map[string]string{"reference": "does nothing here: every pulse has its own page"},
			Hints:   []string{"pulses: {authors: [], tags: [], tlp: [white, green], deny_authors: [], min_subscribers: 0}"},
			format:  func(s *Source) format { return otx.Format{Choice: s.Pulses} },
		},
		{
			Name: MISP, Title: "a MISP feed, or events saved from MISP", Page: "https://www.misp-project.org/feeds/", Format: MISP, Key: OptionalKey,
			Every: time.Hour, Least: time.Second, Category: intel.Malware, Confidence: intel.DefaultConfidence,
			Folders: true,
			format:  only(misp.Format{}),
		},
		{
			Name: TAXII, Title: "a TAXII 2.1 server, or saved STIX 2.1 objects", Page: "https://oasis-open.github.io/cti-documentation/", Format: TAXII,
			Every: time.Hour, Least: time.Second, Category: intel.Malware, Confidence: intel.DefaultConfidence,
			Keys:   []string{"collections", "username", "password", "password_file"},
			Hints:  []string{"username: me", "password_file: %s.password", "collections: []"},
			format: func(s *Source) format { return taxii.Format{Collections: s.Collections} },
		},
		published(Type{Name: DShield, format: only(parser(dshield.Parse)), Title: "DShield's most active attackers", Page: "https://isc.sans.edu/feeds_doc.html"}, time.Hour, dshield.Documents()...),
		published(Type{Name: Spamhaus, format: only(parser(spamhaus.Parse)), Title: "Spamhaus DROP, networks in the hands of criminals", Page: "https://www.spamhaus.org/blocklists/do-not-route-or-peer/", Confidence: 90}, 12*time.Hour, spamhaus.Documents()...),
		published(Type{Name: Feodo, format: only(parser(abusech.ParseFeodo)), Title: "abuse.ch Feodo Tracker, controllers of botnets", Page: "https://feodotracker.abuse.ch/", Confidence: 90}, time.Hour, abusech.FeodoDocuments()[:1]...),
		published(Type{Name: ThreatFox, format: only(parser(abusech.ParseThreatFox)), Title: "abuse.ch ThreatFox, indicators of the last days", Page: "https://auth.abuse.ch/", Key: NeedsKey}, time.Hour, abusech.ThreatFoxDocuments()[:1]...),
		published(Type{Name: URLhaus, format: only(parser(abusech.ParseURLhaus)), Title: "abuse.ch URLhaus, URLs that serve malware", Page: "https://auth.abuse.ch/", Key: OptionalKey, Keyed: abusech.URLhausDocuments()[:1]}, time.Hour, abusech.URLhausDocuments()[1:2]...),
	}
	return append(types, presets()...)
}

// published completes the type of a format with documents of its own.
func published(t Type, every time.Duration, docs ...ingest.Document) Type {
	t.Format, t.Documents, t.Every = t.Name, docs, every
	t.Category = docs[0].Category
	if t.Confidence == 0 {
		t.Confidence = intel.DefaultConfidence
	}
	for _, d := range docs {
		t.Least = max(t.Least, d.Every)
	}
	t.MayBeEmpty = !slices.ContainsFunc(docs, func(d ingest.Document) bool { return !d.MayBeEmpty })
	return t
}

// At returns the documents of a type as they are had at url, "" for where the
// publisher has them, by who has a key or has none. A url is the place of the
// document or, where there are several, the folder that they lie in, and is asked
// by GET.
func (t *Type) At(url string, hasKey bool) []ingest.Document {
	if t.IsServer() {
		return nil
	}
	docs := slices.Clone(t.Documents)
	if hasKey && t.Keyed != nil {
		docs = slices.Clone(t.Keyed)
	}
	if url == "" {
		return docs
	}
	for i := range docs {
		d := &docs[i]
		d.Method, d.Body, d.ContentType = "", "", ""
		if len(docs) == 1 {
			d.URL = url
			continue
		}
		d.URL = strings.TrimSuffix(url, "/") + d.URL[strings.LastIndexByte(d.URL, '/'):]
	}
	return docs
}

func readList(s *Source) format { return list.Reader{Format: list.Format(s.Format), Column: s.Column} }
