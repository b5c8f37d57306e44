package printed

import (
	"bytes"
	"errors"
)

var (
	errText = errors.New("it is not a line of nfdump's line, long or extended output")
	errTwo  = errors.New("it counts both directions in one line: print it without -b and -B, or as csv")
)

// textLine reads a line of nfdump's line, long or extended output:
//
//	2026-06-07 12:37:51.000 00:00:20.000 TCP 10.1.2.3:51234 -> 198.51.100.7:443 ...AP.SF 0 97 18412 1
func textLine(text []byte, p *row) (bool, error) {
	for _, other := range []string{"Summary:", "Time window:", "Total flows processed:", "Sys:", "Date f", "No matched flows", "No matching flows"} {
		if bytes.HasPrefix(text, []byte(other)) {
			return false, nil
		}
	}
	if bytes.Contains(text, []byte("<->")) {
		return false, errTwo
	}
	left, right, ok := bytes.Cut(text, []byte(" -> "))
	if !ok {
		return false, errText
	}
	f := bytes.Fields(left)
	if len(f) == 6 && len(f[2]) > 1 && f[2][len(f[2])-1] == 'd' { // a duration of days: "1d 02:03:04.000"
		f = [][]byte{f[0], f[1], append(append(bytes.Clone(f[2]), ' '), f[3]...), f[4], f[5]}
	}
	if len(f) != 5 {
		return false, errText
	}
	for _, step := range []struct {
		set   setter
		value []byte
	}{{setStart, append(append(bytes.Clone(f[0]), ' '), f[1]...)}, {setDuration, f[2]}, {setProto, f[3]}} {
		if err := step.set(p, step.value); err != nil {
			return false, err
		}
	}
	if err := setSide(p, f[4], setSrc, setSport); err != nil {
		return false, err
	}
	f = bytes.Fields(right)
	if len(f) < 4 {
		return false, errText
	}
	if err := setSide(p, f[0], setDst, setDport); err != nil {
		return false, err
	}
	return true, counters(p, f[1:])
}

// setSide reads address and port, between which stands a colon, of IPv6 a dot. Of ICMP
// the destination's port is "type.code".
func setSide(p *row, v []byte, setAddr, setPort setter) error {
	at := bytes.IndexByte(v, ':')
	if at < 0 || bytes.Count(v, []byte(":")) > 1 {
		if at = bytes.LastIndexByte(v, '.'); bytes.Count(v, []byte(".")) == 2 && !bytes.Contains(v, []byte("..")) {
			at = bytes.IndexByte(v, '.')
		}
	}
	if at < 0 {
		return errText
	}
	if err := setAddr(p, v[:at]); err != nil {
		return err
	}
	return setPort(p, v[at+1:])
}

// counters reads what stands behind the addresses: [flags tos] packets bytes [pps bps
// bpp] flows. A unit that stands apart ("1.2 M") is the mark of a rounded number.
func counters(p *row, f [][]byte) error {
	for _, word := range f {
		if len(word) == 1 && bytes.ContainsAny(word, "KMGT") {
			_, err := parseCount([]byte("1.0 " + string(word)))
			return err
		}
	}
	switch len(f) {
	case 5, 8: // long, extended
		if err := errors.Join(setFlags(p, f[0]), setToS(p, f[1])); err != nil {
			return err
		}
		f = f[2:]
	case 3: // line
	default:
		return errText
	}
	return errors.Join(setPackets(p, f[0]), setBytes(p, f[1]))
}
