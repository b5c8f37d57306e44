package alert

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Records are classified by a look-up that remembers as they are by the set, whatever came
// before: ports and mutes change none of what it returns.
func TestWithLookup(t *testing.T) {
	t.Parallel()
	ported := addr("203.0.113.6") // malware on port 8080
	set := testSet()
	known := map[flow.Addr][]intel.Indicator{}
	lookup := func(a flow.Addr) []intel.Indicator {
		if _, ok := known[a]; !ok {
			known[a] = set.Lookup(a.IP(), now)
		}
		return known[a]
	}
	for _, mutes := range [][]Mute{nil, {{IOC: netip.MustParsePrefix("198.51.100.7/32"), Until: now.Add(time.Hour)}}} {
		plain := testPolicy(nil).WithMutes(mutes)
		remembers := plain.WithLookup(lookup)
		for range 2 {
			for _, r := range []flow.Record{
				rec(6, us, 50000, ported, 8080, 900, 9, flags(talk)), rec(6, us, 50000, ported, 80, 900, 9, flags(talk)),
				rec(6, us, 50000, bad, 443, 900, 9, flags(talk)), rec(6, bad, 443, ported, 80, 900, 9, flags(talk)),
			} {
				want, wantOK := classify(t, plain, r)
				got, ok := classify(t, remembers, r)
				want.policy, got.policy = nil, nil
				if ok != wantOK || !reflect.DeepEqual(got, want) {
					t.Errorf("%v -> %v port %d, %d mutes:\n got %+v\nwant %+v", r.Src, r.Dst, r.DstPort, len(mutes), got, want)
				}
			}
		}
	}
	for a, all := range known {
		if !slices.Equal(all, set.Lookup(a.IP(), now)) {
			t.Errorf("what is known of %v was changed:\n%+v\n%+v", a, all, set.Lookup(a.IP(), now))
		}
	}
}
