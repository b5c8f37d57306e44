package query

import (
	"math"
	"slices"
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
	in        bool // the word in stood before the values
	quiet     bool // nobody reads what is wrong with a value
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
	if suggestion == "" && !c.quiet {
		if suggestion = c.retyped(text); suggestion == text { // not at this place: bytes > -5
			suggestion = ""
		}
	}
	return &mistake{strconv.Quote(text) + " is not " + fields[c.field].want, suggestion}
}

// typographic are signs that word processors and web pages make of plain ones.
var typographic = strings.NewReplacer("\u2013", "-", "\u2014", "-", "\u2212", "-", "\u2010", "-", "\u2011", "-", "\u201c", "", "\u201d", "", "\u2018", "", "\u2019", "")

// retyped returns what a value was meant to be that is written as elsewhere: 80..90 and
// 80:90, with a dash of a word processor, or https for a port.
func (c *collector) retyped(text string) string {
	plain := typographic.Replace(text)
	if port := serviceNames[strings.ToLower(plain)]; port != "" && fields[c.field].want == wantPort {
		return port
	}
	if c.field == Sampling {
		plain = strings.TrimPrefix(plain, "1:")
	}
	for _, s := range []string{plain, strings.Replace(plain, "..", "-", 1), strings.Replace(plain, ":", "-", 1), strings.ReplaceAll(plain, "_", ""), strings.TrimRight(plain, ";.")} {
		if s != text && c.try(s) {
			return s
		}
	}
	if several := strings.Split(plain, "/"); len(several) < 9 && !slices.ContainsFunc(several, func(s string) bool { return !c.try(s) }) { // tcp/udp
		return strings.Join(several, ",")
	}
	return ""
}

// try reports whether a text is a value of the field.
func (c *collector) try(text string) bool {
	return (&collector{field: c.field, quiet: true}).add(text) == nil
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
		if len(text) > 3 {
			return 0, text + "ms", false // as nfdump counts
		}
		return 0, text + "s", false
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
