package hit

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/flowhound/flowhound/plugin/text"
)

// MaxLine is the most bytes a line for OSSEC and Wazuh has, header and newline
// included. OSSEC's stock rule 1003 calls anything longer an attack.
const MaxLine = 1024

// maxBody is what the longest header leaves of MaxLine, so that a hit's body is
// the same on every host and in every output.
const maxBody = MaxLine - maxHeader - len("\n")

// Bounds on values that come from outside this program. With all of them full,
// more than 250 bytes are left to ref and name.
const (
	maxToken  = 24 // kind, direction, state, category, country
	maxFeed   = 64
	maxID     = 48
	maxLabel  = 24 // name of a content network or a research project
	maxRemark = 320
)

// AppendLine appends h as the body of an alert line, "hit kind=new ... name=...",
// without header and newline, and returns the longer buffer. All keys are always
// there, in the same order, "-" when empty; the free text comes last and is
// cleaned, so that nothing in it can pose as a key. A line that would be too
// long loses the end of its name, then of its ref. AppendLine does not allocate
// when b has room for MaxLine bytes.
func AppendLine(b []byte, h *Hit) []byte {
	start := len(b)
	b = text.Token.Append(append(b, "hit kind="...), string(h.Kind), maxToken)
	b = append(append(b, " sev="...), h.Severity.String()...)
	b = text.Token.Append(append(b, " dir="...), string(h.Direction), maxToken)
	b = text.Token.Append(append(b, " state="...), string(h.State), maxToken)
	b = text.Token.Append(append(b, " cat="...), h.Category, maxToken)
	b = text.Token.Append(append(b, " feed="...), h.Feed, maxFeed)
	b = appendPrefix(append(b, " ioc="...), h.IOC)
	b = strconv.AppendInt(append(b, " score="...), int64(h.Score), 10)
	b = appendAddr(append(b, " src="...), h.Src)
	b = appendPort(append(b, " sport="...), h.SrcPort)
	b = appendAddr(append(b, " dst="...), h.Dst)
	b = appendPort(append(b, " dport="...), h.DstPort)
	b = appendProto(append(b, " proto="...), h.Proto)
	b = strconv.AppendUint(append(b, " count="...), h.Count, 10)
	b = strconv.AppendUint(append(b, " bytes="...), h.Bytes, 10)
	b = strconv.AppendUint(append(b, " pkts="...), h.Packets, 10)
	b = text.Token.Append(append(b, " cc="...), h.Country, maxToken)
	b = appendAddr(append(b, " exporter="...), h.Exporter)
	b = appendSeen(append(b, " seen="...), h.Start, h.End)
	b = text.Token.Append(append(b, " id="...), h.ID, maxID)
	return appendFreeText(b, h, start+maxBody)
}

// appendFreeText appends ref and name so that b stays within end bytes: ref has
// what the fixed parts and the count of folded addresses leave, name the rest.
func appendFreeText(b []byte, h *Hit, end int) []byte {
	var scratch [maxRemark]byte
	suffix := appendRemarks(scratch[:0], h)

	b = append(b, ` ref="`...)
	room := end - len(b) - len(`" name="-"`) - len(suffix)
	b = text.Line.Append(b, h.Ref, room)

	b = append(b, `" name="`...)
	name := len(b)
	b = text.Line.Append(b, h.Name, end-len(b)-len(`"`)-len(suffix))
	if len(suffix) > 0 {
		if string(b[name:]) == "-" { // nothing but the suffix
			b, suffix = b[:name], suffix[1:]
		}
		b = append(b, suffix...)
	}
	return append(b, '"')
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(b, '-')
	}
	return a.Unmap().WithZone("").AppendTo(b)
}

// FormatIOC returns an IOC as the line prints it, a whole address without its length,
// and "" for none.
func FormatIOC(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return string(appendPrefix(nil, p))
}

// appendPrefix prints a whole address without its length.
func appendPrefix(b []byte, p netip.Prefix) []byte {
	switch {
	case !p.IsValid():
		return append(b, '-')
	case p.IsSingleIP():
		return p.Addr().AppendTo(b)
	}
	return p.AppendTo(b)
}

func appendPort(b []byte, port int) []byte {
	if port < 0 {
		return append(b, '-')
	}
	return strconv.AppendInt(b, int64(port), 10)
}

func appendProto(b []byte, proto uint8) []byte {
	if name := ProtoName(proto); name != "" {
		return append(b, name...)
	}
	return strconv.AppendUint(b, uint64(proto), 10)
}

// appendSeen appends "start/end". A time that is not known is the other one.
func appendSeen(b []byte, start, end time.Time) []byte {
	if start.IsZero() {
		start = end
	}
	if end.IsZero() {
		end = start
	}
	if start.IsZero() {
		return append(b, '-')
	}
	b = start.UTC().AppendFormat(b, time.RFC3339)
	return end.UTC().AppendFormat(append(b, '/'), time.RFC3339)
}
