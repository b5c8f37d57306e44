package printed

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// clock reads times and keeps the last whole minute, since neighbours share theirs and
// a zone is dear to ask.
type clock struct {
	zone   *time.Location
	minute [16]byte // "2006-01-02 15:04" as it was read
	at     int64    // Unix seconds of it
}

var errNoTime = errors.New("is not a time")

// parse reads "2006-01-02 15:04:05.000", with - or / and a space or T, "01/02/2006
// 15:04:05.000", which is rwcut's m/d/y, or seconds since 1970 with a fraction. Z or an
// offset at its end is honoured.
func (c *clock) parse(b []byte) (ns int64, err error) {
	if len(b) >= 19 && b[2] == '/' && b[5] == '/' {
		b = append([]byte{b[6], b[7], b[8], b[9], '/', b[0], b[1], '/', b[3], b[4]}, b[10:]...)
	}
	if len(b) < 19 || b[4] != '-' && b[4] != '/' {
		return parseEpoch(b)
	}
	rest := b[19:]
	var fraction int64
	if len(rest) > 0 && (rest[0] == '.' || rest[0] == ',') {
		n := 1
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		if fraction, err = parseFraction(rest[1:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	if len(rest) > 0 {
		text := strings.ReplaceAll(string(b[:10]), "/", "-") + "T" + string(b[11:19]) + string(rest)
		t, err := time.Parse(time.RFC3339, text)
		if err != nil || !sane(t.Unix()) {
			return 0, errNoTime
		}
		return t.Unix()*1e9 + fraction, nil
	}
	seconds, ok := two(b[17:19])
	if !ok || seconds > 60 || b[16] != ':' {
		return 0, errNoTime
	}
	if [16]byte(b[:16]) != c.minute {
		text := strings.ReplaceAll(string(b[:10]), "/", "-") + " " + string(b[11:16])
		if b[10] != ' ' && b[10] != 'T' {
			return 0, errNoTime
		}
		t, err := time.ParseInLocation("2006-01-02 15:04", text, c.zone)
		if err != nil || !sane(t.Unix()) {
			return 0, errNoTime
		}
		c.minute, c.at = [16]byte(b[:16]), t.Unix()
	}
	return (c.at+int64(seconds))*1e9 + fraction, nil
}

// sane reports whether nanoseconds can hold the time: 1970 to 2261.
func sane(unix int64) bool { return unix >= 0 && unix < math.MaxInt64/1_000_000_000-100 }

func two(b []byte) (int, bool) {
	if b[0] < '0' || b[0] > '9' || b[1] < '0' || b[1] > '9' {
		return 0, false
	}
	return int(b[0]-'0')*10 + int(b[1]-'0'), true
}

func parseFraction(b []byte) (ns int64, err error) {
	if len(b) == 0 || len(b) > 9 {
		return 0, errNoTime
	}
	for n := range 9 {
		ns *= 10
		if n < len(b) {
			ns += int64(b[n] - '0')
		}
	}
	return ns, nil
}

// parseEpoch reads seconds with a fraction, as whole numbers: a float would round.
func parseEpoch(b []byte) (int64, error) {
	whole, part, dotted := bytes.Cut(b, []byte("."))
	s, err := strconv.ParseUint(string(whole), 10, 62)
	if err != nil || !sane(int64(s)) {
		return 0, errNoTime
	}
	if !dotted {
		return int64(s) * 1e9, nil
	}
	if len(bytes.Trim(part, "0123456789")) > 0 {
		return 0, errNoTime
	}
	fraction, err := parseFraction(part)
	return int64(s)*1e9 + fraction, err
}

// parseDuration reads seconds with a fraction, or "[days d ]hh:mm:ss.mmm".
func parseDuration(b []byte) (int64, error) {
	if !bytes.Contains(b, []byte(":")) {
		return parseEpoch(b)
	}
	days := int64(0)
	if d, rest, ok := bytes.Cut(b, []byte("d")); ok {
		n, err := strconv.ParseUint(string(bytes.TrimSpace(d)), 10, 16)
		if err != nil {
			return 0, errNoTime
		}
		days, b = int64(n), bytes.TrimSpace(rest)
	}
	parts := bytes.Split(b, []byte(":"))
	if len(parts) != 3 {
		return 0, errNoTime
	}
	hours, err := strconv.ParseUint(string(parts[0]), 10, 16)
	minutes, err2 := strconv.ParseUint(string(parts[1]), 10, 8)
	seconds, err3 := parseEpoch(parts[2])
	if err != nil || err2 != nil || err3 != nil || minutes > 59 || seconds >= 61e9 {
		return 0, errNoTime
	}
	return ((days*24+int64(hours))*60+int64(minutes))*60e9 + seconds, nil
}

// parseAddr reads an address as nfdump and rwcut print it: as usual, padded with zeros,
// or of IPv4 as one number.
func parseAddr(b []byte) (flow.Addr, error) {
	text := string(b)
	if strings.Contains(text, "..") {
		return flow.Addr{}, fmt.Errorf("%q is cut short: print IPv6 addresses whole, with nfdump -o extended6, csv or json", text)
	}
	if ip, err := netip.ParseAddr(text); err == nil {
		if ip.Zone() != "" {
			return flow.Addr{}, fmt.Errorf("%q is not an address", text)
		}
		return flow.AddrFrom(ip), nil
	}
	if n, err := strconv.ParseUint(text, 10, 32); err == nil && len(text) > 8 { // 40000001 may be hexadecimal
		return flow.Addr4(uint32(n)), nil
	}
	if parts := strings.Split(text, "."); len(parts) == 4 { // 010.001.000.073
		v4 := uint32(0)
		for _, p := range parts {
			n, err := strconv.ParseUint(p, 10, 8)
			if err != nil || len(p) > 3 {
				return flow.Addr{}, fmt.Errorf("%q is not an address", text)
			}
			v4 = v4<<8 | uint32(n)
		}
		return flow.Addr4(v4), nil
	}
	return flow.Addr{}, fmt.Errorf("%q is not an address; let rwcut print --ip-format=canonical", text)
}

// parseCount reads a counter. One that was rounded for the eye ("1.2 M") is rejected.
func parseCount(b []byte) (uint64, error) {
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err == nil {
		return n, nil
	}
	if last := b[max(len(b)-1, 0):]; len(b) > 1 && (bytes.ContainsAny(last, "KMGT") || bytes.Contains(b, []byte("."))) {
		return 0, fmt.Errorf("%q was rounded: let nfdump print whole numbers with -N", b)
	}
	return 0, fmt.Errorf("%q is not a whole number", b)
}

func parseUint(b []byte, bits int) (uint32, error) {
	n, err := strconv.ParseUint(string(b), 10, bits)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number below %d", b, uint64(1)<<bits)
	}
	return uint32(n), nil
}

// flagOf are the letters of nfdump and rwcut.
var flagOf = [256]uint16{
	'F': flow.FIN, 'S': flow.SYN, 'R': flow.RST, 'P': flow.PSH, 'A': flow.ACK, 'U': flow.URG,
	'E': 1 << 6, 'C': 1 << 7, 'W': 1 << 7,
}

// parseFlags reads "...AP.SF", "FS PA", a number, or 0x and two digits. nfdump's C and
// rwcut's are CWR; nfdump's W, where it stands for that, too.
func parseFlags(b []byte) (uint16, error) {
	b = bytes.TrimSpace(b)
	if len(b) > 0 && b[0] >= '0' && b[0] <= '9' {
		n, err := strconv.ParseUint(string(b), 0, 8)
		if err != nil {
			return 0, fmt.Errorf("%q are not TCP flags", b)
		}
		return uint16(n), nil
	}
	flags := uint16(0)
	for _, letter := range b {
		f := flagOf[letter]
		if f == 0 && letter != '.' && letter != ' ' {
			return 0, fmt.Errorf("%q are not TCP flags", b)
		}
		flags |= f
	}
	return flags, nil
}
