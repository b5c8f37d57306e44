package export

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// maxName and maxLabel bound a domain name, in bytes, as text without a final
// dot (RFC 1035 section 2.3.4: 255 on the wire).
const (
	maxName  = 253
	maxLabel = 63
)

// Why a text is no name that an export may hold.
const (
	reasonBadName  Reason = "bad-name"      // one such owner keeps a whole zone from loading
	reasonLongName Reason = "long-name"     // by itself, or together with the zone's name
	reasonReserved Reason = "reserved-name" // another kind of trigger to name servers
)

// hostName returns a domain name as zone files hold it, in lower case, with
// internationalised labels encoded (RFC 5891) and without the dot at its end or
// the wildcard before it. What is no such name would break a zone, or mean
// something else in it; then the reason says what is wrong.
func hostName(text string) (string, Reason) {
	name := strings.TrimSuffix(strings.TrimPrefix(text, "*."), ".")
	if checkName(name) == "" {
		return name, ""
	}
	name = strings.ToLower(name)
	if !isASCII(name) {
		var err error
		if name, err = idna.Lookup.ToASCII(name); err != nil {
			return "", reasonBadName
		}
	}
	return name, checkName(name)
}

// checkName accepts labels of [a-z0-9_-], the last of which is not a number: that
// is an address.
func checkName(name string) Reason {
	if len(name) > maxName {
		return reasonLongName
	}
	label, digits := 0, true
	for n := range len(name) {
		switch c := name[n]; {
		case c == '.':
			if label == 0 {
				return reasonBadName
			}
			label, digits = 0, true
			continue
		case c >= 'a' && c <= 'z', c == '-', c == '_':
			digits = false
		case c < '0' || c > '9':
			return reasonBadName
		}
		if label++; label > maxLabel {
			return reasonBadName
		}
	}
	if label == 0 || digits {
		return reasonBadName
	}
	// Below rpz-ip, rpz-client-ip and their like a name is no name: a feed could
	// have the network's own clients dropped.
	if last := name[strings.LastIndexByte(name, '.')+1:]; strings.HasPrefix(last, "rpz-") {
		return reasonReserved
	}
	return ""
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

// appendAddressOwner appends the owner name of a trigger on a network, such as
// 24.0.2.0.192.rpz-ip or 32.zz.db8.2001.rpz-ip: the length, then the address from
// its end, of IPv6 in the canonical form of RFC 5952 with zz for the colons of its
// longest run of zeros. BIND gives any other spelling no effect.
func appendAddressOwner(b []byte, p netip.Prefix) []byte {
	p = p.Masked()
	b = strconv.AppendUint(b, uint64(p.Bits()), 10)
	if p.Addr().Is4() {
		ip := p.Addr().As4()
		for n := 3; n >= 0; n-- {
			b = strconv.AppendUint(append(b, '.'), uint64(ip[n]), 10)
		}
		return append(b, ".rpz-ip"...)
	}
	ip := p.Addr().As16()
	var groups [8]uint16
	for n := range groups {
		groups[n] = binary.BigEndian.Uint16(ip[2*n:])
	}
	from, to := zeroRun(groups)
	for n := 7; n >= 0; n-- {
		if n == to-1 {
			b = append(b, ".zz"...)
			n = from
			continue
		}
		b = strconv.AppendUint(append(b, '.'), uint64(groups[n]), 16)
	}
	return append(b, ".rpz-ip"...)
}

// zeroRun returns the first of the longest runs of two zeros and more: from and
// past its end. Without one both are 0.
func zeroRun(groups [8]uint16) (from, to int) {
	for start := 0; start < 8; {
		end := start
		for end < 8 && groups[end] == 0 {
			end++
		}
		if end-start >= 2 && end-start > to-from {
			from, to = start, end
		}
		start = end + 1
	}
	return from, to
}
