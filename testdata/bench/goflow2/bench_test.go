// Package goflow2 measures flowhound's NetFlow decoding beside goflow2's bare
// decoding of the same packets. See README.md.
package goflow2

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/netsampler/goflow2/v2/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	ours "github.com/flowhound/flowhound/cmd/internal/flow/netflow"
)

func BenchmarkFlowhound(b *testing.B) {
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			d := ours.NewDecoder(ours.Options{})
			from := netip.MustParseAddrPort("192.0.2.1:2055")
			received := time.Unix(exportSeconds, 0).UnixNano()
			var out flow.Batch
			if c.template != nil {
				if err := d.Decode(c.template, from, received, &out); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				out.Reset()
				if err := d.Decode(c.data, from, received, &out); err != nil {
					b.Fatal(err)
				}
			}
			report(b, len(out.Records), c.flows)
		})
	}
}

func BenchmarkGoflow2(b *testing.B) {
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			templates := netflow.CreateTemplateSystem()
			var v5 netflowlegacy.PacketNetFlowV5
			var v9 netflow.NFv9Packet
			var ipfix netflow.IPFIXPacket
			decode := func(datagram []byte) {
				v5, v9, ipfix = netflowlegacy.PacketNetFlowV5{}, netflow.NFv9Packet{}, netflow.IPFIXPacket{}
				var err error
				if c.template == nil {
					err = netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(datagram), &v5)
				} else {
					err = netflow.DecodeMessageVersion(bytes.NewBuffer(datagram), templates, &v9, &ipfix)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			if c.template != nil {
				decode(c.template)
			}
			b.ReportAllocs()
			for b.Loop() {
				decode(c.data)
			}
			report(b, len(v5.Records)+records(v9.FlowSets)+records(ipfix.FlowSets), c.flows)
		})
	}
}

func records(sets []interface{}) int {
	n := 0
	for _, s := range sets {
		if data, ok := s.(netflow.DataFlowSet); ok {
			n += len(data.Records)
		}
	}
	return n
}

func report(b *testing.B, got, want int) {
	if got != want {
		b.Fatalf("decoded %d flows, want %d", got, want)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(want), "ns/flow")
}
