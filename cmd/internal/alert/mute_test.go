package alert

import (
	"net/netip"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

func TestMute(t *testing.T) {
	until := now.Add(time.Hour)
	out := rec(6, us, 50000, bad, 443, 900, 9, flags(talk)) // c2 of 90 on it, scanner of 95 on its network
	back := rec(6, bad, 443, us, 50000, 900, 9, flags(talk))
	in := rec(6, pst, 40000, us, 22, 44, 1, flags(syn)) // a scanner
	vague := rec(17, bad, 5000, us, 5000, 80, 1)        // does not tell who called
	src := func(s string) Mute { return Mute{Src: netip.MustParsePrefix(s), Until: until} }
	ioc := func(s string) Mute { return Mute{IOC: netip.MustParsePrefix(s), Until: until} }
	cat := func(c intel.Category) Mute { return Mute{Cat: c.String(), Until: until} }
	over := src("10.1.2.3/32")
	over.Until = now
	both := src("10.1.2.3/32")
	both.Cat = "scanner"
	for name, tt := range map[string]struct {
		mute Mute
		r    flow.Record
		best string // name of the best indicator that is left; "": muted
	}{
		"who called":                    {src("10.1.2.3/32"), out, ""},
		"who called, seen from the end": {src("10.1.2.3/32"), back, ""},
		"who called, v4-mapped":         {src("::ffff:10.1.2.3/128"), out, ""},
		"a network of callers":          {src("10.0.0.0/8"), out, ""},
		"who was called":                {src("10.1.2.3/32"), in, "203.0.113.5/32"},
		"a scanner that called":         {src("203.0.113.5/32"), in, ""},
		"whom nobody tells":             {src("10.1.2.3/32"), vague, ""},
		"another":                       {src("10.1.2.4/32"), out, "198.51.100.7/32"},
		"over":                          {over, out, "198.51.100.7/32"},
		"the address":                   {ioc("198.51.100.7/32"), out, ""},
		"its network":                   {ioc("198.51.100.0/24"), out, ""},
		"another address":               {ioc("198.51.100.8/32"), out, "198.51.100.7/32"},
		"one category of two":           {cat(intel.C2), out, "198.51.100.0/24"},
		"the worse stays":               {cat(intel.Scanner), out, "198.51.100.7/32"},
		"the only category":             {cat(intel.Scanner), in, ""},
		"source and another category":   {both, out, "198.51.100.7/32"},
	} {
		p := testPolicy(nil).WithMutes([]Mute{tt.mute})
		e, ok := classify(t, p, tt.r)
		got := ""
		if ok {
			got = e.Indicators[0].Prefix.String()
		}
		count := uint64(0)
		if tt.best == "" {
			count = 1
		}
		if got != tt.best || p.Mutes()[0].Count != count {
			t.Errorf("%s: %q is left, want %q; %d counted", name, got, tt.best, p.Mutes()[0].Count)
		}
	}
	// What is left is judged anew.
	e, _ := classify(t, testPolicy(nil).WithMutes([]Mute{cat(intel.C2)}), out)
	if e.Severity != hit.Medium {
		t.Errorf("a scanner alone is %v", e.Severity)
	}
	if s := both.String(); s != "src=10.1.2.3 cat=scanner" {
		t.Error(s)
	}
}
