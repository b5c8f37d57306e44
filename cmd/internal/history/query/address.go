package query

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// addAddress reads an address, a network or a range of addresses.
func (c *collector) addAddress(text string) *mistake {
	if p, err := netip.ParsePrefix(text); err == nil {
		c.addNetwork(p)
		return nil
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		r := flow.AddrFrom(a)
		c.addrs = append(c.addrs, flow.Range{First: r, Last: r})
		return nil
	}
	low, high, ranged := strings.Cut(text, "-")
	first, err1 := netip.ParseAddr(low)
	last, err2 := netip.ParseAddr(high)
	if !ranged || err1 != nil || err2 != nil || first.Zone() != "" || last.Zone() != "" || first.Unmap().Is4() != last.Unmap().Is4() {
		switch {
		case c.quiet:
			return c.unread(text, "")
		case isName(text):
			return &mistake{strconv.Quote(text) + " is a name; flows have addresses", ""}
		}
		return c.unread(text, suggestAddress(text))
	}
	r := flow.Range{First: flow.AddrFrom(first), Last: flow.AddrFrom(last)}
	if r.First.Compare(r.Last) > 0 {
		return &mistake{strconv.Quote(text) + " is an empty range", high + "-" + low}
	}
	c.addrs = append(c.addrs, r)
	return nil
}

// addNetwork adds a network. An IPv6 network never covers IPv4 addresses, nor the
// address "::", which stands for none: ::/0 is all of IPv6.
func (c *collector) addNetwork(p netip.Prefix) {
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	r := flow.RangeOf(p)
	if bits >= 96 { // within or without IPv4 as a whole
		c.addrs = append(c.addrs, r)
		return
	}
	if r.First == (flow.Addr{}) {
		r.First = r.First.Next()
	}
	first4, last4 := flow.Addr4(0), flow.Addr4(1<<32-1)
	if r.First.Compare(first4) > 0 || r.Last.Compare(last4) < 0 {
		c.addrs = append(c.addrs, r)
		return
	}
	before := flow.Addr{Lo: first4.Lo - 1}
	c.addrs = append(c.addrs, flow.Range{First: r.First, Last: before}, flow.Range{First: last4.Next(), Last: r.Last})
}

// isName reports whether a text is a host's name: it has a dot, and a letter that no
// address has.
func isName(text string) bool {
	return strings.Contains(text, ".") && strings.ContainsFunc(text, func(r rune) bool { return r|0x20 >= 'g' && r|0x20 <= 'z' && r|0x20 != 'x' }) && !strings.ContainsAny(text, ":/%")
}

// suggestAddress guesses what a mistyped address was meant to be: 10.1 is 10.1.0.0/16,
// and 10.0.0.0/255.0.0.0 is 10.0.0.0/8.
func suggestAddress(text string) string {
	text = strings.ReplaceAll(text, `\`, "/")
	if (&collector{field: SrcIP}).try(text) {
		return text
	}
	address, mask, masked := strings.Cut(text, "/")
	if ones := netmask(mask); ones >= 0 {
		if p, err := netip.ParsePrefix(address + "/" + strconv.Itoa(ones)); err == nil {
			return p.Masked().String()
		}
	}
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().String() + " and port " + strconv.Itoa(int(ap.Port()))
	}
	if low, high, ok := strings.Cut(text, "-"); ok { // 10.0.0.1-9
		if text = low + "-" + low[:strings.LastIndexByte(low, '.')+1] + high; (&collector{field: SrcIP}).try(text) {
			return text
		}
		return ""
	}
	for _, wild := range []string{".*", ".x", ".X"} {
		for strings.HasSuffix(address, wild) {
			address = strings.TrimSuffix(address, wild)
		}
	}
	parts := strings.Split(strings.TrimSuffix(address, "."), ".")
	for i, part := range parts { // 010.001
		if parts[i] = strings.TrimLeft(part, "0"); parts[i] == "" && part != "" {
			parts[i] = "0"
		}
	}
	if whole := strings.Join(parts, "."); len(parts) == 4 && whole != text && !masked {
		if _, err := netip.ParseAddr(whole); err == nil {
			return whole
		}
	}
	if len(parts) > 3 || strings.Contains(address, ":") {
		return ""
	}
	bits := strconv.Itoa(8 * len(parts))
	if masked {
		bits = mask
	}
	for len(parts) < 4 {
		parts = append(parts, "0")
	}
	p, err := netip.ParsePrefix(strings.Join(parts, ".") + "/" + bits)
	if err != nil {
		return ""
	}
	return p.String()
}

// netmask returns the length of a network whose mask is written as an address, -1 when
// text is none.
func netmask(text string) int {
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() {
		return -1
	}
	b := a.As4()
	m := binary.BigEndian.Uint32(b[:])
	ones := bits.LeadingZeros32(^m)
	if m<<ones != 0 {
		return -1
	}
	return ones
}
