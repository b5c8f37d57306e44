package hunt

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
)

// TestSearch: a search finds each conversation of a data set with a listed address once, on
// whichever side it stands and also behind address translation, and no other.
func TestSearch(t *testing.T) {
	day := time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)
	records := traffic(20_000, day)
	for i := range records {
		if i%50 == 0 {
			records[i].NATSrc, records[i].Has = flow.AddrFrom(netip.MustParseAddr("203.0.113.9")), records[i].Has|flow.HasNATSrc
		}
	}
	dir := write(t, records)
	set := query.NewAddrSet([]flow.Range{flow.RangeOf(netip.MustParsePrefix("203.0.113.9/32")), flow.RangeOf(netip.MustParsePrefix("10.0.0.0/28")), flow.RangeOf(netip.MustParsePrefix("32.0.0.0/16"))})
	want := uint64(0)
	for i := range records {
		if Sides(&records[i], set.Contains) != 0 {
			want += records[i].Bytes
		}
	}
	got, n := uint64(0), 0
	err := In(dir, nil, slog.New(slog.DiscardHandler))(t.Context(), set, day, func(r *flow.Record) error {
		if Sides(r, set.Contains) == 0 {
			t.Fatalf("%s", r.AppendJSON(nil))
		}
		got, n = got+r.Bytes+r.RevBytes, n+1
		return nil
	})
	if err != nil || got != want || n == 0 {
		t.Errorf("%d bytes in %d conversations, want %d: %v", got, n, want, err)
	}
	if err := In(dir+"-none", nil, slog.New(slog.DiscardHandler))(t.Context(), set, day, nil); err != nil {
		t.Errorf("a history that is not there: %v", err)
	}
}
