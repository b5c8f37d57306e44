// Package config is flowhound's YAML file as a whole: the sections that each part
// owns, put together, and what they say about each other. How it is read is package
// settings' business.
//
// It never acts on a setting: it opens no socket and reads no feed.
package config

import (
	"path/filepath"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/cmd/internal/alert/logfile"
	"github.com/flowhound/flowhound/cmd/internal/alert/output"
	"github.com/flowhound/flowhound/cmd/internal/alert/throttle"
	"github.com/flowhound/flowhound/cmd/internal/flow/udp"
	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/cmd/internal/history"
	"github.com/flowhound/flowhound/cmd/internal/history/hunt"
	"github.com/flowhound/flowhound/cmd/internal/hosts"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnsbl"
	"github.com/flowhound/flowhound/cmd/internal/intel/export/keep"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/intel/known"
	"github.com/flowhound/flowhound/cmd/internal/replay"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/cmd/internal/site"
	"github.com/flowhound/flowhound/cmd/internal/web"
)

// Config is one valid configuration. It is not changed after Load or Parse
// returned it, so any number of goroutines may read it.
type Config struct {
	// Listen names where datagrams are received, at least one.
	Listen    []udp.Address  `yaml:"listen" validate:"min=1"`
	Exporters site.Exporters `yaml:"exporters"`
	Networks  site.Networks  `yaml:"networks"`
	// Geo says where addresses are, as far as the operator knows better.
	Geo geo.Config `yaml:"geo"`
	// Hosts says where the names of own addresses come from.
	Hosts hosts.Config  `yaml:"hosts,omitempty"`
	Feeds []feed.Source `yaml:"feeds" validate:"dive"` // at least one
	// Contact is a mail address or page of whoever runs this flowhound, for the
	// publishers of feeds that are fetched.
	Contact string `yaml:"contact,omitempty" validate:"omitempty,max=200,printascii"`
	// Allow holds the files of what no feed may name.
	Allow []string `yaml:"allow,omitempty" validate:"dive,required"`
	// KnownGood says what of the embedded lists of well-known addresses counts.
	KnownGood known.Config `yaml:"known_good,omitempty"`
	DNSBL     dnsbl.Config `yaml:"dnsbl,omitempty"`
	// Categories overrides what tags and malware families of feeds mean.
	Categories map[string]intel.Category `yaml:"categories,omitempty"`
	// Mute holds what is not reported for a while.
	Mute []alert.Mute `yaml:"mute,omitempty" validate:"dive"`
	// Exports are files that are kept as the indicators are.
	Exports keep.Config     `yaml:"exports,omitempty" validate:"dive"`
	Alert   throttle.Config `yaml:"alert"`
	Log     logfile.Config  `yaml:"log"`
	// PluginDir is the folder of the outputs' plugins; "": where they are looked for.
	PluginDir string `yaml:"plugin_dir,omitempty"`
	// Outputs are where hits are delivered to besides the log.
	Outputs []output.Config `yaml:"outputs,omitempty" validate:"dive"`
	// DataDir is the folder for what outlives the process.
	DataDir string `yaml:"data_dir" validate:"required"`
	// Sync says what a power failure may cost of the hits that are on their way, and
	// of the alert log: example.yaml has the words.
	Sync journal.Sync `yaml:"sync" validate:"oneof=never 1s always"`
	// History says which flows are kept, where and how long.
	History history.Config `yaml:"history"`
	// RunDir is the folder for what does not: the sockets.
	RunDir string     `yaml:"run_dir" validate:"required"`
	Web    web.Config `yaml:"web"`

	// Warnings are the problems that do not keep the agent from running.
	Warnings settings.Problems `yaml:"-" validate:"-"`

	// written holds, by dotted key, the values that named an environment
	// variable as the file has them: what is printed in the place of a secret.
	written map[string]string
	// shown holds, by the index of an output, which of its settings are secrets;
	// of one that is not in it, all may be.
	shown map[int][]string
	where *places // of the outputs' keys; nil without outputs

	source [32]byte // SHA-256 of the text that Load read
}

// Feed returns what the configuration says of feeds.
func (c *Config) Feed() feed.Config {
	return feed.Config{
		Feeds: c.Feeds, Allow: c.Allow, Categories: c.Categories, Contact: c.Contact, Known: c.KnownGood,
		Local: c.Networks.Own(), Exporters: c.Exporters.Named(),
	}
}

