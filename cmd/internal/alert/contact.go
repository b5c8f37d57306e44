package alert

import "github.com/flowhound/flowhound/cmd/internal/flow"

// Contacted returns the address outside the own networks that one of the own
// hosts called or sent data to. What merely turns others away, a reset, a bare
// SYN+ACK, an ICMP error or reply, is no contact: scanners would be all there is
// to tell. It does not allocate.
func (p *Policy) Contacted(r *flow.Record) (remote flow.Addr, ok bool) {
	src, dst := p.network(r.Src).IsValid(), p.network(r.Dst).IsValid()
	switch {
	case src == dst || r.Has&flow.HasFirewall != 0 && r.Firewall == flow.FirewallDenied:
		return flow.Addr{}, false
	case src:
		return r.Dst, spoke(r, r.Bytes, r.Packets, r.TCPFlags)
	}
	return r.Src, r.Has&flow.HasReverse != 0 && spoke(r, r.RevBytes, r.RevPackets, r.RevTCPFlags)
}

// spoke reports whether a side called or sent data.
func spoke(r *flow.Record, bytes, packets uint64, flags uint16) bool {
	if flow.IsICMP(r.Proto) {
		return r.Has&flow.HasICMP != 0 && kindOfICMP(r) == icmpRequest
	}
	called := r.Proto == protoTCP && flags&(flow.SYN|flow.ACK) == flow.SYN
	return called || hasData(r, bytes, packets)
}
