// Package export writes the live indicators of a set in the forms that other
// sensors load: BIND's response policy zones, SiLK, Zeek, Suricata, nftables,
// ipset, the lists of OSSEC and Wazuh, STIX and plain text. One file of this
// package holds one form.
//
// What it writes depends on the set, the options and, for a zone's serial alone,
// the file that is replaced: no time of day and no chance get into it, so that
// equal intelligence makes equal bytes. It starts no command and loads nothing
// into any other system.
package export

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/text"
)

// Options say what to write. The zero value of each field but Format is usable.
type Options struct {
	Format string // one of Formats
	Filter Filter

	// Name is the nftables table or the stem of the ipset sets' names; flowhound
	// when empty.
	Name string

	// Zone is the name of the response policy zone; rpz.flowhound when empty,
	// allow.rpz.flowhound when Action is allow. Action is what it does with a
	// listed name, nxdomain when empty; CNAME the walled garden's name when Action
	// is cname. rpz only.
	Zone, Action, CNAME string
	// Serial is that of the zone that is replaced, 0 for none; the zone that is
	// written has a higher one. File sets it. rpz only.
	Serial uint32

	// former is what the file that is replaced holds, nil for none. zeek only.
	former io.Reader

	allow *intel.Allow // what the set leaves out. rpz only.

	// Now decides which indicators have expired; the time of the call when zero.
	Now time.Time
}

// Reason is why an indicator was left out: one lower-case word, with hyphens.
type Reason string

// Stats say what came of one export.
type Stats struct {
	Written int            // indicators that the file holds
	Left    map[Reason]int // indicators that the filter let pass and the format could not take, by reason
}

// String tells the stats to a person, the most frequent reason first:
//
//	1234 indicators, left out 3 bad-name, 1 too-wide
func (s Stats) String() string {
	said := text.Count(s.Written, "indicator", "indicators")
	reasons := slices.SortedFunc(maps.Keys(s.Left), func(a, b Reason) int {
		return cmp.Or(cmp.Compare(s.Left[b], s.Left[a]), cmp.Compare(a, b))
	})
	for n, r := range reasons {
		said += fmt.Sprintf("%s%d %s", [2]string{", left out ", ", "}[min(n, 1)], s.Left[r], r)
	}
	return said
}

// leave counts one indicator that is left out.
func (s *Stats) leave(r Reason) {
	if s.Left == nil {
		s.Left = make(map[Reason]int)
	}
	s.Left[r]++
}

// format is one form of file.
type format struct {
	name  string
	kinds []Kind // what it can hold; other kinds are not offered to write
	named bool   // takes Options.Name
	// write writes the entries, which may be ranged over more than once and come
	// in the same order each time, and counts them. The writer keeps its first
	// error and the caller flushes it: only errors of other origin are returned.
	write func(w *bufio.Writer, entries iter.Seq[intel.Indicator], o *Options, s *Stats) error
	// serial finds the serial in the line of a file that holds it, for formats
	// that have one; nil for those that have none.
	serial func(line []byte) (serial uint32, ok bool)
}

// formats returns all formats, in the order in which help lists them. A new one is
// a file with its write function, and a row here.
func formats() []format {
	addresses := []Kind{Address, Prefix}
	domains := []Kind{Domain}
	both := []Kind{Address, Prefix, Domain}
	all := []Kind{Address, Prefix, Domain, URL}
	return []format{
		{name: "rpz", kinds: both, write: writeRPZ, serial: rpzSerial},
		{name: "silk", kinds: addresses, write: writePlain}, // rwsetbuild reads addresses and networks, one a line
		{name: "zeek", kinds: all, write: writeZeek},
		{name: "suricata", kinds: addresses, write: writeSuricata},
		{name: "suricata-categories", write: writeSuricataCategories},
		{name: "suricata-domains", kinds: domains, write: writeSuricataDomains},
		{name: "nftables", kinds: addresses, named: true, write: writeNftables},
		{name: "ipset", kinds: addresses, named: true, write: writeIPSet},
		{name: "cdb", kinds: both, write: writeWazuh}, // the engine whose lists hold more
		{name: "wazuh", kinds: both, write: writeWazuh},
		{name: "ossec", kinds: both, write: writeOSSEC},
		{name: "stix", kinds: all, write: writeSTIX},
		{name: "plain", kinds: all, write: writePlain},
	}
}

// Formats returns the names of the formats, in the order in which help lists them.
func Formats() []string { return namesOf(func(*format) bool { return true }) }

// Zoned returns the names of the formats that are zones, and take Options.Zone and
// Options.Action.
func Zoned() []string { return namesOf(func(f *format) bool { return f.serial != nil }) }

// Named returns the names of the formats that take Options.Name.
func Named() []string { return namesOf(func(f *format) bool { return f.named }) }

func namesOf(wanted func(*format) bool) (names []string) {
	for _, f := range formats() {
		if wanted(&f) {
			names = append(names, f.name)
		}
	}
	return names
}

// Holds returns the kinds that a format can hold; none where what it holds does not
// depend on the feeds, or where there is no such format.
func Holds(name string) []Kind {
	f, _ := formatOf(name)
	return f.kinds
}

func formatOf(name string) (format, error) {
	for _, f := range formats() {
		if f.name == name {
			return f, nil
		}
	}
	return format{}, fmt.Errorf("unknown export format %q (one of %s)", name, strings.Join(Formats(), " "))
}

// Check tells what is wrong with the options, among it those that would do
// nothing in their format. Write and File check them too.
func (o *Options) Check() error {
	f, err := formatOf(o.Format)
	switch {
	case err != nil:
		return err
	case o.Name != "" && !f.named:
		return fmt.Errorf("name is for nftables and ipset, not for format %s", o.Format)
	case o.Name != "" && !setName().MatchString(o.Name):
		return fmt.Errorf("name %q: use up to 26 of a-z, 0-9, - and _, beginning with a letter", o.Name)
	case f.serial != nil:
		if _, err := newZone(nil, o); err != nil {
			return err
		}
	case o.Zone != "" || o.Action != "" || o.CNAME != "":
		return fmt.Errorf("zone, action and cname are for rpz, not for format %s", o.Format)
	}
	if o.Filter.chooses() && (o.Action == ActionAllow || f.kinds == nil) {
		return fmt.Errorf("filters cannot be used: the content of %s does not depend on the feeds", strings.TrimSpace(o.Format+" "+o.Action))
	}
	return o.Filter.check(f.kinds)
}

// Write writes the live indicators of set that pass the filter, in an order that
// depends on nothing but the set. A nil set is empty.
func Write(w io.Writer, set *intel.Set, o Options) (Stats, error) {
	if err := o.Check(); err != nil {
		return Stats{}, err
	}
	f, err := formatOf(o.Format)
	if err != nil {
		return Stats{}, err
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	o.allow = set.Allow()
	var s Stats
	out := bufio.NewWriterSize(w, 64<<10)
	if err := f.write(out, o.Filter.entries(set, f.kinds, o.Now, &s), &o, &s); err != nil {
		return s, err
	}
	return s, out.Flush()
}
