package feed

import (
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// collect returns a Builder for the feed of that name, and what puts indicators
// into it unless they must never match: every format hands what it reads to keep.
// aggregate says that the feed gathers other feeds, own that it may name own addresses.
//
// What has expired is kept for intel.Kept, so that people can be told of it; where a
// capture is held against the Set, for good: its time counts, and not ours.
func (f *Feeds) collect(name string, aggregate, own bool) (b *intel.Builder, keep ingest.Keep) {
	now := time.Now()
	b = intel.NewBuilder(name)
	if !f.o.Past {
		b.AsOf(now)
	}
	if aggregate {
		b.Aggregate()
	}
	overrides := ingest.NewOverrides(f.o.Categories)
	return b, func(i *intel.Indicator) ingest.Reason {
		if c, ok := overrides.Of(i); ok && c != i.Category {
			other := *i
			other.Category, i = c, &other
		}
		if network := networkOf(i); network.IsValid() {
			if why := f.policy.Reject(network); why != "" && (!own || !f.policy.Own(network)) {
				return why
			}
		}
		if why := ingest.Outdated(i.Ends(), now); why != "" && !f.o.Past {
			return why
		}
		if !b.Add(i) {
			return ingest.Unreadable
		}
		return ""
	}
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
