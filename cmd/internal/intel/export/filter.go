package export

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Kind is what an indicator names.
type Kind uint8

// The kinds of indicators.
const (
	Address Kind = iota
	Prefix
	Domain
	URL
	numKinds = iota
)

var kindNames = [numKinds]string{"address", "prefix", "domain", "url"}

// String returns the kind's name in lower case.
func (k Kind) String() string { return kindNames[k] }

// MarshalText returns the kind's name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText accepts the names that String returns, and nothing else.
func (k *Kind) UnmarshalText(b []byte) error {
	at := slices.Index(kindNames[:], string(b))
	if at < 0 {
		return fmt.Errorf("unknown kind %q (one of address prefix domain url)", b)
	}
	*k = Kind(at)
	return nil
}

func allKinds() []Kind { return []Kind{Address, Prefix, Domain, URL} }

func kindOf(i *intel.Indicator) Kind {
	switch {
	case i.URL != "":
		return URL
	case i.Domain != "":
		return Domain
	case i.Prefix.IsSingleIP():
		return Address
	}
	return Prefix
}

// text is the indicator as people write it.
func text(i *intel.Indicator) string {
	switch kindOf(i) {
	case URL:
		return i.URL
	case Domain:
		return i.Domain
	case Address:
		return i.Prefix.Addr().String()
	}
	return i.Prefix.String()
}

// Filter chooses indicators. An empty list chooses all, and so does the zero Filter.
type Filter struct {
	Feeds      []string
	Categories []intel.Category
	Kinds      []Kind
	MinScore   int // 0-100
	// Max is how many are kept at most, the ones with the highest score; 0: all.
	Max int
}

// entries returns the live indicators that pass the filter and are of the kinds
// that a format can hold.
func (f *Filter) entries(set *intel.Set, kinds []Kind, now time.Time) iter.Seq[intel.Indicator] {
	return set.All(now, func(i *intel.Indicator) bool {
		k := kindOf(i)
		return int(i.Score) >= f.MinScore && slices.Contains(kinds, k) &&
			(len(f.Kinds) == 0 || slices.Contains(f.Kinds, k)) &&
			(len(f.Feeds) == 0 || slices.Contains(f.Feeds, i.Feed)) &&
			(len(f.Categories) == 0 || slices.Contains(f.Categories, i.Category))
	})
}
