// Package history keeps the flows: workers hand them to lanes, one goroutine writes
// them to a log, another makes Parquet files of the log and keeps these in order. It
// never holds up a worker: what it cannot take is dropped and counted.
//
// What the files look like is history/column, which files there are history/dataset,
// how they are searched history/query.
package history

import (
	"time"

	"github.com/flowhound/flowhound/cmd/internal/settings"
)

// Config is the section history: which flows are kept, where and how long.
type Config struct {
	// Enabled is false where no flow may be kept, or none is wanted.
	Enabled bool `yaml:"enabled"`
	// Dir is the folder of the data set; "": flows, in data_dir.
	Dir string `yaml:"dir,omitempty"`
	// Keep is how long flows are kept, by their arrival. How long they may be kept is
	// a matter of law in many places; example.yaml has more words.
	Keep time.Duration `yaml:"keep" validate:"min=1h"`
	// MaxSize is how much room the files may take; the oldest go first.
	MaxSize settings.Size `yaml:"max_size" validate:"min=10000000"`
	// Hunt is how far back new indicators are held against the flows; 0: not at all.
	Hunt time.Duration `yaml:"hunt"`
}

const day = 24 * time.Hour

// SetDefaults sets what the file does not.
func (c *Config) SetDefaults() {
	*c = Config{Enabled: true, Keep: 90 * day, MaxSize: 100 * settings.GB, Hunt: 30 * day}
}

// Complete checks what keys say together.
func Complete(c *Config, at settings.Section) {
	if c.Hunt > c.Keep && at.Has("hunt") && !at.Reported("hunt") && !at.Reported("keep") {
		at.Warnf("hunt", "%s is longer than flows are kept, which is %s; flows older than that are gone", at.Text("hunt"), c.Keep)
	}
	if !c.Enabled && at.HasAny("keep", "max_size", "hunt") && at.Has("enabled") && !at.Reported("enabled") {
		at.Warnf("enabled", "no flows are kept while enabled is false, so keep, max_size and hunt do nothing")
	}
}
