package config

import (
	"encoding"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// scalarType is how one Go type is written in YAML. Whether a value was quoted
// makes no difference: the type of the key decides how its text is read.
type scalarType struct {
	want    string                               // what a value is, for messages: "a number"
	set     func(v reflect.Value, s string) bool // false: s is no such value
	suggest func(s string) string                // what s was meant to be, "" when that cannot be told
}

// scalarOf returns how t is written when it is written as a single value.
func scalarOf(t reflect.Type) (scalarType, bool) {
	if s, ok := scalarTypes[t]; ok {
		return s, true
	}
	s, ok := scalarKinds[t.Kind()]
	return s, ok
}

// errRefused stands for any error here: the message is made from scalarType.want.
var errRefused = errors.New("refused")

func noSuggestion(string) string { return "" }

var scalarTypes = map[reflect.Type]scalarType{
	reflect.TypeFor[time.Duration]():  scalar("a duration such as 30s, 5m, 24h or 90d", parseDuration, noSuggestion),
	reflect.TypeFor[Size]():           scalar("a size such as 500KB, 100MB or 2GB", text[Size], noSuggestion),
	reflect.TypeFor[PortRange]():      scalar("a port such as 443 or a range such as 8000-8100", text[PortRange], noSuggestion),
	reflect.TypeFor[Listen]():         scalar("an address such as udp://:2055 or udp://192.0.2.1:2055", text[Listen], suggestListen),
	reflect.TypeFor[netip.Addr]():     scalar("an IP address such as 192.0.2.1 or 2001:db8::1", parseAddr, noSuggestion),
	reflect.TypeFor[netip.Prefix]():   scalar("an IP address or network such as 192.0.2.0/24", parsePrefix, suggestPrefix),
	reflect.TypeFor[intel.Category](): choice[intel.Category](intel.NumCategories),
	reflect.TypeFor[hit.Severity]():   choice[hit.Severity](hit.NumSeverities),
}

// scalarKinds holds the plain types, which have no entry in scalarTypes.
var scalarKinds = map[reflect.Kind]scalarType{
	reflect.String: {"text without line breaks", setString, noSuggestion},
	reflect.Bool:   {"true or false", setBool, suggestBool},
	reflect.Int:    {"a whole number", setInt, noSuggestion},
	reflect.Uint32: {"a whole number from 0 to 4294967295", setUint, noSuggestion},
}

func setString(v reflect.Value, s string) bool {
	v.SetString(s)
	return !strings.ContainsFunc(s, unicode.IsControl)
}

func setBool(v reflect.Value, s string) bool {
	v.SetBool(s == "true")
	return s == "true" || s == "false"
}

func suggestBool(s string) string {
	switch strings.ToLower(s) {
	case "yes", "on", "1", "y", "true":
		return "true"
	case "no", "off", "0", "n", "false":
		return "false"
	}
	return ""
}

func setInt(v reflect.Value, s string) bool {
	n, err := strconv.ParseInt(s, 10, 32)
	v.SetInt(n)
	return err == nil
}

func setUint(v reflect.Value, s string) bool {
	n, err := strconv.ParseUint(s, 10, 32)
	v.SetUint(n)
	return err == nil
}

// scalar makes the scalarType of a T that parse reads.
func scalar[T any](want string, parse func(string) (T, error), suggest func(string) string) scalarType {
	set := func(v reflect.Value, s string) bool {
		x, err := parse(s)
		v.Set(reflect.ValueOf(x))
		return err == nil
	}
	return scalarType{want, set, suggest}
}

// text reads a T by its UnmarshalText.
func text[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](s string) (T, error) {
	var x T
	err := P(&x).UnmarshalText([]byte(s))
	return x, err
}

// choice makes the scalarType of an enumeration with the values 0 to n-1.
func choice[T interface {
	~uint8
	fmt.Stringer
}, P interface {
	*T
	encoding.TextUnmarshaler
}](n int) scalarType {
	names := make([]string, n)
	for i := range names {
		names[i] = T(i).String()
	}
	suggest := func(s string) string { return nearest(s, names) }
	return scalar("one of "+strings.Join(names, ", "), text[T, P], suggest)
}

// parseDuration takes what time.ParseDuration takes, and days before it: 90d,
// 1d12h. A day has 24 hours. Durations are not negative.
func parseDuration(s string) (time.Duration, error) {
	var days time.Duration
	if n, rest, ok := strings.Cut(s, "d"); ok {
		d, err := strconv.ParseUint(n, 10, 16) // 2^16 days are 179 years: no overflow
		if err != nil {
			return 0, err
		}
		if days = time.Duration(d) * 24 * time.Hour; rest == "" {
			return days, nil
		}
		s = rest
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || days+d < 0 {
		return 0, errRefused
	}
	return days + d, nil
}

// parseAddr takes an address without a zone, and v4-mapped ones as IPv4.
func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, errRefused
	}
	return a.Unmap(), nil
}

// parsePrefix takes a network without host bits, or a bare address.
func parsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := parseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p != p.Masked() || p.Addr().Is4In6() {
		return netip.Prefix{}, errRefused
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

// Size is a number of bytes, not negative.
type Size int64

// The units of sizes. KB, MB, GB and TB are decimal, as on disks and in
// journald's and df -H's output; KiB, MiB, GiB and TiB are binary.
const (
	KB  Size = 1000
	MB  Size = 1000 * KB
	GB  Size = 1000 * MB
	TB  Size = 1000 * GB
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
	TiB Size = 1 << 40
)

var sizeUnits = []struct {
	name string
	size Size
}{
	{"TiB", TiB}, {"TB", TB}, {"GiB", GiB}, {"GB", GB}, {"MiB", MiB}, {"MB", MB}, {"KiB", KiB}, {"KB", KB}, {"B", 1}, {"", 1},
}

// UnmarshalText reads a whole number and a unit, in any case and with or without
// a space between them; without a unit the number counts bytes.
func (s *Size) UnmarshalText(b []byte) error {
	number := strings.TrimRightFunc(string(b), unicode.IsLetter)
	unit := string(b[len(number):])
	n, err := strconv.ParseUint(strings.TrimSuffix(number, " "), 10, 63)
	if err != nil {
		return fmt.Errorf("size %q: %w", b, errRefused)
	}
	for _, u := range sizeUnits {
		if strings.EqualFold(u.name, unit) && Size(n) <= (1<<63-1)/u.size {
			*s = Size(n) * u.size
			return nil
		}
	}
	return fmt.Errorf("size %q: %w", b, errRefused)
}

// MarshalText returns the size in the largest unit that divides it.
func (s Size) MarshalText() ([]byte, error) {
	for _, u := range sizeUnits {
		if s != 0 && s%u.size == 0 {
			return []byte(strconv.FormatInt(int64(s/u.size), 10) + u.name), nil
		}
	}
	return []byte("0"), nil
}

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
		if _, err := text[Listen](full); err == nil {
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
