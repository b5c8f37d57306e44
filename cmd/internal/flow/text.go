package flow

import (
	"fmt"
	"net/netip"
	"time"
)

// AppendText appends r as one line for people, without a newline:
//
//	2026-06-07T10:37:51Z 192.0.2.1 v9 10.1.2.3:51234 -> 198.51.100.7:443 proto=6 bytes=18412 pkts=97
func (r *Record) AppendText(b []byte) []byte {
	b = time.Unix(0, r.Received).UTC().AppendFormat(b, time.RFC3339)
	version := "ipfix"
	if r.Version != 10 {
		version = fmt.Sprintf("v%d", r.Version)
	}
	b = fmt.Appendf(b, " %s %s %s -> %s proto=%d bytes=%d pkts=%d", r.Exporter, version,
		r.end(r.Src, r.SrcPort), r.end(r.Dst, r.DstPort), r.Proto, r.Bytes, r.Packets)
	if r.Has&HasReverse != 0 {
		b = fmt.Appendf(b, " rev_bytes=%d rev_pkts=%d", r.RevBytes, r.RevPackets)
	}
	if r.Has&HasTCPFlags != 0 {
		b = fmt.Appendf(b, " flags=%s", tcpFlags(r.TCPFlags))
	}
	if r.Has&HasICMP != 0 {
		b = fmt.Appendf(b, " icmp=%d/%d", r.ICMPType, r.ICMPCode)
	}
	if r.Sampling > 1 {
		b = fmt.Appendf(b, " sampling=%d", r.Sampling)
	}
	if r.Has&(HasNATSrc|HasNATDst) != 0 {
		b = fmt.Appendf(b, " nat=%s -> %s", r.NATSrc, r.NATDst)
	}
	return b
}

func (r *Record) end(a Addr, port uint16) string {
	if r.Has&HasPorts == 0 {
		return a.String()
	}
	return netip.AddrPortFrom(a.IP(), port).String()
}

// tcpFlags prints flags as nfdump does: UAPRSF with a dot for what is not set.
func tcpFlags(flags uint16) string {
	const letters = "UAPRSF"
	out := make([]byte, len(letters))
	for i := range letters {
		out[i] = '.'
		if flags&(1<<(len(letters)-1-i)) != 0 {
			out[i] = letters[i]
		}
	}
	return string(out)
}
