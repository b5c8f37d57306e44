package hit

import (
	"slices"
	"unicode/utf8"
)

// A line of JSON keeps within maxLogJSON: what Wazuh's manager takes of an event is
// 64 KiB, and an alert holds the values more than once. Texts that others chose are
// cut to maxLogText bytes there, or less, and tags to maxLogTags.
const (
	maxLogJSON = 24 << 10
	maxLogText = 1024
	maxLogTags = 16
)

// logLine is a hit as the log has it: ports, addresses and protocol also by the
// names that Wazuh has for those of every product, and that its template maps.
type logLine struct {
	wire
	SrcIP      ip    `json:"srcip,omitzero"`
	SourcePort port  `json:"srcport,omitzero"`
	DstIP      ip    `json:"dstip,omitzero"`
	TargetPort port  `json:"dstport,omitzero"`
	Protocol   proto `json:"protocol"`
}

// AppendLogJSON appends h as the JSON line that Wazuh reads: as MarshalJSON, with
// srcip, srcport, dstip, dstport and protocol beside src, sport, dst, dport and
// proto, without a newline and within 24 KiB. Overlong texts are cut, and the last
// indicators go when there are too many for a line.
func AppendLogJSON(b []byte, h *Hit) ([]byte, error) {
	keep, text := len(h.Indicators), maxLogText
	for {
		line, err := encode(newLogLine(h, keep, text))
		switch {
		case err != nil:
			return b, err
		case len(line) <= maxLogJSON || text == 0:
			return append(b, line...), nil
		case keep > 1:
			keep /= 2
		default:
			text /= 2
		}
	}
}

// newLogLine returns h with its first indicators and texts of so many bytes.
func newLogLine(h *Hit, indicators, text int) *logLine {
	w := logLine{wire: toWire(h)}
	w.SrcIP, w.SourcePort, w.DstIP, w.TargetPort, w.Protocol = w.Src, w.SrcPort, w.Dst, w.DstPort, w.Proto
	cut := func(all ...*string) {
		for _, s := range all {
			*s = shorten(*s, text)
		}
	}
	cut(&w.Name, &w.Ref, &w.Feed, &w.Category, &w.ID, &w.Country)
	cut(&w.SrcCountry, &w.DstCountry, &w.SrcOwner, &w.DstOwner, &w.SrcHost, &w.DstHost, &w.SrcSite, &w.DstSite)
	w.Indicators = w.Indicators[:indicators]
	for i := range w.Indicators {
		in := &w.Indicators[i]
		cut(&in.Name, &in.Ref, &in.Feed, &in.Category)
		in.Tags = slices.Clone(in.Tags[:min(len(in.Tags), maxLogTags)])
		for k := range in.Tags {
			cut(&in.Tags[k])
		}
	}
	return &w
}

// shorten cuts s to n bytes, never within a rune.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
