package show

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
)

// NewCSV returns a Writer of comma-separated values with a line of names. What the
// exporter did not send is empty; times are RFC 3339, UTC.
func NewCSV(w io.Writer) Writer { return &csvWriter{w: w} }

type csvWriter struct {
	w     io.Writer
	b     []byte
	begun bool
}

// csvColumn is one column: its name, what must have been sent, and its value.
type csvColumn struct {
	name  string
	has   flow.Fields
	value func(b []byte, f *query.Found) []byte
}

func number(name string, has flow.Fields, value func(*query.Found) uint64) csvColumn {
	return csvColumn{name, has, func(b []byte, f *query.Found) []byte { return strconv.AppendUint(b, value(f), 10) }}
}

func address(name string, has flow.Fields, value func(*query.Found) flow.Addr) csvColumn {
	return csvColumn{name, has, func(b []byte, f *query.Found) []byte { return value(f).IP().AppendTo(b) }}
}

func moment(name string, has flow.Fields, value func(*query.Found) int64) csvColumn {
	return csvColumn{name, has, func(b []byte, f *query.Found) []byte {
		return time.Unix(0, value(f)).UTC().AppendFormat(b, time.RFC3339Nano)
	}}
}

var csvColumns = []csvColumn{
	moment("start", flow.HasStart, func(f *query.Found) int64 { return f.Start }),
	moment("end", flow.HasEnd, func(f *query.Found) int64 { return f.End }),
	address("src", 0, func(f *query.Found) flow.Addr { return f.Src }),
	address("dst", 0, func(f *query.Found) flow.Addr { return f.Dst }),
	number("sport", flow.HasPorts, func(f *query.Found) uint64 { return uint64(f.SrcPort) }),
	number("dport", flow.HasPorts, func(f *query.Found) uint64 { return uint64(f.DstPort) }),
	number("proto", flow.HasProto, func(f *query.Found) uint64 { return uint64(f.Proto) }),
	number("bytes", flow.HasBytes, func(f *query.Found) uint64 { return f.Bytes }),
	number("packets", flow.HasPackets, func(f *query.Found) uint64 { return f.Packets }),
	number("rev_bytes", flow.HasReverse, func(f *query.Found) uint64 { return f.RevBytes }),
	number("rev_packets", flow.HasReverse, func(f *query.Found) uint64 { return f.RevPackets }),
	number("sampling", 0, func(f *query.Found) uint64 { return uint64(f.Sampling) }),
	number("tcp_flags", flow.HasTCPFlags, func(f *query.Found) uint64 { return uint64(f.TCPFlags) }),
	number("rev_tcp_flags", flow.HasRevTCPFlags, func(f *query.Found) uint64 { return uint64(f.RevTCPFlags) }),
	number("tos", flow.HasToS, func(f *query.Found) uint64 { return uint64(f.ToS) }),
	number("in_if", flow.HasInIf, func(f *query.Found) uint64 { return uint64(f.InIf) }),
	number("out_if", flow.HasOutIf, func(f *query.Found) uint64 { return uint64(f.OutIf) }),
	number("icmp_type", flow.HasICMP, func(f *query.Found) uint64 { return uint64(f.ICMPType) }),
	number("icmp_code", flow.HasICMP, func(f *query.Found) uint64 { return uint64(f.ICMPCode) }),
	number("firewall_event", flow.HasFirewall, func(f *query.Found) uint64 { return uint64(f.Firewall) }),
	address("nat_src", flow.HasNATSrc, func(f *query.Found) flow.Addr { return f.NATSrc }),
	number("nat_sport", flow.HasNATSrc, func(f *query.Found) uint64 { return uint64(f.NATSrcPort) }),
	address("nat_dst", flow.HasNATDst, func(f *query.Found) flow.Addr { return f.NATDst }),
	number("nat_dport", flow.HasNATDst, func(f *query.Found) uint64 { return uint64(f.NATDstPort) }),
	{"scc", 0, func(b []byte, f *query.Found) []byte { return append(b, f.SrcCC...) }},
	{"dcc", 0, func(b []byte, f *query.Found) []byte { return append(b, f.DstCC...) }},
	number("sas", 0, func(f *query.Found) uint64 { return uint64(f.SrcAS) }),
	number("das", 0, func(f *query.Found) uint64 { return uint64(f.DstAS) }),
	address("exporter", 0, func(f *query.Found) flow.Addr { return f.Exporter }),
	number("domain", 0, func(f *query.Found) uint64 { return uint64(f.Domain) }),
	number("version", 0, func(f *query.Found) uint64 { return uint64(f.Version) }),
	moment("received", 0, func(f *query.Found) int64 { return f.Received }),
}

func (c *csvWriter) header() error {
	if c.begun {
		return nil
	}
	c.begun = true
	names := make([]string, len(csvColumns))
	for i, col := range csvColumns {
		names[i] = col.name
	}
	_, err := io.WriteString(c.w, strings.Join(names, ",")+"\n")
	return err
}

// Flow is part of Writer.
func (c *csvWriter) Flow(f *query.Found) error {
	if err := c.header(); err != nil {
		return err
	}
	c.b = c.b[:0]
	for i, col := range csvColumns {
		if i > 0 {
			c.b = append(c.b, ',')
		}
		if f.Has&col.has == col.has {
			c.b = col.value(c.b, f)
		}
	}
	_, err := c.w.Write(append(c.b, '\n'))
	return err
}

// Close prints the names where there was no flow.
func (c *csvWriter) Close() error { return c.header() }
