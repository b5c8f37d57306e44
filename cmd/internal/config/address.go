package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// PortRange is the ports First to Last, both included, 1-65535.
type PortRange struct{ First, Last uint16 }

// UnmarshalText reads "443" or "8000-8100".
func (r *PortRange) UnmarshalText(b []byte) error {
	first, last, ranged := strings.Cut(string(b), "-")
	if !ranged {
		last = first
	}
	lo, err1 := strconv.ParseUint(first, 10, 16)
	hi, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || lo == 0 || lo > hi {
		return fmt.Errorf("ports %q: %w", b, errRefused)
	}
	*r = PortRange{uint16(lo), uint16(hi)}
	return nil
}

// MarshalText returns what UnmarshalText reads.
func (r PortRange) MarshalText() ([]byte, error) {
	if r.First == r.Last {
		return strconv.AppendUint(nil, uint64(r.First), 10), nil
	}
	return fmt.Appendf(nil, "%d-%d", r.First, r.Last), nil
}

// Listen is one place where datagrams are received.
type Listen struct {
	Scheme  string // "udp"
	Address string // host:port for package net; port 0 lets the kernel choose
}

// UnmarshalText reads "udp://host:port"; without a host, all addresses.
func (l *Listen) UnmarshalText(b []byte) error {
	address, ok := strings.CutPrefix(string(b), "udp://")
	if !ok || !isHostPort(address) {
		return fmt.Errorf("listen %q: %w", b, errRefused)
	}
	*l = Listen{"udp", address}
	return nil
}

// String returns what UnmarshalText reads.
func (l Listen) String() string { return l.Scheme + "://" + l.Address }

// MarshalText returns what UnmarshalText reads.
func (l Listen) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// suggestListen completes what lacks its scheme: 192.0.2.1:2055, :2055, 2055.
func suggestListen(s string) string {
	for _, full := range []string{"udp://" + s, "udp://:" + s} {
		if new(Listen).UnmarshalText([]byte(full)) == nil {
			return full
		}
	}
	return ""
}

// isHostPort reports whether s is host:port with a numeric port and a host of
// printable ASCII, or none.
func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' }) {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}
