package netflow

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

var (
	srcDst = []spec{{8, 4, 0}, {12, 4, 0}}
	dstSrc = []spec{{12, 4, 0}, {8, 4, 0}}
	pair   = cat(ip("10.0.0.1"), ip("198.51.100.7"))
)

func wantPairs(t *testing.T, got []flow.Record, want ...string) {
	t.Helper()
	var have []string
	for _, r := range got {
		have = append(have, r.Src.String()+">"+r.Dst.String())
	}
	if len(have) != len(want) {
		t.Fatalf("flows %q, want %q", have, want)
	}
	for i := range want {
		if have[i] != want[i] {
			t.Errorf("flow %d is %s, want %s", i, have[i], want[i])
		}
	}
}

const (
	there = "10.0.0.1>198.51.100.7"
	back  = "198.51.100.7>10.0.0.1"
)

func TestTemplateReusedMidDatagramWireOrderDecides(t *testing.T) {
	got := decode(t, v9Datagram(0,
		set(0, templateRecord(256, srcDst...)), set(256, pair),
		set(0, templateRecord(256, dstSrc...)), set(256, pair),
		set(0, templateRecord(256, srcDst...)), set(256, pair),
	))
	wantPairs(t, got, there, back, there)
}

func TestOptionsTemplateReplacesDataTemplateOfItsID(t *testing.T) {
	d := NewDecoder(Options{})
	got := feed(t, d, v9Datagram(0,
		set(0, templateRecord(256, srcDst...)),
		set(1, v9OptionsRecord(256, nil, []spec{{34, 4, 0}, {35, 4, 0}})), set(256, pair)))
	wantPairs(t, got)
	if n := d.Stats().Total.OptionRecords; n != 1 {
		t.Errorf("%d option records, want 1", n)
	}
}

func TestTemplateScopeIsExporterVersionDomainAndID(t *testing.T) {
	template := v9Datagram(0, set(0, templateRecord(256, srcDst...)))
	data := v9Datagram(1, set(256, pair))
	otherDomain := bytes.Clone(data)
	be.PutUint32(otherDomain[16:], testDomain+1)
	for _, c := range []struct {
		name string
		data []byte
		from string
		want int
	}{
		{"same", data, "192.0.2.1:40000", 1},
		{"other port", data, "192.0.2.1:40001", 1},
		{"other address", data, "192.0.2.2:40000", 0},
		{"other domain", otherDomain, "192.0.2.1:40000", 0},
		{"other id", v9Datagram(1, set(257, pair)), "192.0.2.1:40000", 0},
		{"other version", ipfixMessage(0, set(256, pair)), "192.0.2.1:40000", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(Options{})
			feed(t, d, template)
			var out flow.Batch
			err := d.Decode(c.data, netip.MustParseAddrPort(c.from), testReceived, &out)
			if len(out.Records) != c.want {
				t.Errorf("%d flows, want %d", len(out.Records), c.want)
			}
			if c.want == 0 && !errors.Is(err, ErrNoTemplate) {
				t.Errorf("error %v, want ErrNoTemplate", err)
			}
		})
	}
}

func TestKeyPortSeparatesExportersBehindOneAddress(t *testing.T) {
	d := NewDecoder(Options{KeyPort: true})
	feed(t, d, v9Datagram(0, set(0, templateRecord(256, srcDst...))))
	var out flow.Batch
	_ = d.Decode(v9Datagram(1, set(256, pair)), netip.AddrPortFrom(testExporter.Addr(), 40001), testReceived, &out)
	if len(out.Records) != 0 {
		t.Error("a template of one port was used for another")
	}
	if n := len(d.Stats().Exporters); n != 2 {
		t.Errorf("%d exporters, want 2", n)
	}
}

