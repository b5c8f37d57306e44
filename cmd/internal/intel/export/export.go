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
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Options say what to write. The zero value of each field but Format is usable.
type Options struct {
	Format string // one of Formats
	Filter Filter

	// Name is the nftables table or the stem of the ipset sets' names; flowhound
	// when empty.
	Name string

	// Zone is the name of the response policy zone, rpz.flowhound when empty;
	// Action what it does with a listed name, nxdomain when empty; CNAME the
	// walled garden's name when Action is cname. rpz only.
	Zone, Action, CNAME string
	// Serial is that of the zone that is replaced, 0 for none; the zone that is
	// written has a higher one. File sets it. rpz only.
	Serial uint32

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

// leave counts one indicator that is left out.
func (s *Stats) leave(r Reason) {
	if s.Left == nil {
		s.Left = make(map[Reason]int)
	}
	s.Left[r]++
}

// format is one form of file.
type format struct {
	kinds []Kind // what it can hold; other kinds are not offered to write
	// write writes the entries, which may be ranged over more than once and come
	// in the same order each time, and counts them. The writer keeps its first
	// error and the caller flushes it: only errors of other origin are returned.
	write func(w *bufio.Writer, entries iter.Seq[intel.Indicator], o *Options, s *Stats) error
	// serial finds the serial in the line of a file that holds it, for formats
	// that have one; nil for those that have none.
	serial func(line []byte) (serial uint32, ok bool)
}

// Formats returns the names of the formats, in the order in which help lists them.
func Formats() []string {
	return []string{"rpz", "plain"}
}

func formatOf(name string) (format, error) {
	switch name {
	case "rpz":
		return format{kinds: []Kind{Address, Prefix, Domain}, write: writeRPZ, serial: rpzSerial}, nil
	case "plain":
		return format{kinds: allKinds(), write: writePlain}, nil
	}
	return format{}, fmt.Errorf("unknown export format %q (one of %s)", name, strings.Join(Formats(), " "))
}

// Write writes the live indicators of set that pass the filter, in an order that
// depends on nothing but the set. A nil set is empty.
func Write(w io.Writer, set *intel.Set, o Options) (Stats, error) {
	f, err := formatOf(o.Format)
	if err != nil {
		return Stats{}, err
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	var s Stats
	out := bufio.NewWriterSize(w, 64<<10)
	if err := f.write(out, o.Filter.entries(set, f.kinds, o.Now), &o, &s); err != nil {
		return s, err
	}
	return s, out.Flush()
}
