package hit

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"strconv"
)

// ip is an address that is absent from JSON when invalid.
type ip struct{ netip.Addr }

// IsZero tells encoding/json when to leave a out.
func (a ip) IsZero() bool { return !a.IsValid() }

// ioc is an address or a prefix; a whole address is written without its length.
type ioc struct{ netip.Prefix }

// IsZero tells encoding/json when to leave p out.
func (p ioc) IsZero() bool { return !p.IsValid() }

// MarshalText returns what the line prints.
func (p ioc) MarshalText() ([]byte, error) { return appendPrefix(nil, p.Prefix), nil }

// UnmarshalText accepts an address or a prefix.
func (p *ioc) UnmarshalText(b []byte) error {
	if bytes.IndexByte(b, '/') >= 0 {
		return p.Prefix.UnmarshalText(b)
	}
	a, err := netip.ParseAddr(string(b))
	if err != nil {
		return err
	}
	p.Prefix = netip.PrefixFrom(a.WithZone(""), a.BitLen())
	return nil
}

// port is absent from JSON when it is NoPort; port 0 is an ICMP type or code.
type port int

// IsZero tells encoding/json when to leave p out.
func (p port) IsZero() bool { return p == NoPort }

// proto is written as its keyword, or as digits in a string where it has none.
type proto uint8

// MarshalText returns what the line prints.
func (p proto) MarshalText() ([]byte, error) { return appendProto(nil, uint8(p)), nil }

// UnmarshalText accepts what MarshalText returns.
func (p *proto) UnmarshalText(b []byte) error {
	if n, ok := protoNumber(string(b)); ok {
		*p = proto(n)
		return nil
	}
	n, err := strconv.ParseUint(string(b), 10, 8)
	if err != nil {
		return fmt.Errorf("unknown protocol %q", b)
	}
	*p = proto(n)
	return nil
}

// decimal is a number of which JSON has two digits after the point. What is not a number
// is 0.
type decimal float64

// MarshalJSON never fails, as json does over NaN.
func (d decimal) MarshalJSON() ([]byte, error) {
	f := float64(d)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		f = 0
	}
	return strconv.AppendFloat(nil, math.Round(f*100)/100, 'f', -1, 64), nil
}
