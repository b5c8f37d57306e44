package query

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/plugin/nearest"
)

// values is a set of values of one field: the part that its form uses.
type values struct {
	addrs     *AddrSet
	nums      numSet
	flags     []flagTest
	countries []string
}

// flagTest is true of flags that agree with want in mask.
type flagTest struct{ mask, want uint16 }

// collector gathers the values of one term.
type collector struct {
	field     Field
	addrs     []flow.Range
	nums      []numRange
	flags     []flagTest
	countries []string
}

func (c *collector) values() *values {
	v := &values{flags: c.flags, countries: c.countries}
	if fields[c.field].form == formAddress {
		v.addrs = NewAddrSet(c.addrs)
	} else {
		v.nums = newNumSet(c.nums)
	}
	return v
}

// mistake is what is wrong with one value.
type mistake struct{ message, suggestion string }

// add reads one value: a single one or a range.
func (c *collector) add(text string) *mistake {
	switch fields[c.field].form {
	case formAddress:
		return c.addAddress(text)
	case formFlags:
		return c.addFlags(text)
	case formCountry:
		return c.addCountry(text)
	case formService:
		return c.addService(text)
	}
	if n, _, ok := c.number(text); ok {
		c.nums = append(c.nums, numRange{n, n})
		return nil
	}
	low, high, ranged := strings.Cut(text, "-")
	if !ranged || low == "" && high == "" {
		_, suggestion, _ := c.number(text)
		return c.unread(text, suggestion)
	}
	r := numRange{0, fields[c.field].most}
	var ok1, ok2 = true, true
	if low != "" {
		r.first, _, ok1 = c.number(low)
	}
	if high != "" {
		r.last, _, ok2 = c.number(high)
	}
	if !ok1 || !ok2 {
		return c.unread(text, "")
	}
	if r.first > r.last {
		return &mistake{strconv.Quote(text) + " is an empty range", high + "-" + low}
	}
	c.nums = append(c.nums, r)
	return nil
}

func (c *collector) unread(text, suggestion string) *mistake {
	return &mistake{strconv.Quote(text) + " is not " + fields[c.field].want, suggestion}
}

// addCompared reads the value of a comparison.
func (c *collector) addCompared(op, text string) *mistake {
	f := fields[c.field]
	if op == "=" || op == "!=" { // the caller negates
		if f.form == formFlags {
			return c.addExactFlags(text)
		}
		return c.add(text)
	}
	if f.form == formAddress || f.form == formFlags || f.form == formCountry || f.form == formService {
		return &mistake{f.name + " has no order: " + op + " does not apply", ""}
	}
	n, suggestion, ok := c.number(text)
	if !ok {
		return c.unread(text, suggestion)
	}
	r := numRange{0, f.most}
	switch op {
	case ">":
		if n == f.most {
			return nil // nothing is
		}
		r.first = n + 1
	case ">=":
		r.first = n
	case "<":
		if n == 0 {
			return nil
		}
		r.last = n - 1
	case "<=":
		r.last = n
	}
	c.nums = append(c.nums, r)
	return nil
}

// number reads one number of the field.
func (c *collector) number(text string) (n uint64, suggestion string, ok bool) {
	f := fields[c.field]
	switch f.form {
	case formProto:
		if n, ok := protoNumber(text); ok {
			return uint64(n), "", true
		}
		suggestion = nearest.Word(strings.ToLower(text), protoNames())
	case formAS:
		if len(text) > 2 && strings.EqualFold(text[:2], "as") {
			text = text[2:]
		}
	case formCount:
		return parseCount(text, f.most)
	case formDuration:
		return parseMillis(text)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return n, suggestion, err == nil && n <= f.most
}

// counts are the units of counts: k, m, g, t are powers of 1000, ki, mi, gi, ti of
// 1024. A b or B may follow.
var counts = map[string]float64{"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}

func parseCount(text string, most uint64) (n uint64, suggestion string, ok bool) {
	number := strings.TrimRight(text, "kKmMgGtTiIbB")
	unit, known := counts[strings.TrimSuffix(strings.ToLower(text[len(number):]), "b")]
	if !known || number == "" {
		return 0, "", false
	}
	if whole, err := strconv.ParseUint(number, 10, 63); err == nil {
		if whole > most/uint64(unit) {
			return 0, "", false
		}
		return whole * uint64(unit), "", true
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) || v < 0 || strings.ContainsAny(number, "xXpPeE_+-") || v*unit >= float64(most) {
		return 0, "", false
	}
	return uint64(v * unit), "", true
}

// parseMillis reads a time such as 500ms, 1.5s or 1h30m.
func parseMillis(text string) (n uint64, suggestion string, ok bool) {
	if _, err := strconv.ParseFloat(text, 64); err == nil && text != "0" {
		return 0, text + "s", false // seconds, say some tools; milliseconds, say others
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, "", false
	}
	return uint64(d.Milliseconds()), "", true
}

func (c *collector) addCountry(text string) *mistake {
	code, suggestion, ok := countryCode(text)
	if !ok {
		return c.unread(text, suggestion)
	}
	c.countries = append(c.countries, code)
	return nil
}

const flagLetters = "FSRPAUEC" // from bit 0 up

func flagBits(text string) (bits uint16, ok bool) {
	for i := range len(text) {
		n := strings.IndexByte(flagLetters, text[i]&^0x20)
		if n < 0 {
			return 0, false
		}
		bits |= 1 << n
	}
	return bits, text != ""
}

// addFlags reads S (set, whatever else is), S/SA (of SYN and ACK SYN alone) or none.
func (c *collector) addFlags(text string) *mistake {
	if strings.EqualFold(text, "none") {
		c.flags = append(c.flags, flagTest{0xff, 0})
		return nil
	}
	high, low, masked := strings.Cut(text, "/")
	want, ok := flagBits(high)
	mask, maskOK := want, true
	if masked {
		mask, maskOK = flagBits(low)
		if high == "" {
			ok = true // /SA: neither
		}
	}
	if !ok || !maskOK {
		return c.unread(text, "")
	}
	if want&^mask != 0 {
		return &mistake{strconv.Quote(text) + " never matches: the flags before / must stand after it, too", high + "/" + mergeLetters(want|mask)}
	}
	c.flags = append(c.flags, flagTest{mask, want})
	return nil
}

func mergeLetters(bits uint16) (out string) {
	for n := range len(flagLetters) {
		if bits&(1<<n) != 0 {
			out += flagLetters[n : n+1]
		}
	}
	return out
}

// addExactFlags reads flags that are set while no other one is.
func (c *collector) addExactFlags(text string) *mistake {
	want, ok := flagBits(text)
	if !ok {
		return c.addFlags(text)
	}
	c.flags = append(c.flags, flagTest{0xff, want})
	return nil
}

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

// suggestAddress guesses what a mistyped address was meant to be: 10.1 is 10.1.0.0/16,
// and 10.0.0.0/255.0.0.0 is 10.0.0.0/8.
func suggestAddress(text string) string {
	address, mask, masked := strings.Cut(text, "/")
	if m, err := netip.ParseAddr(mask); err == nil && m.Is4() {
		ones := 0
		for b := m.As4(); ones < 32 && b[ones/8]>>(7-ones%8)&1 == 1; {
			ones++
		}
		if p, err := netip.ParsePrefix(address + "/" + strconv.Itoa(ones)); err == nil {
			return p.Masked().String()
		}
	}
	parts := strings.Split(strings.TrimSuffix(address, "."), ".")
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
