package feed

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// What no feed may name is left out with its reason, URLs on such addresses too; of
// a network that holds an exporter the rest is used.
func TestKeep(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "list.csv")
	text := "ip,tags,expires\n" +
		"0.0.0.0/0,,\n10.1.1.1,,\nhttp://10.1.1.2/x,,\nhttp://192.0.2.1:8080/x,,\n192.0.2.1,,\n198.51.100.0/24,,\n" +
		"co.uk,,\nlocalhost,,\n203.0.113.7,\"x,Red Wave\",\n203.0.113.8,Mirai,\n" +
		"203.0.113.9,,2020-01-01\n203.0.113.10,," + time.Now().AddDate(0, 0, -10).Format(time.DateOnly) + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var set *intel.Set
	f, err := open([]Source{{Name: "f", Type: "list", Path: path, Format: "csv", Confidence: 60}}, Options{
		Exporters:  []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("198.51.100.1/32")},
		Categories: map[string]intel.Category{"red wave": intel.C2},
		OnSwap:     func(s *intel.Set, _ time.Duration) { set = s },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	drops := f.States()[0].Drops
	for why, n := range map[ingest.Reason]int{
		ingest.TooWide: 1, ingest.SpecialUse: 2, ingest.Exporter: 2, ingest.PublicSuffix: 1, ingest.SingleLabel: 1, ingest.Expired: 2,
	} {
		if drops[why].Count != n {
			t.Errorf("%d %s, want %d: %s", drops[why].Count, why, n, drops)
		}
	}
	if n := f.States()[0].Indicators; n != 3 {
		t.Errorf("%d indicators, want 3", n)
	}
	for ip, want := range map[string]string{
		"198.51.100.1": "", "198.51.100.2": "other", "203.0.113.7": "c2", "203.0.113.8": "botnet", "203.0.113.9": "", "203.0.113.10": "",
	} {
		got := ""
		if found := set.Lookup(netip.MustParseAddr(ip), time.Now()); len(found) > 0 {
			got = found[0].Category.String()
		}
		if got != want {
			t.Errorf("%s is %q, want %q", ip, got, want)
		}
	}
	if got := set.LookupAll(netip.MustParseAddr("203.0.113.10"), time.Now()); len(got) != 1 || !got[0].Over {
		t.Errorf("what expired ten days ago: %+v", got)
	}
	if e, ok := set.Allow().Addr(netip.MustParseAddr("198.51.100.1")); !ok || e.Reason != "exporter" {
		t.Errorf("the exporter in a listed network: %+v", e)
	}
}
