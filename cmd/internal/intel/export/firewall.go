package export

import (
	"bufio"
	"fmt"
	"iter"
	"net/netip"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/text"
)

const defaultName = "flowhound"

// setName is what nft and ipset both take as a name without quotes. ipset's own
// limit of 31 bytes leaves 26 beside "4_new".
var setName = text.Pattern(`^[a-z][a-z0-9_-]{0,25}$`)

// name returns the name of the table or the stem of the sets.
func (o *Options) name() string {
	if o.Name == "" {
		return defaultName
	}
	return o.Name
}

// writeNftables writes the commands that fill four sets of a table of family inet
// anew, which nft -f carries out whole or not at all: what is no longer listed is
// gone, and rules of the same table that name the sets stay.
//
// bad4 and bad6 hold single addresses, bad4_nets and bad6_nets networks. One set
// for both would have to be of intervals, and to load a million addresses into that
// takes nft 1.5 GB and 20 s; into a set of addresses it takes 380 MB and 6 s.
//
// The elements have no comment, because auto-merge joins neighbours and keeps
// one comment of many, and no timeout: the file would differ whenever it is
// written. What ages out leaves with the next version.
func writeNftables(w *bufio.Writer, entries iter.Seq[intel.Indicator], o *Options, s *Stats) error {
	table := o.name()
	fmt.Fprintf(w, "add table inet %s\n", table)
	for _, family := range [...]int{4, 6} {
		fmt.Fprintf(w, "add set inet %s bad%d { type ipv%d_addr; }\n", table, family, family)
		fmt.Fprintf(w, "add set inet %s bad%d_nets { type ipv%d_addr; flags interval; auto-merge; }\n", table, family, family)
		fmt.Fprintf(w, "flush set inet %s bad%d\nflush set inet %s bad%d_nets\n", table, family, table, family)
	}
	for _, single := range [...]bool{true, false} {
		s.Written += writeElements(w, entries, table, single)
	}
	return nil
}

// writeElements writes the single addresses or the networks among the entries: one
// command for each run of a family, of which there are three at most, because IPv4
// stands among IPv6 where the v4-mapped addresses are. A set's elements may not be
// empty.
func writeElements(w *bufio.Writer, entries iter.Seq[intel.Indicator], table string, single bool) (written int) {
	suffix := "_nets"
	if single {
		suffix = ""
	}
	open := 0
	var line []byte
	for i := range entries {
		if i.Prefix.IsSingleIP() != single {
			continue
		}
		if f := family(i.Prefix); f != open {
			if open != 0 {
				w.WriteString("}\n")
			}
			fmt.Fprintf(w, "add element inet %s bad%d%s {\n", table, f, suffix)
			open = f
		}
		line = append(appendPrefix(append(line[:0], '\t'), i.Prefix), ",\n"...)
		w.Write(line)
		written++
	}
	if open != 0 {
		w.WriteString("}\n")
	}
	return written
}

// ipsetMax is the most that a set of ipset will hold. It takes no memory by
// itself, and is one number for all sets, because ipset refuses to make a set
// that exists with another.
const ipsetMax = 1 << 24

// writeIPSet writes input for ipset restore: two sets, one a family, are filled
// beside the ones in use and change places with them, so that no packet meets a
// half-filled set.
func writeIPSet(w *bufio.Writer, entries iter.Seq[intel.Indicator], o *Options, s *Stats) error {
	families := [...]struct {
		suffix, name string
	}{{"4", "inet"}, {"6", "inet6"}}
	for _, f := range families {
		set := o.name() + f.suffix
		for _, name := range []string{set, set + "_new"} {
			fmt.Fprintf(w, "create %s hash:net family %s maxelem %d -exist\n", name, f.name, ipsetMax)
		}
		fmt.Fprintf(w, "flush %s_new\n", set) // one that an interrupted restore left behind
	}
	add := "add " + o.name()
	var line []byte
	for i := range entries {
		line = append(line[:0], add...)
		line = append(line, '0'+byte(family(i.Prefix)))
		line = append(appendPrefix(append(line, "_new "...), i.Prefix), " -exist\n"...)
		w.Write(line)
		s.Written++
	}
	for _, f := range families {
		set := o.name() + f.suffix
		fmt.Fprintf(w, "swap %s_new %s\ndestroy %s_new\n", set, set, set)
	}
	return nil
}

func family(p netip.Prefix) int {
	if p.Addr().Is4() {
		return 4
	}
	return 6
}

// appendPrefix appends an address without the length, or a network.
func appendPrefix(b []byte, p netip.Prefix) []byte {
	if p.IsSingleIP() {
		return p.Addr().AppendTo(b)
	}
	return p.AppendTo(b)
}
