package geo

import (
	"fmt"
	"strings"
)

// Country is where an address is: two letters, or one of the words below. The zero
// value is unknown.
type Country uint16

// What is not a country.
const (
	Unknown   Country = iota // prints as "--"
	Private                  // not routed on the Internet: RFC 1918, RFC 4193, loopback, link-local, RFC 6598
	Multicast                // of a group
	tunnel                   // in tables only: the address holds another one
)

// texts holds what String returns, two letters each, so that it allocates nothing.
var texts = func() string {
	var t [2 * 26 * 26]byte
	for i := range 26 * 26 {
		t[2*i], t[2*i+1] = byte('A'+i/26), byte('A'+i%26)
	}
	return string(t[:])
}()

// NewCountry returns the country of two letters, Unknown where they are none.
func NewCountry(code string) Country {
	if len(code) != 2 {
		return Unknown
	}
	a, b := code[0]&^0x20, code[1]&^0x20
	if a < 'A' || a > 'Z' || b < 'A' || b > 'Z' {
		return Unknown
	}
	return Country(a)<<8 | Country(b)
}

// pseudo are codes that some databases have, and that are nobody's country: unions,
// placeholders, and states that ended. renamed are those with another official code.
var (
	pseudo  = map[string]bool{"EU": true, "AP": true, "ZZ": true, "XX": true, "AN": true, "CS": true, "SU": true, "YU": true, "T1": true, "A1": true, "A2": true, "O1": true}
	renamed = map[string]string{"UK": "GB", "EL": "GR"}
)

// Published returns the country of a code as databases have it.
func Published(code string) Country {
	code = strings.ToUpper(strings.TrimSpace(code))
	if name, ok := renamed[code]; ok {
		code = name
	}
	if pseudo[code] {
		return Unknown
	}
	return NewCountry(code)
}

// IsCode reports whether c is a country's code.
func (c Country) IsCode() bool { return c > tunnel }

// String returns "NL", "--", "private" or "multicast". It does not allocate.
func (c Country) String() string {
	switch {
	case c == Private:
		return "private"
	case c == Multicast:
		return "multicast"
	case !c.IsCode():
		return "--"
	}
	i := (int(c>>8)-'A')*26 + int(c&0xff) - 'A'
	if i < 0 || i >= len(texts)/2 {
		return "--"
	}
	return texts[2*i : 2*i+2]
}

// Code returns two letters for everything: "NL", "--", and "xp" and "xm" in small
// letters for Private and Multicast.
func (c Country) Code() string {
	switch c {
	case Private:
		return "xp"
	case Multicast:
		return "xm"
	}
	return c.String()
}

// MarshalText returns what String returns.
func (c Country) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText accepts two letters of ISO 3166-1.
func (c *Country) UnmarshalText(b []byte) error {
	got := NewCountry(string(b))
	if !codes[got] {
		return fmt.Errorf("%q is not a country code of two letters (ISO 3166-1)", b)
	}
	*c = got
	return nil
}
