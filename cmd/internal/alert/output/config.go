package output

import (
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// Config is an entry of the section outputs: one place that hits are delivered to, by
// a plugin.
type Config struct {
	Name string `yaml:"name" validate:"required,max=64,output_name"` // unique
	Type string `yaml:"type" validate:"required,max=64,output_type"` // of the plugin

	// MinSeverity is the lowest severity that is delivered; of the lists, those that
	// are empty let everything pass.
	MinSeverity hit.Severity     `yaml:"min_severity"`
	Kinds       []string         `yaml:"kinds,omitempty" validate:"dive,oneof=new repeat retro dnsbl"`
	Directions  []string         `yaml:"directions,omitempty" validate:"dive,oneof=outbound inbound internal transit"`
	Categories  []intel.Category `yaml:"categories,omitempty"`
	Feeds       []string         `yaml:"feeds,omitempty"` // that name any of the hit's indicators

	Batch Batch `yaml:"batch"`
	// Timeout is how long the delivery of one batch may take.
	Timeout time.Duration `yaml:"timeout" validate:"min=1s,max=10m"`
	// Spool bounds how much of the journal waits on disk for delivery.
	Spool settings.Size `yaml:"spool" validate:"min=4194304"`
	// MaxAttempts is how often a hit is tried that fails while others get through,
	// MaxAge how old one may become that nothing gets through with. Then it is a
	// dead letter.
	MaxAttempts int           `yaml:"max_attempts" validate:"min=1,max=1000"`
	MaxAge      time.Duration `yaml:"max_age" validate:"min=1m,max=8760h"`

	// SHA256 is what the plugin's binary must have, in hex; "": any.
	SHA256 string `yaml:"sha256,omitempty" validate:"omitempty,len=64,hexadecimal"`
	// Settings are the plugin's own.
	Settings settings.Opaque `yaml:"settings,omitempty"`
}

// Batch says how hits are gathered for delivery.
type Batch struct {
	Max   int           `yaml:"max" validate:"min=1,max=10000"` // hits in one Write
	Every time.Duration `yaml:"every" validate:"max=1h"`        // how long the first one waits for more
}

// SetDefaults sets what the file does not. A spool of 1 GB holds an outage of some
// three hours at 100 hits a second, or of a month at one in two.
func (c *Config) SetDefaults() {
	c.Batch = Batch{Max: 500, Every: time.Second}
	c.Timeout = 30 * time.Second
	c.Spool = settings.GB
	c.MaxAttempts = 5
	c.MaxAge = 7 * 24 * time.Hour
}

var name = text.Pattern(`^[a-z0-9][a-z0-9_-]*$`)

// Tags returns the validator tags of Config's own.
func Tags() []settings.Tag {
	return []settings.Tag{
		{Name: "output_name", Is: func(s string) bool { return name().MatchString(s) }, Want: "an output's name: use a-z, 0-9, _ and - only, and begin with a letter or digit"},
		{Name: "output_type", Is: func(s string) bool { return name().MatchString(s) }, Want: "the type of an output, such as syslog, elasticsearch or webhook"},
	}
}

// wants reports whether h is one of the hits that the configuration chooses, or one that
// was planted to see whether it arrives.
func (c *Config) wants(h *hit.Hit) bool {
	return h.IsTest() || h.Severity >= c.MinSeverity && has(c.Kinds, string(h.Kind)) && has(c.Directions, string(h.Direction)) &&
		(len(c.Categories) == 0 || slices.ContainsFunc(c.Categories, func(k intel.Category) bool { return k.String() == h.Category })) &&
		(has(c.Feeds, h.Feed) || slices.ContainsFunc(h.Indicators, func(i hit.Indicator) bool { return has(c.Feeds, i.Feed) }))
}

func has(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }
