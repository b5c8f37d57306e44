package netflow

import (
	"bytes"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// BenchmarkDecode decodes datagrams of as many flows as fit in 1,500 bytes. The
// ns/flow are what counts.
func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct {
		name           string
		flows          int
		template, data []byte
	}{
		{"v5", 30, nil, v5Datagram(30, 0, bytes.Repeat(v5Record(), 30))},
		{"v9", 24, v9Datagram(0, set(0, templateRecord(256, layoutV9...))), v9Datagram(1, set(256, randomRecords(layoutV9, 24)))},
		{"ipfix4", 18, ipfixMessage(0, set(2, templateRecord(256, layoutIPFIX4...))), ipfixMessage(0, set(256, randomRecords(layoutIPFIX4, 18)))},
		{"ipfix6", 12, ipfixMessage(0, set(2, templateRecord(256, layoutIPFIX6...))), ipfixMessage(0, set(256, randomRecords(layoutIPFIX6, 12)))},
		{"ipfixVariable", 17, ipfixMessage(0, set(2, templateRecord(256, layoutVariable...))), ipfixMessage(0, set(256, randomRecords(layoutVariable, 17)))},
		{"sections", 10, ipfixMessage(0, set(2, templateRecord(256, spec{10, 4, 0}, spec{14, 4, 0}, spec{312, 2, 0}, spec{315, variableLength, 0}))),
			ipfixMessage(0, set(256, bytes.Repeat(cat(make([]byte, 10), u8(54), sampledFrame(0x0800)), 10)))},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := NewDecoder(Options{})
			var out flow.Batch
			if c.template != nil {
				if err := d.Decode(c.template, testExporter, testReceived, &out); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				out.Reset()
				if err := d.Decode(c.data, testExporter, testReceived, &out); err != nil {
					b.Fatal(err)
				}
			}
			if len(out.Records) != c.flows {
				b.Fatalf("%d flows, want %d", len(out.Records), c.flows)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.flows), "ns/flow")
		})
	}
}
