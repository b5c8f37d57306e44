package site

import (
	"net/netip"
	"slices"
	"testing"
)

func TestPortRange(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]PortRange{"443": {443, 443}, "8000-8100": {8000, 8100}, "1-65535": {1, 65535}, "7-7": {7, 7}} {
		var r PortRange
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%s: %v, %v", text, r, err)
		}
		b, err := r.MarshalText()
		var again PortRange
		if err != nil || again.UnmarshalText(b) != nil || again != want {
			t.Errorf("%s is written %s, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "0", "65536", "9-8", "-", "1-", "-1", "http", "1-2-3", " 1", "1 - 2"} {
		r := PortRange{7, 8}
		if err := r.UnmarshalText([]byte(text)); err == nil || r != (PortRange{7, 8}) {
			t.Errorf("%q is read as %v", text, r)
		}
	}
}

func FuzzPortRange(f *testing.F) {
	for _, text := range []string{"443", "8000-8100", "0", "9-8", "1-65536"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r, again PortRange
		if r.UnmarshalText([]byte(text)) != nil {
			return
		}
		if b, err := r.MarshalText(); err != nil || again.UnmarshalText(b) != nil || again != r || r.First == 0 || r.First > r.Last {
			t.Errorf("%q is %v, written %s, %v", text, r, b, err)
		}
	})
}

// The built-in service ports stay, further ones join them, and each is there once.
func TestAllServicePorts(t *testing.T) {
	t.Parallel()
	n := Networks{ServicePorts: []PortRange{{443, 445}, {61000, 61002}, {65535, 65535}}}
	ports := n.AllServicePorts()
	if !slices.IsSorted(ports) || len(slices.Compact(slices.Clone(ports))) != len(ports) {
		t.Errorf("not in order, or twice: %v", ports)
	}
	for _, p := range []uint16{22, 53, 443, 444, 445, 61000, 61001, 61002, 65535} {
		if !slices.Contains(ports, p) {
			t.Errorf("port %d is missing", p)
		}
	}
	if before := len(Networks{}.AllServicePorts()); len(ports) != before+5 { // 443 and 445 are built in
		t.Errorf("%d ports, %d without further ones", len(ports), before)
	}
	for _, p := range (Networks{}).AllServicePorts() {
		if p >= 32768 {
			t.Errorf("port %d is one that clients have", p)
		}
	}
}

func TestNamed(t *testing.T) {
	t.Parallel()
	one, two, three, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("2001:db8::1")
	e := Exporters{
		Allow:    []netip.Prefix{netip.PrefixFrom(two, 32), netip.MustParsePrefix("198.51.100.0/24"), netip.PrefixFrom(six, 128)},
		Sampling: Sampling{one: 100, two: 10}, OutBytes: OutBytes{three: OutReverse},
	}
	want := []netip.Prefix{netip.PrefixFrom(one, 32), netip.PrefixFrom(two, 32), netip.PrefixFrom(three, 32), netip.PrefixFrom(six, 128)}
	if got := e.Named(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestOwn(t *testing.T) {
	t.Parallel()
	n := DefaultNetworks()
	local := len(n.Local)
	n.NAT = []netip.Prefix{netip.MustParsePrefix("203.0.113.1/32")}
	own := n.Own()
	if len(own) != local+1 || !slices.Contains(own, n.NAT[0]) || len(n.Local) != local {
		t.Errorf("%v", own)
	}
}
