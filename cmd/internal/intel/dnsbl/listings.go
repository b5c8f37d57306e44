package dnsbl

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// maxAddresses is far above what any network talks to: only a zone that lists
// everything comes near.
const maxAddresses = 1 << 16

// listings are the addresses that zones list now. The zero value is empty.
type listings struct {
	of      map[netip.Addr]map[int]intel.Indicator // by zone
	changed bool                                   // since the last build
}

func (l *listings) has(ip netip.Addr) bool { return l.of[ip] != nil }

// add takes a listing. It returns false when there are too many already.
func (l *listings) add(z *zone, r *result, now time.Time) bool {
	if l.of[r.ip] == nil {
		if len(l.of) >= maxAddresses {
			return false
		}
		if l.of == nil {
			l.of = make(map[netip.Addr]map[int]intel.Indicator)
		}
		l.of[r.ip] = make(map[int]intel.Indicator)
	}
	if _, known := l.of[r.ip][r.at]; !known {
		z.listed++
	}
	l.of[r.ip][r.at] = z.indicator(r, now)
	l.changed = true
	return true
}

// prune forgets what has expired, so that it is asked about again. An address
// goes with the first of its listings: the other zones' answers are asked anew.
func (l *listings) prune(now time.Time, zones []*zone) {
	for ip, by := range l.of {
		for _, i := range by {
			if i.Expires.After(now) {
				continue
			}
			for at := range by {
				zones[at].listed--
			}
			delete(l.of, ip)
			l.changed = true
			break
		}
	}
}

// build makes a Set of the listings, one feed for each zone.
func (l *listings) build(zones []*zone) *intel.Set {
	l.changed = false
	builders := make([]*intel.Builder, len(zones))
	for i, z := range zones {
		builders[i] = intel.NewBuilder(z.Name)
	}
	for _, by := range l.of {
		for at, i := range by {
			builders[at].Add(&i)
		}
	}
	blocks := make([]*intel.Block, len(zones))
	for i, b := range builders {
		blocks[i] = b.Block()
	}
	return intel.NewSet(blocks...)
}

// blames reports whether any of the codes means that an address is bad.
func (z *Zone) blames(codes []netip.Addr) bool {
	for _, code := range codes {
		if !z.Codes[code].Ignore {
			return true
		}
	}
	return false
}

// indicator is what a zone says of an address. Its category is that of the first
// code to which the zone gives one of its own.
func (z *Zone) indicator(r *result, now time.Time) intel.Indicator {
	i := intel.Indicator{
		Prefix: netip.PrefixFrom(r.ip, r.ip.BitLen()), Feed: z.Name, Category: z.Category, Score: z.Score,
		FirstSeen: now, LastSeen: now, Expires: now.Add(r.ttl),
	}
	var tags []string
	own := false
	for _, code := range r.codes {
		tags = append(tags, code.String())
		if c, named := z.Codes[code]; named && !c.Ignore && !own {
			i.Category, own = c.Category, true
		}
	}
	i.Tags = strings.Join(tags, ",")
	i.Name = ingest.Text(r.text, ingest.MaxName)
	if i.Name == "" {
		i.Name = fmt.Sprintf("listed by %s as %s", z.Name, strings.Join(tags, ", "))
	}
	i.Ref = link(r.text)
	if i.Ref == "" && z.Reference != "" {
		i.Ref = strings.ReplaceAll(z.Reference, "{ip}", r.ip.String())
	}
	return i
}

// link is the first http or https URL in a zone's explanation.
func link(text string) string {
	for word := range strings.FieldsSeq(text) {
		if at := strings.Index(word, "http"); at >= 0 {
			if url := ingest.Link(strings.TrimRight(word[at:], `.,;:)]>"'`)); url != "" {
				return url
			}
		}
	}
	return ""
}
