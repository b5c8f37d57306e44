package hit

// maxLogJSON is where a line of JSON for Wazuh loses indicators: its agents cut
// a line at 64 KiB.
const maxLogJSON = 32 << 10

// AppendLogJSON appends h as the JSON line that Wazuh reads: as MarshalJSON,
// with src and dst also under Wazuh's own names srcip and dstip, without a
// newline. The last indicators go when there are too many for a line.
func AppendLogJSON(b []byte, h *Hit) ([]byte, error) {
	w := toWire(h)
	w.SrcIP, w.DstIP = w.Src, w.Dst
	line, err := encode(&w)
	for err == nil && len(line) > maxLogJSON && len(w.Indicators) > 0 {
		w.Indicators = w.Indicators[:len(w.Indicators)/2]
		line, err = encode(&w)
	}
	return append(b, line...), err
}
