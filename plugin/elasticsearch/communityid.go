package main

import (
	"crypto/sha1" //nolint:gosec // what Community ID is made of; it protects nothing
	"encoding/base64"
	"encoding/binary"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
)

// communityID names the conversation as Zeek, Suricata and Packetbeat do (Community
// ID 1, seed 0; github.com/corelight/community-id-spec), so that a search finds
// what they saw of it. It is "" where the hit speaks of many conversations, and for
// protocols without ports of TCP's kind.
func communityID(h *plugin.Hit) string {
	src, dst, sport, dport := h.Src, h.Dst, h.SrcPort, h.DstPort
	switch h.Proto {
	case 6, 17, 132: // TCP, UDP, SCTP
	default:
		return ""
	}
	if !src.IsValid() || !dst.IsValid() || src.Is4() != dst.Is4() || sport == hit.NoPort || dport == hit.NoPort || h.Sources > 1 || h.Targets > 1 {
		return ""
	}
	if c := src.WithZone("").Compare(dst.WithZone("")); c > 0 || c == 0 && sport > dport {
		src, dst, sport, dport = dst, src, dport, sport
	}
	b := make([]byte, 2, 2+16+16+2+4) // the seed
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	b = append(b, h.Proto, 0)
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, uint16(sport)), uint16(dport))
	sum := sha1.Sum(b) //nolint:gosec // see above
	return "1:" + base64.StdEncoding.EncodeToString(sum[:])
}
