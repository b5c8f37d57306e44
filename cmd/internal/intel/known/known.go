// Package known holds, embedded, what is well known of some addresses: those that no
// feed should list (never alert), those that many share (shared edge) and those of
// projects that scan the internet for research (who scans). It fetches nothing:
// refresh.py writes the lists anew for the next release.
package known

import (
	_ "embed"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

//go:embed never.txt
var never string

//go:embed shared.txt
var shared string

//go:embed scanners.txt
var scanners string

// The classes, as the configuration and people name them.
const (
	Never    = "never-alert"
	Shared   = "shared-edge"
	Scanners = "who-scans"
)

// Classes are all of them.
var Classes = []string{Never, Shared, Scanners}

// Config says which classes are off, and for which addresses none counts.
type Config struct {
	Disable []string       `yaml:"disable,omitempty" validate:"dive,oneof=never-alert shared-edge who-scans"`
	Except  []netip.Prefix `yaml:"except,omitempty"`
}

// entry is one network and whose it is.
type entry struct {
	network netip.Prefix
	owner   string
}

// lists gives the entries of each class, read when they are first asked for.
var lists = map[string]func() []entry{
	Never:    sync.OnceValue(func() []entry { return parse(never) }),
	Shared:   sync.OnceValue(func() []entry { return parse(shared) }),
	Scanners: sync.OnceValue(func() []entry { return parse(scanners) }),
}

// parse reads an embedded list; what is wrong with it is a mistake of ours.
func parse(text string) (out []entry) {
	owner := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			owner = strings.Trim(line, "[]")
		default:
			p, err := netip.ParsePrefix(line)
			if err != nil {
				a := netip.MustParseAddr(line)
				p = netip.PrefixFrom(a, a.BitLen())
			}
			out = append(out, entry{p.Masked(), owner})
		}
	}
	return out
}

// on returns the entries of a class that c lets count.
func (c *Config) on(class string) []entry {
	if slices.Contains(c.Disable, class) {
		return nil
	}
	all := lists[class]()
	if len(c.Except) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(e entry) bool {
		return slices.ContainsFunc(c.Except, func(p netip.Prefix) bool { return p.Overlaps(e.network) })
	})
}

// List is the name under which the never-alert entries stand among allow lists.
const List = "known good"

// Allow returns what no feed may list.
func (c *Config) Allow() *intel.Allow {
	b := intel.NewAllowBuilder()
	for _, e := range c.on(Never) {
		b.Add(intel.AllowEntry{Prefix: e.network, List: List, Reason: e.owner})
	}
	return b.Allow()
}

// Labels returns whose addresses are shared and who scans, nil when both are off.
func (c *Config) Labels() *intel.Labels {
	edges, scans := c.on(Shared), c.on(Scanners)
	if len(edges)+len(scans) == 0 {
		return nil
	}
	l := new(intel.Labels)
	for _, e := range edges {
		l.AddShared(e.network, e.owner)
	}
	for _, e := range scans {
		l.AddScanner(e.network, e.owner)
	}
	return l
}

// String says what is on, for people: "never-alert 110, shared-edge 805 (off), ...".
func (c *Config) String() string {
	var parts []string
	for _, class := range Classes {
		n, all := len(c.on(class)), len(lists[class]())
		switch {
		case n == 0:
			parts = append(parts, class+" off")
		case n < all:
			parts = append(parts, fmt.Sprintf("%s %d of %d", class, n, all))
		default:
			parts = append(parts, fmt.Sprintf("%s %d", class, n))
		}
	}
	return strings.Join(parts, ", ")
}
