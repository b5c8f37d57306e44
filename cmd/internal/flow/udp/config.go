package udp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/settings"
)

// Address is one place where datagrams are received, an entry of listen in the
// configuration.
type Address struct {
	Scheme string // "udp"
	Host   string // host:port for package net; port 0 lets the kernel choose
}

// UnmarshalText reads "udp://host:port"; without a host, all addresses.
func (l *Address) UnmarshalText(b []byte) error {
	address, ok := strings.CutPrefix(string(b), "udp://")
	if !ok || !settings.IsHostPort(address) {
		return fmt.Errorf("listen %q: want udp://host:port", b)
	}
	*l = Address{"udp", address}
	return nil
}

// String returns what UnmarshalText reads.
func (l Address) String() string { return l.Scheme + "://" + l.Host }

// MarshalText returns what UnmarshalText reads.
func (l Address) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// suggest completes what lacks its scheme: 192.0.2.1:2055, :2055, 2055.
func suggest(s string) string {
	for _, full := range []string{"udp://" + s, "udp://:" + s} {
		if new(Address).UnmarshalText([]byte(full)) == nil {
			return full
		}
	}
	return ""
}

// Types returns how an Address is written.
func Types() []settings.Type {
	return []settings.Type{settings.Text[Address]("an address such as udp://:2055 or udp://192.0.2.1:2055", suggest)}
}

// Complete refuses addresses that stand twice in the section at of the file.
func Complete(addresses []Address, at settings.Section) {
	for i, a := range addresses {
		if at := at.Index(i); !at.Reported("") && !strings.HasSuffix(a.Host, ":0") {
			if first := slices.Index(addresses, a); first < i {
				at.Errorf("", "%s is given twice, first as listen[%d]; remove one", at.Text(""), first)
			}
		}
	}
}
