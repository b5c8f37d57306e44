package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/nearest"
)

// Output is one place that hits are delivered to, by a plugin.
type Output struct {
	Name string `yaml:"name" validate:"required,max=64,output_name"` // unique
	Type string `yaml:"type" validate:"required,max=64,output_type"` // of the plugin

	// MinSeverity is the lowest severity that is delivered; of the lists, those that
	// are empty let everything pass.
	MinSeverity hit.Severity     `yaml:"min_severity"`
	Kinds       []string         `yaml:"kinds,omitempty" validate:"dive,oneof=new repeat retro dnsbl"`
	Directions  []string         `yaml:"directions,omitempty" validate:"dive,oneof=outbound inbound internal transit"`
	Categories  []intel.Category `yaml:"categories,omitempty"`
	Feeds       []string         `yaml:"feeds,omitempty"`

	Batch Batch `yaml:"batch"`
	// Timeout is how long the delivery of one batch may take.
	Timeout time.Duration `yaml:"timeout" validate:"min=1s,max=10m"`
	// Spool bounds what is kept on disk for delivery.
	Spool settings.Size `yaml:"spool" validate:"min=4194304"`
	// MaxAttempts is how often a hit is tried that fails while others get through,
	// MaxAge how old one may become that nothing gets through with.
	MaxAttempts int           `yaml:"max_attempts" validate:"min=1,max=1000"`
	MaxAge      time.Duration `yaml:"max_age" validate:"min=1m,max=8760h"`

	// SHA256 is what the plugin's binary must have, in hex; "": any.
	SHA256 string `yaml:"sha256,omitempty" validate:"omitempty,len=64,hexadecimal"`
	// Settings are the plugin's own.
	Settings settings.Opaque `yaml:"settings,omitempty"`
}

// Batch says how hits are gathered for delivery.
type Batch struct {
	Max   int           `yaml:"max" validate:"min=1,max=10000"` // hits
	Every time.Duration `yaml:"every" validate:"max=1h"`        // how long the first one waits for more
}

// SetDefaults: a spool of 1 GB holds an outage of some three hours at 100 hits a
// second, or of a month at one in two.
func (o *Output) SetDefaults() {
	o.Batch = Batch{Max: 500, Every: time.Second}
	o.Timeout = 30 * time.Second
	o.Spool = settings.GB
	o.MaxAttempts = 5
	o.MaxAge = 7 * 24 * time.Hour
}

func (d *document) checkOutputs() {
	names := d.feedNames()
	first := map[string]int{}
	for i, o := range d.config.Outputs {
		key := fmt.Sprintf("outputs[%d]", i)
		for j, name := range o.Feeds {
			if at := fmt.Sprintf("%s.feeds[%d]", key, j); !slices.Contains(names, name) && !d.Said(at) && !d.Said("feeds") && !d.Said("dnsbl") {
				d.Errorf(d.Line(at), at, "%s is not the name of a feed%s", d.Text(at), settings.DidYouMean(nearest.Word(name, names)))
			}
		}
		if d.Said(key+".name") || o.Name == "" {
			continue
		}
		if j, twice := first[o.Name]; twice {
			d.Errorf(d.Line(key+".name"), key+".name", "%s is the name of outputs[%d] too (line %d); give each output its own, as its spool is named after it", d.Text(key+".name"), j, d.Line(fmt.Sprintf("outputs[%d].name", j)))
			continue
		}
		first[o.Name] = i
	}
}

// feedNames returns the names that a hit's feed may have.
func (d *document) feedNames() (names []string) {
	for _, f := range d.config.Feeds {
		names = append(names, f.Name)
	}
	for _, z := range d.config.DNSBL.Zones {
		names = append(names, z.Name)
	}
	return names
}

// keepPlaces notes where the outputs' keys stand, for what is found out of their
// settings later.
func (d *document) keepPlaces() {
	if len(d.config.Outputs) == 0 {
		return
	}
	d.config.where = &places{file: d.File(), lines: d.Lines("outputs")}
}

// places says where keys stand in the file.
type places struct {
	file  string
	lines map[string]int
}

// OutputProblem is a Problem with a key of output i, such as settings.address, that
// is in the file or not.
func (c *Config) OutputProblem(i int, key, text string) settings.Problem {
	p := settings.Problem{Key: settings.Join(fmt.Sprintf("outputs[%d]", i), "x"), Text: text}
	p.Key = strings.TrimSuffix(p.Key, "x") + key
	if c.where == nil {
		return p
	}
	p.File = c.where.file
	for at := p.Key; at != "" && p.Line == 0; at = settings.Parent(at) {
		p.Line = c.where.lines[at]
	}
	return p
}
