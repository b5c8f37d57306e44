package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnsbl"
)

func TestDNSBL(t *testing.T) {
	t.Setenv("FLOWHOUND_TEST_ZONE", "hunter2")
	c := mustParse(t, minimal+`
dnsbl:
  zones:
    - zone: zen.spamhaus.org
    - {zone: "${FLOWHOUND_TEST_ZONE}.zen.dq.spamhaus.net", name: zen-dqs, rate: 5, daily: 7, confidence: 0}
    - {zone: bl.example, category: botnet, codes: {127.0.0.4: c2, 127.0.0.10: ignore}, reference: "https://bl.example/{ip}"}
  resolvers: [127.0.0.1, "[2001:db8::53]:5353", "2001:db8::1"]
`)
	want := dnsbl.Config{
		Zones: []dnsbl.ZoneConfig{
			{Zone: "zen.spamhaus.org", Name: "zen.spamhaus.org", Confidence: 60, Rate: 50, Daily: 100000},
			{Zone: "hunter2.zen.dq.spamhaus.net", Name: "zen-dqs", Rate: 5, Daily: 7},
			{
				Zone: "bl.example", Name: "bl.example", Category: intel.Botnet, HasCategory: true, Confidence: 60, Rate: 50, Daily: 100000,
				Codes: dnsbl.Codes{netip.MustParseAddr("127.0.0.4"): "c2", netip.MustParseAddr("127.0.0.10"): "ignore"}, Reference: "https://bl.example/{ip}",
			},
		},
		Resolvers: []string{"127.0.0.1", "[2001:db8::53]:5353", "2001:db8::1"},
	}
	if !reflect.DeepEqual(c.DNSBL, want) {
		t.Errorf("got %+v", c.DNSBL)
	}
	if s := c.String(); strings.Contains(s, "hunter2") || !strings.Contains(s, "zen-dqs") {
		t.Errorf("printed as\n%s", s)
	}
	if again := mustParse(t, c.String()); !reflect.DeepEqual(again.DNSBL.Zones[2].Codes, want.Zones[2].Codes) {
		t.Errorf("read back as %+v", again.DNSBL)
	}
}
