package netflow

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// FuzzDecode feeds several datagrams to one Decoder: in the input each stands
// behind two bytes of length, whose upper three bits pick the exporter and let
// time pass.
func FuzzDecode(f *testing.F) {
	frame := func(datagrams ...[]byte) []byte {
		var b []byte
		for _, d := range datagrams {
			b = cat(b, u16(uint16(len(d))), d)
		}
		return b
	}
	f.Add(frame(v5Datagram(2, 0, v5Record(), v5Record())))
	f.Add(frame(v9Datagram(0, set(256, pair)), v9Datagram(1, set(0, templateRecord(256, srcDst...)), set(256, pair))))
	f.Add(frame(v9Datagram(0, set(0, templateRecord(256, layoutV9...))), v9Datagram(1, set(256, randomRecords(layoutV9, 3)))))
	f.Add(frame(ipfixMessage(0, set(2, templateRecord(256, layoutVariable...))), ipfixMessage(0, set(256, randomRecords(layoutVariable, 3)))))
	f.Add(frame(ipfixMessage(0, options(ipfix, []fieldValue{{spec{302, 8, 0}, u64(7)}}, []fieldValue{{spec{34, 4, 0}, u32(9)}}), set(2, templateRecord(2)))))
	f.Add(frame(ipfixMessage(0, set(2, templateRecord(256, spec{409, 2, 0}, spec{315, variableLength, 0})), set(256, u16(0), u8(54), sampledFrame(0x0800)))))
	lists := cat(pair, varied(multiList(part(257, u8(2), u8(0x1b)), part(258, wholeRecord("198.51.100.7", 9)))), varied(basicList(spec{12, 4, 0}, ip("198.51.100.7"), ip("203.0.113.9"))))
	f.Add(frame(ipfixMessage(0, set(2, templateRecord(256, append(srcDst, spec{isMulti, variableLength, 0}, spec{isBasic, variableLength, 0})...),
		templateRecord(257, spec{14, 1, penCERT}), templateRecord(258, whole...)), set(256, lists))))
	f.Add(frame(at(9e8, 50_000, set(0, templateRecord(256, layout...)), set(256, usual)), at(5000, 0, set(256, usual)), at(6000, 1, set(0, templateRecord(256, layout...)))))
	f.Add(frame(v9Datagram(0, options(v9, []fieldValue{{spec{2, 4, 0}, u32(1)}}, []fieldValue{{spec{48, 1, 0}, u8(9)}, {spec{50, 4, 0}, u32(9)}}), set(0, templateRecord(256, layoutV9...))),
		inDomain(9, v9Datagram(1, set(0, templateRecord(256, layoutV9...)), set(256, randomRecords(layoutV9, 3))))))
	f.Fuzz(func(t *testing.T, in []byte) {
		d := NewDecoder(Options{MaxExporters: 2})
		var out flow.Batch
		now := testReceived
		for len(in) >= 2 {
			head := int(in[0])<<8 | int(in[1])
			n := min(head&0x1fff, len(in)-2)
			if head&0x8000 != 0 {
				now += 3e9
			}
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(head >> 13 & 3)}), 1)
			out.Reset()
			_ = d.Decode(in[2:2+n], from, now, &out)
			in = in[2+n:]
			for i := range out.Records {
				checkRecord(t, &out.Records[i])
			}
		}
		checkAccounts(t, d)
	})
}

// checkRecord holds a record to what its readers rely on.
func checkRecord(t *testing.T, r *flow.Record) {
	t.Helper()
	if !hasAddress(r) || r.Sampling == 0 || r.Received == 0 {
		t.Fatalf("record %+v", r)
	}
	for _, ns := range []int64{r.Start, r.End} {
		if ns != 0 && (ns < r.Received-maxPast || ns > r.Received+maxFuture) {
			t.Fatalf("time out of its window: %+v", r)
		}
	}
	if (r.Has&flow.HasStart != 0) != (r.Start != 0) || (r.Has&flow.HasEnd != 0) != (r.End != 0) || r.End != 0 && r.Start > r.End {
		t.Fatalf("times: %+v", r)
	}
}

// checkAccounts counts anew what a Decoder holds.
func checkAccounts(t *testing.T, d *Decoder) {
	t.Helper()
	memory := 0
	for p := range d.exporters.all {
		e := p.value
		cost, templates := 0, 0
		for _, dom := range e.domains.oldestFirst {
			for _, tmpl := range dom.templates.oldestFirst {
				cost += tmpl.cost()
				templates++
			}
		}
		for _, h := range e.held {
			cost += h.cost()
		}
		if cost != e.cost || int64(templates) != e.stats.templates.Load() {
			t.Fatalf("exporter holds %d bytes and %d templates, accounts say %d and %d", cost, templates, e.cost, e.stats.templates.Load())
		}
		memory += cost
	}
	if memory != d.memory {
		t.Fatalf("holds %d bytes, accounts say %d", memory, d.memory)
	}
}

// FuzzStore reads arbitrary records. Checksums would keep the fuzzer out, so it works
// on what they protect.
func FuzzStore(f *testing.F) {
	store := newStore("")
	d := NewDecoder(Options{Templates: store})
	var out flow.Batch
	_ = d.Decode(ipfixMessage(0, set(2, templateRecord(256, layoutVariable...)), options(ipfix, nil, []fieldValue{{spec{34, 4, 0}, u32(9)}}), set(256, randomRecords(layoutVariable, 1))), testExporter, testReceived, &out)
	_ = d.Decode(v9Datagram(0, options(v9, []fieldValue{{spec{1, 4, 0}, u32(9)}}, []fieldValue{{spec{48, 1, 0}, u8(9)}, {spec{50, 4, 0}, u32(9)}})), testExporter, testReceived, &out)
	for p := range store.exporters.all {
		b, err := encodeExporter(p.key, p.value.domains, p.rank, testReceived/1e9)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"addr":"192.0.2.1","domains":[{"version":9,"id":7,"templates":[{"wire":"AQAAAAA="}]}]}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		var fe fileExporter
		s := newStore("")
		if json.Unmarshal(record, &fe) != nil || !s.take(&fe, len(record), time.Unix(0, testReceived)) {
			return
		}
		for p := range s.exporters.all {
			d := NewDecoder(Options{Templates: s, KeyPort: p.key.port != 0})
			from := netip.AddrPortFrom(p.key.addr.IP(), p.key.port)
			var out flow.Batch
			_ = d.Decode(ipfixMessage(0, set(256, make([]byte, 100)), set(300, make([]byte, 100))), from, testReceived, &out)
			_ = d.Decode(v9Datagram(0, set(256, make([]byte, 100)), set(300, make([]byte, 100))), from, testReceived, &out)
			checkAccounts(t, d)
			if _, err := encodeExporter(p.key, p.value.domains, p.rank, 1); err != nil {
				t.Fatal(err)
			}
		}
	})
}
