package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// Bounds of texts in JSON before it is cut to fit.
const (
	maxText  = 2048
	maxPlace = 256
	maxTags  = 32
)

// appendJSON appends h as flowhound's own log has it with log.format: json, so
// that Wazuh's rules fire alike on both. Too long, it loses indicators, the end
// of its name, of its reference, and at last what the line does not have.
func appendJSON(b []byte, h *plugin.Hit, end int) ([]byte, error) {
	head := len(b)
	c := cleanHit(h)
	full := [2]string{c.Name, c.Ref}
	for bare := false; ; bare = true {
		for {
			out, err := hit.AppendLogJSON(b[:head], &c)
			if err != nil {
				return b[:head], fmt.Errorf("hit %.48q: %w", h.ID, err)
			}
			over := len(out) - end
			if over <= 0 {
				return out, nil
			}
			b = out
			if !shorten(&c, over) {
				break
			}
		}
		if bare {
			return b[:head], errTooLong(h, end)
		}
		c.Name, c.Ref = full[0], full[1]
		strip(&c)
	}
}

// shorten takes something of over bytes off h, if there still is something.
func shorten(h *plugin.Hit, over int) bool {
	switch {
	case len(h.Indicators) > 0:
		h.Indicators = h.Indicators[:len(h.Indicators)/2]
	case h.Name != "":
		h.Name = cut(h.Name, over)
	case h.Ref != "":
		h.Ref = cut(h.Ref, over)
	default:
		return false
	}
	return true
}

// cut returns s without at least its last n bytes, and without half a rune.
func cut(s string, n int) string {
	if n >= len(s) {
		return ""
	}
	return text.JSON.String(s, len(s)-n)
}

// strip removes what our line does not have.
func strip(h *plugin.Hit) {
	h.First, h.Last = time.Time{}, time.Time{}
	h.Local, h.Remote, h.Matched = netip.Addr{}, netip.Addr{}, ""
	h.NATSrc, h.NATDst = netip.Addr{}, netip.Addr{}
	h.SrcPlace, h.DstPlace = hit.Place{}, hit.Place{}
	h.Exporters, h.Regular, h.Duplicates = nil, nil, 0
	h.SrcBytes, h.DstBytes, h.SrcPackets, h.DstPackets = 0, 0, 0, 0
	h.Sampling, h.Domain = 0, 0
}

// cleanHit is a copy of h with bounded texts that stay on one line wherever they
// are shown: the encoder escapes control characters only, and a receiver may
// take others, such as U+2028, for a line's end. Times that JSON cannot hold go.
func cleanHit(h *plugin.Hit) plugin.Hit {
	c := *h
	clean := text.JSON.String
	c.Kind, c.Direction, c.State = hit.Kind(clean(string(h.Kind), maxToken)), hit.Direction(clean(string(h.Direction), maxToken)), hit.State(clean(string(h.State), maxToken))
	c.Matched = hit.Matched(clean(string(h.Matched), maxToken))
	c.Category, c.Country, c.Feed, c.ID = clean(h.Category, maxToken), clean(h.Country, maxToken), clean(h.Feed, maxFeed), clean(h.ID, maxID)
	c.SrcPlace, c.DstPlace = cleanPlace(h.SrcPlace), cleanPlace(h.DstPlace)
	c.Ref, c.Name = clean(h.Ref, maxText), clean(h.Name, maxText)
	for _, t := range []*time.Time{&c.Time, &c.First, &c.Last, &c.Start, &c.End} {
		cleanTime(t)
	}
	c.Indicators = make([]hit.Indicator, 0, len(h.Indicators))
	for _, i := range h.Indicators {
		i.Feed, i.Category, i.Ref, i.Name = clean(i.Feed, maxFeed), clean(i.Category, maxToken), clean(i.Ref, maxText), clean(i.Name, maxText)
		tags := make([]string, 0, min(len(i.Tags), maxTags))
		for _, t := range i.Tags[:min(len(i.Tags), maxTags)] {
			tags = append(tags, clean(t, maxFeed))
		}
		i.Tags = tags
		cleanTime(&i.FirstSeen)
		cleanTime(&i.LastSeen)
		c.Indicators = append(c.Indicators, i)
	}
	return c
}

func cleanPlace(p hit.Place) hit.Place {
	clean := text.JSON.String
	return hit.Place{
		Country: clean(p.Country, maxToken), AS: p.AS, Owner: clean(p.Owner, maxPlace),
		Host: clean(p.Host, maxPlace), Site: clean(p.Site, maxPlace),
	}
}

func cleanTime(t *time.Time) {
	if !hasTime(*t) {
		*t = time.Time{}
	}
}
