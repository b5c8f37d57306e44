package otx

import (
	"slices"
	"strings"
)

// Choice says which pulses are wanted. Each list is looked at without regard to
// case, and an empty one chooses nothing and denies nothing: a pulse is taken
// when no Deny list names it and every other list that is not empty does.
type Choice struct {
	Authors, DenyAuthors []string // author names
	Tags, DenyTags       []string // one of a pulse's tags is enough
	Pulses, DenyPulses   []string // pulse ids
	TLPs, DenyTLPs       []string // white, green, amber, red; clear is white
	// MinSubscribers leaves out pulses with fewer subscribers. Where OTX does not
	// say how many there are, a pulse is not left out for it.
	MinSubscribers int
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
