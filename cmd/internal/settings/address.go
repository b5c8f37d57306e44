package settings

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// ParseAddr takes an address without a zone, and v4-mapped ones as IPv4.
func ParseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, errRejected
	}
	return a.Unmap(), nil
}

// parsePrefix takes a network without host bits, or a bare address.
func parsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p != p.Masked() || p.Addr().Is4In6() {
		return netip.Prefix{}, errRejected
	}
	return p, nil
}

// suggestPrefix clears host bits: 10.1.2.3/8 may be meant as 10.0.0.0/8, or not.
func suggestPrefix(s string) string {
	if p, err := netip.ParsePrefix(s); err == nil && !p.Addr().Is4In6() {
		return p.Masked().String()
	}
	return ""
}

// IsHostPort reports whether s is host:port with a numeric port and a host of
// printable ASCII, or none.
func IsHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' }) {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// HostPort is the tag host_port: what IsHostPort accepts.
func HostPort() Tag {
	return Tag{Name: "host_port", Is: IsHostPort, Want: "an address such as 127.0.0.1:8055"}
}

// ByAddr is a map of what is set for addresses, such as {192.0.2.1: 100}.
type ByAddr[V any] map[netip.Addr]V

// MarshalYAML returns the map under keys that the YAML library can sort.
func (m ByAddr[V]) MarshalYAML() (any, error) {
	out := make(map[string]V, len(m))
	for addr, v := range m {
		out[addr.String()] = v
	}
	return out, nil
}