func TestTemplateWithdrawal(t *testing.T) {
	options := ipfixOptionsRecord(300, nil, []spec{{34, 4, 0}})
	start := ipfixMessage(0, set(2, templateRecord(256, srcDst...), templateRecord(257, dstSrc...)), set(3, options))
	for _, c := range []struct {
		name  string
		after []byte
		left  int // templates
		flows []string
	}{
		{"one", ipfixMessage(0, set(2, templateRecord(256))), 2, []string{back}},
		{"unknown", ipfixMessage(0, set(2, templateRecord(999))), 3, []string{there, back}},
		{"all templates", ipfixMessage(0, set(2, templateRecord(2))), 1, nil},
		{"all options templates", ipfixMessage(0, set(3, templateRecord(3))), 2, []string{there, back}},
		{"one and new again", ipfixMessage(0, set(2, templateRecord(256), templateRecord(256, dstSrc...))), 3, []string{back, back}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(Options{})
			got := feed(t, d, start, c.after, ipfixMessage(0, set(256, pair), set(257, pair)))
			wantPairs(t, got, c.flows...)
			if n := d.Stats().Exporters[0].Templates; n != c.left {
				t.Errorf("%d templates are left, want %d", n, c.left)
			}
		})
	}
	t.Run("v9", func(t *testing.T) {
		got := decode(t, v9Datagram(0, set(0, templateRecord(256, srcDst...), templateRecord(257, dstSrc...)), set(0, templateRecord(256))),
			v9Datagram(1, set(256, pair), set(257, pair)))
		wantPairs(t, got, back)
	})
}

func TestMalformedTemplateKeepsTheOldOne(t *testing.T) {
	good := set(2, templateRecord(256, srcDst...))
	for name, bad := range map[string][]byte{
		"fields beyond the set":  set(2, u16(256), u16(9), u16(8), u16(4)),
		"half an enterprise":     set(2, u16(256), u16(1), u16(0x8001), u16(4)),
		"more scopes than field": set(3, u16(256), u16(1), u16(2), u16(34), u16(4)),
		"id below 256":           set(2, templateRecord(255, dstSrc...)),
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDecoder(Options{})
			wantPairs(t, feed(t, d, ipfixMessage(0, good, bad, set(256, pair))), there)
			if n := d.Stats().Total.Malformed[BadTemplate]; n != 1 {
				t.Errorf("%d malformed templates counted, want 1", n)
			}
		})
	}
}

func TestTemplateFloodIsBoundedOldestOut(t *testing.T) {
	d := NewDecoder(Options{})
	feed(t, d, ipfixMessage(0, set(2, templateRecord(256, srcDst...))))
	used := ipfixMessage(0, set(256, pair))
	many := make([]spec, 100)
	for i := range many {
		many[i] = spec{uint16(1000 + i), 1, 0}
	}
	for id := uint16(1000); id < 6000; id++ {
		feed(t, d, ipfixMessage(0, set(2, templateRecord(id, many...))), used)
	}
	s := d.Stats().Exporters[0]
	if s.Templates < 100 || s.Templates > 3000 {
		t.Errorf("%d templates of 5001 are held", s.Templates)
	}
	e, _ := d.exporters.get(exporterKey{addr: flow.AddrFrom(testExporter.Addr())})
	if e.value.cost > maxTemplateBytes {
		t.Errorf("one exporter holds %d bytes", e.value.cost)
	}
	wantPairs(t, feed(t, d, used), there) // the one in use was never pushed out
	if got := feed(t, d, ipfixMessage(0, set(1000, make([]byte, 200)))); len(got) != 0 {
		t.Error("the oldest template is still there")
	}
}

func TestDomainFloodIsBounded(t *testing.T) {
	d := NewDecoder(Options{})
	for domain := range uint32(3 * maxDomains) {
		b := v9Datagram(0, set(0, templateRecord(256, srcDst...)))
		be.PutUint32(b[16:], domain)
		feed(t, d, b)
	}
	if n := d.Stats().Exporters[0].Templates; n != maxDomains {
		t.Errorf("%d templates, want one for each of %d domains", n, maxDomains)
	}
}

func TestIdenticalRefreshAllocatesNothing(t *testing.T) {
	d := NewDecoder(Options{})
	refresh := v9Datagram(0, set(0, templateRecord(256, layoutV9...)))
	var out flow.Batch
	if n := testing.AllocsPerRun(100, func() { _ = d.Decode(refresh, testExporter, testReceived, &out) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := d.Stats().Exporters[0].Templates; n != 1 {
		t.Errorf("%d templates, want 1", n)
	}
}
