package export

import (
	"errors"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// reasonAddress is why an allowed address or network is not in an allow zone.
//
// Zones are asked in their order, and BIND prefers what the first of them says of
// the addresses in an answer to what a later one says of the name. One allowed
// address of a content network would let every listed name pass that moves there.
// The other zones need no such record: their networks are without what is allowed.
const reasonAddress Reason = "address"

// checkEmpty rejects a filter that chooses: allowed names have no feed or score.
func (f *Filter) checkEmpty() error {
	if len(f.Feeds)+len(f.Categories)+len(f.Kinds)+f.MinScore+f.Max > 0 {
		return errors.New("an allow zone contains the allow lists; feeds, categories, kinds, min-score and max cannot be used with it")
	}
	return nil
}

// writeAllowed writes the records of the zone that stands before all others and
// lets allowed names pass, also those below a name that another zone lists.
func (z *zone) writeAllowed(allow *intel.Allow, s *Stats) {
	for e := range allow.All() {
		if r := z.writeEntry(&e, allow); r != "" {
			s.leave(r)
		} else {
			s.Written++
		}
	}
}

func (z *zone) writeEntry(e *intel.AllowEntry, allow *intel.Allow) Reason {
	if e.Prefix.IsValid() {
		return reasonAddress
	}
	name, r := hostName(e.Domain)
	switch {
	case r != "":
		return r
	case !z.fits(name):
		return reasonLongName
	case parentAllows(allow, e.Domain):
		return reasonCovered // it would harm its parent as parentIn says
	}
	z.write(append(z.line[:0], name...), e.List, e.Reason)
	if e.Subdomains {
		z.writeWildcard(name)
	}
	return ""
}

// parentAllows reports whether an entry on a parent domain stands for name.
func parentAllows(allow *intel.Allow, name string) bool {
	_, parent, _ := strings.Cut(name, ".")
	for parent != "" {
		if e, ok := allow.Domain(parent); ok && e.Subdomains {
			return true
		}
		_, parent, _ = strings.Cut(parent, ".")
	}
	return false
}
