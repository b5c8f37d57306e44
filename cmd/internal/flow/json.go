package flow

import (
	"strconv"
	"time"
)

// AppendJSON appends r as one JSON object, without a newline. What the exporter
// did not send is left out; bytes and packets are as exported, not scaled by
// sampling; tcp_flags is a number; times are RFC 3339, UTC.
func (r *Record) AppendJSON(b []byte) []byte {
	o := object{append(b, '{')}
	o.time("received", r.Received)
	o.addr("exporter", r.Exporter)
	o.uint("domain", uint64(r.Domain))
	o.uint("version", uint64(r.Version))
	if r.Has&HasStart != 0 {
		o.time("start", r.Start)
	}
	if r.Has&HasEnd != 0 {
		o.time("end", r.End)
	}
	o.addr("src", r.Src)
	o.addr("dst", r.Dst)
	for _, f := range []struct {
		has   Fields
		key   string
		value uint64
	}{
		{HasPorts, "sport", uint64(r.SrcPort)},
		{HasPorts, "dport", uint64(r.DstPort)},
		{HasProto, "proto", uint64(r.Proto)},
		{HasBytes, "bytes", r.Bytes},
		{HasPackets, "packets", r.Packets},
		{HasReverse, "rev_bytes", r.RevBytes},
		{HasReverse, "rev_packets", r.RevPackets},
		{HasSampling, "sampling", uint64(r.Sampling)},
		{HasTCPFlags, "tcp_flags", uint64(r.TCPFlags)},
		{HasRevTCPFlags, "rev_tcp_flags", uint64(r.RevTCPFlags)},
		{HasToS, "tos", uint64(r.ToS)},
		{HasInIf, "in_if", uint64(r.InIf)},
		{HasOutIf, "out_if", uint64(r.OutIf)},
		{HasSrcAS, "sas", uint64(r.SrcAS)},
		{HasDstAS, "das", uint64(r.DstAS)},
		{HasICMP, "icmp_type", uint64(r.ICMPType)},
		{HasICMP, "icmp_code", uint64(r.ICMPCode)},
		{HasFirewall, "firewall_event", uint64(r.Firewall)},
		{HasDirection, "biflow_direction", uint64(r.Direction)},
	} {
		if r.Has&f.has != 0 {
			o.uint(f.key, f.value)
		}
	}
	if r.Has&HasNATSrc != 0 {
		o.addr("nat_src", r.NATSrc)
	}
	if r.Has&HasNATDst != 0 {
		o.addr("nat_dst", r.NATDst)
	}
	return append(o.b, '}')
}

// object builds a flat JSON object whose keys and values need no escaping.
type object struct{ b []byte }

func (o *object) key(k string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, k...)
	o.b = append(o.b, '"', ':')
}

func (o *object) uint(k string, v uint64) {
	o.key(k)
	o.b = strconv.AppendUint(o.b, v, 10)
}

func (o *object) addr(k string, a Addr) {
	o.key(k)
	o.b = append(o.b, '"')
	o.b = a.IP().AppendTo(o.b)
	o.b = append(o.b, '"')
}

func (o *object) time(k string, ns int64) {
	o.key(k)
	o.b = append(o.b, '"')
	o.b = time.Unix(0, ns).UTC().AppendFormat(o.b, time.RFC3339Nano)
	o.b = append(o.b, '"')
}
