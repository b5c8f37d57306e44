package config

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// The formats of exports with keys of their own.
const (
	ExportRPZ      = "rpz"
	ExportNftables = "nftables"
	ExportIPSet    = "ipset"

	exportCategories = "suricata-categories" // of no key but path: it always holds the same
)

// exportKinds holds the kinds of indicators that formats can hold, for those that
// cannot hold all.
var exportKinds = map[string][]string{
	ExportRPZ:          {"address", "prefix", "domain"},
	"cdb":              {"address", "prefix", "domain"},
	"wazuh":            {"address", "prefix", "domain"},
	"ossec":            {"address", "prefix", "domain"},
	"silk":             {"address", "prefix"},
	"suricata":         {"address", "prefix"},
	ExportNftables:     {"address", "prefix"},
	ExportIPSet:        {"address", "prefix"},
	"suricata-domains": {"domain"},
}

// Export is one file that the agent keeps as its indicators are, for another
// system to read.
type Export struct {
	Format string `yaml:"format" validate:"required,oneof=rpz silk zeek suricata suricata-categories suricata-domains nftables ipset cdb wazuh ossec stix plain"`
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

// SetDefaults sets what an entry has that says nothing.
func (e *Export) SetDefaults() { e.Every = 5 * time.Minute }

const (
	// The zones of RPZ exports that name none.
	defaultZone      = "rpz.flowhound"
	defaultAllowZone = "allow.rpz.flowhound" // of ActionAllow
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
