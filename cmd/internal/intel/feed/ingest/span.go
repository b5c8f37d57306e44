package ingest

import (
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// Span is what text names when that is more than one observable of Parse: a range or a
// network that is not written as a prefix.
type Span struct{ First, Last netip.Addr }

// CutSpan reads the span that s begins with and returns what follows it:
//
//	192.0.2.0-192.0.2.9    a range, with blanks around the dash too, and "–", "to"
//	192.0.2.1-9            the same with the last octet alone
//	192.0.2.0 255.255.255.0, 192.0.2.0/255.255.255.0, 192.0.2.0 mask 255.255.255.0,
//	192.0.2.0 0.0.0.255
//	192.0.2.*              and 192.0.*.*
//	192.0.2.0 192.0.2.255  the ends of a network; in columns of any short range
//
// Four numbers of three digits each, as 192.000.002.001, are decimal in a range:
// that is how eMule's lists write them. found is false where s begins with
// anything else.
func CutSpan(s string) (span Span, rest string, found bool) {
	if s == "" || (s[0] < '0' || s[0] > '9') && strings.IndexByte(s, ':') < 0 {
		return span, s, false
	}
	word, rest := cutAddress(s)
	if rest == "" && !strings.ContainsAny(word, "-*/") {
		return span, s, false
	}
	if strings.HasSuffix(word, ".*") {
		span, found = wildcard(word)
		return span, rest, found
	}
	if slash := strings.IndexByte(word, '/'); slash > 0 {
		if first, ok := addressOf(word[:slash]); ok && strings.IndexByte(word[slash:], '.') > 0 {
			span, found = masked(first, word[slash+1:])
		}
		return span, rest, found
	}
	if at := strings.IndexByte(word, '-'); at > 0 {
		span, found = dashed(word[:at], word[at+1:])
		return span, rest, found
	}
	first, ok := addressOf(word)
	if !ok {
		return span, s, false
	}
	if last, after, ok := cutDash(rest); ok {
		span, found = dashed(word, last)
		return span, after, found
	}
	next, after := cutAddress(strings.TrimLeft(rest, " \t,;"))
	if next == "mask" || next == "netmask" {
		next, after = cutAddress(strings.TrimLeft(after, " \t"))
	}
	if span, found = masked(first, next); found {
		return span, after, true
	}
	if last, ok := addressOf(next); ok && isPair(first, last, strings.TrimLeft(rest, " ")) {
		return Span{First: first, Last: last}, after, true
	}
	return span, s, false
}

// isPair reports whether two addresses, the second with what is before it, are the
// ends of a range: of a network or, as columns, within 65,536 addresses. Others are two addresses.
func isPair(first, last netip.Addr, second string) bool {
	networks, why := Range(first, last)
	if why != "" || first == last {
		return false
	}
	column := second != "" && strings.IndexByte(",;\t", second[0]) >= 0
	hi, lo := distance(first, last)
	return len(networks) == 1 || column && hi == 0 && lo < 1<<16
}

// Networks returns the networks of a span, none of the zero Span.
func (s *Span) Networks() ([]netip.Prefix, Reason) {
	if !s.First.IsValid() {
		return nil, Unreadable
	}
	return Range(s.First, s.Last)
}

// cutAddress splits off what stands before the first blank or separator.
func cutAddress(s string) (word, rest string) {
	at := strings.IndexAny(s, " \t,;|")
	if at < 0 {
		return s, ""
	}
	return s[:at], s[at:]
}

// cutDash reads " - LAST" and " to LAST", and "- LAST".
func cutDash(s string) (last, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t")
	for _, dash := range []string{"-", "–", "to "} {
		if after, found := strings.CutPrefix(s, dash); found {
			last, rest = cutAddress(strings.TrimLeft(after, " \t"))
			return last, rest, true
		}
	}
	return "", s, false
}

// dashed reads the two ends of a range, of which the second may be the last octet alone.
func dashed(left, right string) (span Span, found bool) {
	first, ok := addressOf(left)
	if !ok {
		return span, false
	}
	last, ok := addressOf(right)
	if !ok {
		n, err := strconv.ParseUint(right, 10, 8)
		if err != nil || !first.Unmap().Is4() {
			return span, false
		}
		b := first.Unmap().As4()
		b[3] = byte(n)
		last = netip.AddrFrom4(b)
	}
	return Span{First: first, Last: last}, true
}

// masked reads a netmask or a wildcard mask (the inverse) behind an address.
func masked(first netip.Addr, mask string) (span Span, found bool) {
	m, err := netip.ParseAddr(mask)
	if err != nil || !m.Is4() || !first.Unmap().Is4() {
		return span, false
	}
	n := uint32Of(m)
	if n>>31 == 0 {
		n = ^n
		if n == ^uint32(0) { // 0.0.0.0 is not a wildcard mask that anybody needs
			return span, false
		}
	}
	ones := bits.LeadingZeros32(^n)
	if n<<ones != 0 {
		return span, false // holes in it: an address
	}
	p, _ := first.Unmap().Prefix(ones)
	return Span{First: p.Addr(), Last: lastOf(p)}, true
}

// wildcard reads 192.0.2.* and 192.0.*.*.
func wildcard(text string) (span Span, found bool) {
	kept := strings.TrimRight(text, ".*")
	octets := strings.Count(kept, ".") + 1
	if kept == "" || octets > 3 || text[len(kept):] != strings.Repeat(".*", 4-octets) {
		return span, false
	}
	first, ok := addressOf(kept + strings.Repeat(".0", 4-octets))
	if !ok {
		return span, false
	}
	p, _ := first.Prefix(octets * 8)
	return Span{First: p.Addr(), Last: lastOf(p)}, true
}

// addressOf reads an address, and one of four numbers of three digits each.
func addressOf(s string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(s)
	if err == nil {
		return ip, true
	}
	if len(s) != len("192.000.002.001") || s[3] != '.' || s[7] != '.' || s[11] != '.' {
		return ip, false
	}
	var b [4]byte
	for i := range b {
		n, digits := number(s[i*4 : i*4+3])
		if digits != 3 || n > 255 {
			return ip, false
		}
		b[i] = byte(n)
	}
	return netip.AddrFrom4(b), true
}

func uint32Of(ip netip.Addr) uint32 {
	b := ip.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}
