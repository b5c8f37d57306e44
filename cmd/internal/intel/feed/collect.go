package feed

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// collecting puts the indicators of a feed into a Builder unless they must never match: every
// format hands what it reads to keep.
//
// What has expired is kept for intel.Kept, so that people can be told of it; where a
// capture is held against the Set, for good: its time counts, and not ours.
type collecting struct {
	into      *intel.Builder
	policy    *ingest.Policy
	overrides *ingest.Overrides
	now       time.Time // zero: of a capture
	own       bool      // it may name own addresses
}

// collect begins the collecting of a feed of that name. aggregate says that the feed gathers
// other feeds, own that it may name own addresses.
func (f *Feeds) collect(name string, aggregate, own bool) *collecting {
	c := &collecting{into: intel.NewBuilder(name), policy: f.policy, overrides: ingest.NewOverrides(f.o.Categories), own: own}
	if !f.o.Past {
		c.now = time.Now()
		c.into.AsOf(c.now)
	}
	if aggregate {
		c.into.Aggregate()
	}
	return c
}

// keep is an ingest.Keep.
func (c *collecting) keep(i *intel.Indicator) ingest.Reason {
	i = c.named(i)
	if network := networkOf(i); network.IsValid() {
		if why := c.reject(network); why != "" {
			return why
		}
	}
	if why := c.outdated(i); why != "" {
		return why
	}
	if !c.into.Add(i) {
		return ingest.Unreadable
	}
	return ""
}

// alike is keep for one indicator on many networks: see ingest.Options.
func (c *collecting) alike(i *intel.Indicator) func(netip.Prefix) ingest.Reason {
	like := *c.named(i)
	like.Prefix = netip.PrefixFrom(netip.IPv4Unspecified(), 32) // names live longer than addresses
	outdated, add := c.outdated(&like), c.into.Alike(&like)
	return func(network netip.Prefix) ingest.Reason {
		if why := c.reject(network); why != "" || outdated != "" {
			return cmp.Or(why, outdated)
		}
		add(network)
		return ""
	}
}

// named returns i with the category that the configuration has for its tags or name.
func (c *collecting) named(i *intel.Indicator) *intel.Indicator {
	if category, ok := c.overrides.Of(i); ok && category != i.Category {
		other := *i
		other.Category, i = category, &other
	}
	return i
}

// reject returns why no feed, or not this one, may name a network.
func (c *collecting) reject(network netip.Prefix) ingest.Reason {
	if why := c.policy.Reject(network); why != "" && (!c.own || !c.policy.Own(network)) {
		return why
	}
	return ""
}

func (c *collecting) outdated(i *intel.Indicator) ingest.Reason {
	if c.now.IsZero() {
		return ""
	}
	return ingest.Outdated(i.Ends(), c.now)
}

// networkOf returns the network that i is on: that of a URL whose host is an address
// too, which other tools take for one of its own.
func networkOf(i *intel.Indicator) netip.Prefix {
	if i.URL == "" {
		return i.Prefix
	}
	u, _ := intel.SplitURL(i.URL)
	ip, err := netip.ParseAddr(u.Host)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap()
	return netip.PrefixFrom(ip, ip.BitLen())
}

// exempt returns what the configuration itself keeps from matching: exporters. Of a
// network that holds one, which no feed is rejected for, the rest matches.
func (o *Options) exempt() *intel.Allow {
	var entries []intel.AllowEntry
	for _, p := range o.Exporters {
		entries = append(entries, intel.AllowEntry{Prefix: p, List: "the configuration", Reason: "exporter"})
	}
	return intel.NewAllow(entries...)
}

// compare notes how the version in use differs from the one in the last Set. It
// belongs to swap. Of a first version there is nothing to note.
func (f *Feeds) compare(s *source, block *intel.Block) {
	if block == s.used {
		return
	}
	var change intel.Change
	if s.used != nil {
		change = block.Since(s.used)
	}
	s.used = block
	f.mu.Lock()
	s.state.Change = change
	f.mu.Unlock()
}