// Policy returns what classifies matches as the configuration says.
func (c *Config) Policy() *alert.Policy {
	n := &c.Networks
	return alert.NewPolicy(n.Own(), n.AllServicePorts(), c.Alert.Severity).WithMutes(c.Mute).WithNAT(n.NAT)
}

// Replay returns how captures are replayed against set.
func (c *Config) Replay(set *intel.Set) replay.Options {
	return replay.Options{Exporters: c.Exporters, Policy: c.Policy(), Folds: c.Alert.Options(), Set: set}
}

// Blacklists returns what the configuration says of DNS blacklists.
func (c *Config) Blacklists() dnsbl.Config {
	d := c.DNSBL
	d.Local, d.Exporters = c.Networks.Own(), c.Exporters.Named()
	return d
}

// Hunt returns how far back new indicators are held against the history.
func (c *Config) Hunt() hunt.Config {
	if !c.History.Enabled {
		return hunt.Config{}
	}
	return hunt.Config{Back: c.History.Hunt}
}

// HuntedPath is the file that says which indicators were hunted for in the history.
func (c *Config) HuntedPath() string { return filepath.Join(c.DataDir, "hunted") }

// Flows returns what the configuration says of the history.
func (c *Config) Flows() history.Config {
	h := c.History
	if h.Dir == "" {
		h.Dir = filepath.Join(c.DataDir, "flows")
	}
	return h
}

// HostNames returns what the configuration says of the names of own addresses.
func (c *Config) HostNames() hosts.Config {
	h := c.Hosts
	h.Local = c.Networks.Own()
	return h
}

// FeedDir is the folder of what feeds have fetched.
func (c *Config) FeedDir() string { return filepath.Join(c.DataDir, "feeds") }

// Default returns the configuration of a file that sets nothing. It has no feeds
// and so would not pass Parse.
func Default() *Config {
	c := &Config{
		Listen:    []udp.Address{{Scheme: "udp", Host: ":2055"}},
		Exporters: site.DefaultExporters(),
		Networks:  site.DefaultNetworks(),
		DataDir:   "/var/lib/flowhound",
		Sync:      journal.SyncSecond,
		RunDir:    "/run/flowhound",
		Web:       web.Config{Listen: "127.0.0.1:8055"},
	}
	c.Alert.SetDefaults()
	c.Geo.SetDefaults()
	c.Log.SetDefaults()
	c.History.SetDefaults()
	return c
}

// OfLists returns the default configuration with the given files as its only feeds.
func OfLists(paths []string) (c *Config, err error) {
	c = Default()
	c.Geo.Fallback = "" // the same everywhere
	c.Feeds, err = feed.OfFiles(paths)
	return c, err
}

// NeedsRestart names the keys whose values differ between c and next and that a
// running agent cannot change, in the order of the file. All other differences
// can be taken over by a reload.
func (c *Config) NeedsRestart(next *Config) []string {
	var keys []string
	if !slices.Equal(c.Listen, next.Listen) {
		keys = append(keys, "listen")
	}
	if c.DataDir != next.DataDir {
		keys = append(keys, "data_dir")
	} else if c.RunDir != next.RunDir { // of its own accord
		keys = append(keys, "run_dir")
	}
	if c.Flows().Dir != next.Flows().Dir && c.DataDir == next.DataDir {
		keys = append(keys, "history.dir")
	}
	keys = append(keys, c.Web.Differs(&next.Web)...)
	return keys
}

// resolve makes relative paths relative to the configuration's folder: that is
// what a person who writes one beside the other means, and what the service
// manager's working directory would not give.
func (c *Config) resolve(folder string) {
	// Whole paths, because plugins and engines have other working directories.
	if whole, err := filepath.Abs(folder); err == nil {
		folder = whole
	}
	paths := []*string{&c.DataDir, &c.RunDir, &c.Log.Path}
	paths = append(paths, c.Geo.Paths()...)
	for i := range c.Hosts.Files {
		paths = append(paths, &c.Hosts.Files[i])
	}
	for i := range c.Feeds {
		paths = append(paths, c.Feeds[i].Paths()...)
	}
	for i := range c.Allow {
		paths = append(paths, &c.Allow[i])
	}
	if c.PluginDir != "" {
		paths = append(paths, &c.PluginDir)
	}
	if c.History.Dir != "" {
		paths = append(paths, &c.History.Dir)
	}
	for i := range c.Exports {
		paths = append(paths, c.Exports[i].Paths()...)
	}
	paths = append(paths, c.Web.Paths()...)
	for _, p := range paths {
		if !filepath.IsAbs(*p) {
			*p = filepath.Join(folder, *p)
		}
	}
}
