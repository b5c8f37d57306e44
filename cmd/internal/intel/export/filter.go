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

// written is the indicator as people write it.
func written(i *intel.Indicator) string {
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

// check tells what is wrong with the filter of a format that holds these kinds.
func (f *Filter) check(kinds []Kind) error {
	switch {
	case f.MinScore < 0 || f.MinScore > 100:
		return fmt.Errorf("min-score %d: must be between 0 and 100", f.MinScore)
	case f.Max < 0:
		return fmt.Errorf("max %d: must be 1 or more, or 0 for all", f.Max)
	}
	for _, k := range f.Kinds {
		if !slices.Contains(kinds, k) {
			return fmt.Errorf("the format cannot contain indicators of kind %s", k)
		}
	}
	return nil
}

// chooses reports whether the filter says anything.
func (f *Filter) chooses() bool {
	return len(f.Feeds)+len(f.Categories)+len(f.Kinds)+f.MinScore+f.Max != 0
}

// passes reports whether the filter lets i through to a format of these kinds.
func (f *Filter) passes(i *intel.Indicator, kinds []Kind) bool {
	k := kindOf(i)
	return int(i.Score) >= f.MinScore && slices.Contains(kinds, k) &&
		(len(f.Kinds) == 0 || slices.Contains(f.Kinds, k)) &&
		(len(f.Feeds) == 0 || slices.Contains(f.Feeds, i.Feed)) &&
		(len(f.Categories) == 0 || slices.Contains(f.Categories, i.Category))
}

// entries returns the live indicators that pass the filter and are safe to hand
// on, with domains as hostName returns them. What is not safe is counted in s, when
// the sequence is ranged over for the first time.
func (f *Filter) entries(set *intel.Set, kinds []Kind, now time.Time, s *Stats) iter.Seq[intel.Indicator] {
	counted := false
	safe := func(yield func(intel.Indicator) bool) {
		count := !counted
		counted = true
		wanted := func(i *intel.Indicator) bool {
			if !f.passes(i, kinds) {
				return false
			}
			r := unsafe(i)
			if r != "" && count {
				s.leave(r)
			}
			return r == ""
		}
		for i := range set.All(now, wanted) {
			if i.Domain != "" {
				i.Domain, _ = hostName(i.Domain)
			}
			if !yield(i) {
				return
			}
		}
	}
	if f.Max == 0 {
		return safe
	}
	return best(safe, f.Max)
}

// best passes on the n entries with the highest scores; among those of the last
// score that has room the first. It ranges over the entries once more to count
// them, which costs no memory.
func best(entries iter.Seq[intel.Indicator], n int) iter.Seq[intel.Indicator] {
	return func(yield func(intel.Indicator) bool) {
		var having [256]int // by score
		for i := range entries {
			having[i.Score]++
		}
		last, room := 255, n // the last score that is kept, and how many have room in it
		for ; last > 0 && having[last] <= room; last-- {
			room -= having[last]
		}
		for i := range entries {
			switch score := int(i.Score); {
			case score < last, score == last && room == 0:
				continue
			case score == last:
				room--
			}
			if !yield(i) {
				return
			}
		}
	}
}
