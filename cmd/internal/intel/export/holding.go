package export

import (
	"fmt"
	"io"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/text"
)

// Holding tells whether a file with these options holds an address, and in a few words
// why it does not. listed is what set's Lookup says of the address. Where the file takes
// only the best indicators, all of the set are ranked: 0.1 s for a million.
func Holding(set *intel.Set, addr netip.Addr, listed []intel.Indicator, o Options) (held bool, why string) {
	f, err := formatOf(o.Format)
	switch {
	case err != nil:
		return false, err.Error()
	case f.kinds == nil || o.Action == ActionAllow:
		return false, "it holds nothing that is listed"
	}
	why = "no list names it"
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	for _, i := range listed {
		i.Score = i.Confidence() // as Set.All has it
		if why = o.Filter.without(&i, f.kinds); why != "" {
			continue
		}
		if why = o.leaves(&i); why == "" {
			if o.Filter.Max == 0 || covers(o.Filter.entries(set, f.kinds, o.Now, &Stats{}), addr) {
				return true, ""
			}
			why = fmt.Sprintf("takes the %d with the highest score only", o.Filter.Max)
		}
	}
	return false, why
}

// without tells why the filter does not let i through, "" where it does.
func (f *Filter) without(i *intel.Indicator, kinds []Kind) string {
	names := func(n int, name func(int) string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = name(i)
		}
		return "takes " + strings.Join(all, ", ") + " only"
	}
	switch k := kindOf(i); {
	case f.passes(i, kinds):
		return ""
	case !slices.Contains(kinds, k):
		return "its format holds no addresses"
	case len(f.Kinds) > 0 && !slices.Contains(f.Kinds, k):
		return names(len(f.Kinds), func(n int) string { return f.Kinds[n].String() })
	case len(f.Categories) > 0 && !slices.Contains(f.Categories, i.Category):
		return names(len(f.Categories), func(n int) string { return f.Categories[n].String() })
	case len(f.Feeds) > 0 && !slices.Contains(f.Feeds, i.Feed):
		return names(len(f.Feeds), func(n int) string { return "list " + f.Feeds[n] })
	}
	return fmt.Sprintf("takes a score of %d and more; this has %d", f.MinScore, i.Score)
}

// leaves tells why the format cannot hold i, "" where it can: it is written on its own.
func (o *Options) leaves(i *intel.Indicator) string {
	if r := unsafe(i); r != "" {
		return "left out: " + string(r)
	}
	b := intel.NewBuilder(i.Feed)
	b.Add(i)
	alone := Options{Format: o.Format, Name: o.Name, Zone: o.Zone, Action: o.Action, CNAME: o.CNAME, Now: o.Now}
	s, err := Write(io.Discard, intel.NewSet(b.Block()), alone)
	switch {
	case err != nil:
		return text.Screen(err.Error())
	case s.Written > 0:
		return ""
	}
	for r := range s.Left {
		return "left out: " + string(r)
	}
	return "its format cannot hold it"
}

// covers reports whether one of the entries is on addr.
func covers(entries iter.Seq[intel.Indicator], addr netip.Addr) bool {
	for i := range entries {
		if i.Prefix.IsValid() && i.Prefix.Contains(addr) {
			return true
		}
	}
	return false
}
