package otx

import (
	"slices"
	"strings"
)

// Choice says which pulses are wanted. Each list is looked at without regard to
// case, and an empty one chooses nothing and denies nothing: a pulse is taken
// when no Deny list names it and every other list that is not empty does.
type Choice struct {
	Authors     []string `yaml:"authors,omitempty" validate:"dive,required"` // author names
	DenyAuthors []string `yaml:"deny_authors,omitempty" validate:"dive,required"`
	Tags        []string `yaml:"tags,omitempty" validate:"dive,required"` // one of a pulse's tags is enough
	DenyTags    []string `yaml:"deny_tags,omitempty" validate:"dive,required"`
	Pulses      []string `yaml:"ids,omitempty" validate:"dive,required"`
	DenyPulses  []string `yaml:"deny_ids,omitempty" validate:"dive,required"`
	TLPs        []string `yaml:"tlp,omitempty" validate:"dive,oneof=white clear green amber red"` // clear is white
	DenyTLPs    []string `yaml:"deny_tlp,omitempty" validate:"dive,oneof=white clear green amber red"`
	// MinSubscribers leaves out pulses with fewer subscribers. Where OTX does not
	// say how many there are, a pulse is not left out for it.
	MinSubscribers int `yaml:"min_subscribers,omitempty" validate:"min=0"`
}

// IsZero reports whether every pulse is taken.
func (c Choice) IsZero() bool {
	return len(c.Authors)+len(c.DenyAuthors)+len(c.Tags)+len(c.DenyTags)+len(c.Pulses)+len(c.DenyPulses)+len(c.TLPs)+len(c.DenyTLPs)+c.MinSubscribers == 0
}

func (c *Choice) takes(pl *pulse) bool {
	author, id, tlp := []string{pl.Author}, []string{pl.ID}, []string{tlpName(pl.TLP)}
	switch {
	case has(c.DenyAuthors, author), has(c.DenyTags, pl.Tags), has(c.DenyPulses, id), hasTLP(c.DenyTLPs, tlp):
		return false
	case len(c.Authors) > 0 && !has(c.Authors, author), len(c.Tags) > 0 && !has(c.Tags, pl.Tags),
		len(c.Pulses) > 0 && !has(c.Pulses, id), len(c.TLPs) > 0 && !hasTLP(c.TLPs, tlp):
		return false
	}
	return pl.Subscribers == nil || *pl.Subscribers >= c.MinSubscribers
}

// has reports whether one of the words stands in the list.
func has(list, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool {
		return slices.ContainsFunc(list, func(l string) bool { return strings.EqualFold(strings.TrimSpace(l), strings.TrimSpace(word)) })
	})
}

func hasTLP(list, words []string) bool {
	return slices.ContainsFunc(list, func(l string) bool { return has([]string{tlpName(l)}, words) })
}

// tlpName returns the colour alone, by its old name: TLP 2.0 calls white clear.
func tlpName(s string) string {
	s = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(s)), "tlp:")
	if s == "clear" {
		return "white"
	}
	return s
}
