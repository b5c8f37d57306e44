package netflow

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

var update = flag.Bool("update", false, "write the expected records of testdata anew")

// TestGolden decodes what real exporters sent. A case is a folder of testdata
// with the datagrams, capture.pcap (raw IPv4), and what they hold,
// records.jsonl; a new case needs no code. See testdata/README.md.
func TestGolden(t *testing.T) {
	captures, err := filepath.Glob("testdata/*/capture.pcap")
	if err != nil || len(captures) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, capture := range captures {
		dir := filepath.Dir(capture)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			got := goldenRecords(t, capture)
			file := filepath.Join(dir, "records.jsonl")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			compareLines(t, got, want)
		})
	}
}

func compareLines(t *testing.T, got, want []byte) {
	t.Helper()
	g, w := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	if len(g) != len(w) {
		t.Errorf("%d records, want %d", len(g)-1, len(w)-1)
	}
	for i := range min(len(g), len(w)) {
		if !bytes.Equal(g[i], w[i]) {
			t.Fatalf("record %d\ngot  %s\nwant %s", i+1, g[i], w[i])
		}
	}
}

// goldenRecords decodes a capture to one JSON object a line. Nothing in it may
// be malformed or lack its template.
func goldenRecords(t *testing.T, capture string) []byte {
	t.Helper()
	b, err := os.ReadFile(capture)
	if err != nil {
		t.Fatal(err)
	}
	d := NewDecoder(Options{})
	var batch flow.Batch
	for b = b[24:]; len(b) > 0; {
		received := int64(binary.LittleEndian.Uint32(b))*1e9 + int64(binary.LittleEndian.Uint32(b[4:]))*1e3
		n := binary.LittleEndian.Uint32(b[8:])
		packet := b[16 : 16+n]
		b = b[16+n:]
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte(packet[12:16])), binary.BigEndian.Uint16(packet[20:]))
		if err := d.Decode(packet[28:], from, received, &batch); err != nil {
			t.Error(err)
		}
	}
	if lost := d.Stats().Total.Lost; lost != (PerVersion{}) {
		t.Errorf("nothing was lost, but counted are %v", lost)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	for i := range batch.Records {
		if err := encoder.Encode(newGoldenRecord(&batch.Records[i])); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// goldenRecord is a record as a line of records.jsonl, with the names that
// flowhound prints.
type goldenRecord struct {
	Received   time.Time  `json:"received"`
	Exporter   netip.Addr `json:"exporter"`
	Domain     uint32     `json:"domain"`
	Version    uint8      `json:"version"`
	Start      time.Time  `json:"start,omitzero"`
	End        time.Time  `json:"end,omitzero"`
	Src        netip.Addr `json:"src"`
	Dst        netip.Addr `json:"dst"`
	SrcPort    *uint16    `json:"sport,omitempty"`
	DstPort    *uint16    `json:"dport,omitempty"`
	Proto      *uint8     `json:"proto,omitempty"`
	Bytes      *uint64    `json:"bytes,omitempty"`
	Packets    *uint64    `json:"packets,omitempty"`
	RevBytes   *uint64    `json:"rev_bytes,omitempty"`
	RevPackets *uint64    `json:"rev_packets,omitempty"`
	Sampling   *uint32    `json:"sampling,omitempty"`
	TCPFlags   *uint16    `json:"tcp_flags,omitempty"`
	RevFlags   *uint16    `json:"rev_tcp_flags,omitempty"`
	ToS        *uint8     `json:"tos,omitempty"`
	InIf       *uint32    `json:"in_if,omitempty"`
	OutIf      *uint32    `json:"out_if,omitempty"`
	ICMPType   *uint8     `json:"icmp_type,omitempty"`
	ICMPCode   *uint8     `json:"icmp_code,omitempty"`
	NATSrc     netip.Addr `json:"nat_src,omitzero"`
	NATDst     netip.Addr `json:"nat_dst,omitzero"`
	NATSport   uint16     `json:"nat_sport,omitempty"`
	NATDport   uint16     `json:"nat_dport,omitempty"`

	Firewall  *flow.FirewallEvent   `json:"firewall,omitempty"`
	Direction *flow.BiflowDirection `json:"direction,omitempty"`
}

func newGoldenRecord(r *flow.Record) goldenRecord {
	g := goldenRecord{
		Received: time.Unix(0, r.Received).UTC(), Exporter: r.Exporter.IP(), Domain: r.Domain, Version: r.Version,
		Src: r.Src.IP(), Dst: r.Dst.IP(), NATSport: r.NATSrcPort, NATDport: r.NATDstPort,
		SrcPort: sent(r, flow.HasPorts, &r.SrcPort), DstPort: sent(r, flow.HasPorts, &r.DstPort), Proto: sent(r, flow.HasProto, &r.Proto),
		Bytes: sent(r, flow.HasBytes, &r.Bytes), Packets: sent(r, flow.HasPackets, &r.Packets),
		RevBytes: sent(r, flow.HasReverse, &r.RevBytes), RevPackets: sent(r, flow.HasReverse, &r.RevPackets),
		Sampling: sent(r, flow.HasSampling, &r.Sampling),
		TCPFlags: sent(r, flow.HasTCPFlags, &r.TCPFlags), RevFlags: sent(r, flow.HasRevTCPFlags, &r.RevTCPFlags), ToS: sent(r, flow.HasToS, &r.ToS),
		InIf: sent(r, flow.HasInIf, &r.InIf), OutIf: sent(r, flow.HasOutIf, &r.OutIf),
		ICMPType: sent(r, flow.HasICMP, &r.ICMPType), ICMPCode: sent(r, flow.HasICMP, &r.ICMPCode),
		Firewall: sent(r, flow.HasFirewall, &r.Firewall), Direction: sent(r, flow.HasDirection, &r.Direction),
	}
	if r.Has&flow.HasStart != 0 {
		g.Start = time.Unix(0, r.Start).UTC()
	}
	if r.Has&flow.HasEnd != 0 {
		g.End = time.Unix(0, r.End).UTC()
	}
	if r.Has&flow.HasNATSrc != 0 {
		g.NATSrc = r.NATSrc.IP()
	}
	if r.Has&flow.HasNATDst != 0 {
		g.NATDst = r.NATDst.IP()
	}
	return g
}

func sent[T any](r *flow.Record, has flow.Fields, field *T) *T {
	if r.Has&has == 0 {
		return nil
	}
	return field
}
