package ingest

import (
	"strings"
	"testing"
)

func TestCutSpan(t *testing.T) {
	for _, tt := range []struct{ text, want, rest string }{
		{"192.0.2.0-192.0.2.255", "192.0.2.0/24", ""},
		{"192.0.2.0 - 192.0.2.255 , 000 , Some Org", "192.0.2.0/24", " , 000 , Some Org"},
		{"192.0.2.0 -192.0.2.255", "192.0.2.0/24", ""},
		{"192.0.2.0 to 192.0.2.255 x", "192.0.2.0/24", " x"},
		{"192.0.2.1-9", "192.0.2.1/32 192.0.2.2/31 192.0.2.4/30 192.0.2.8/31", ""},
		{"192.0.2.0 – 192.0.2.3", "192.0.2.0/30", ""},
		{"198.51.100.0,198.51.100.255,Some Org", "198.51.100.0/24", ",Some Org"},
		{"198.51.100.4;198.51.100.6;x", "198.51.100.4/31 198.51.100.6/32", ";x"},
		{"198.51.100.0 198.51.100.255 Org", "198.51.100.0/24", " Org"},
		{"203.0.113.0 255.255.255.128", "203.0.113.0/25", ""},
		{"203.0.113.0 netmask 255.255.255.128", "203.0.113.0/25", ""},
		{"203.0.113.9/255.255.255.0 x", "203.0.113.0/24", " x"},
		{"203.0.113.0,255.255.255.0,US", "203.0.113.0/24", ",US"},
		{"203.0.113.0 0.0.0.127 log", "203.0.113.0/25", " log"},
		{"192.0.2.* all of it", "192.0.2.0/24", " all of it"},
		{"192.0.*.*", "192.0.0.0/16", ""},
		{"192.000.002.000 - 192.000.002.255 , 000 , x", "192.0.2.0/24", " , 000 , x"},
		{"2001:db8::-2001:db8::3", "2001:db8::/126", ""},
		{"192.0.2.9-192.0.2.1", "range that ends before it begins", ""},
		{"0.0.0.1-255.255.255.254", "wider than /8 (IPv4) or /19 (IPv6)", ""},
	} {
		span, rest, found := CutSpan(tt.text)
		networks, why := span.Networks()
		got := string(why)
		for _, n := range networks {
			got = strings.TrimSpace(got + " " + n.String())
		}
		if !found || got != tt.want || rest != tt.rest {
			t.Errorf("CutSpan(%q) = %v %q, rest %q; want %q, %q", tt.text, found, got, rest, tt.want, tt.rest)
		}
	}
	for _, text := range []string{
		"", "192.0.2.1", "192.0.2.1 seen", "192.0.2.0/24", "bad-host.example", "192.0.2.1-x", "192.0.2.1-300", "192.0.2.1 192.0.2.7", "192.0.2.1,198.51.100.7",
		"198.51.100.7,192.0.2.1", "192.0.2.0 255.0.255.0", "*.bad.example", "2026-01-02 03:04:05", "192.0.2.0 0.0.0.0", "192.000.002.001", "2001:db8::1-9",
	} {
		if span, rest, found := CutSpan(text); found {
			t.Errorf("CutSpan(%q) = %+v, rest %q", text, span, rest)
		}
	}
}

func FuzzCutSpan(f *testing.F) {
	for _, s := range []string{"192.0.2.0 - 192.0.2.255 , x", "192.0.2.1-9", "192.0.2.0/255.255.255.0", "192.0.2.0 0.0.0.255", "192.0.*.*", "::-::1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		span, rest, found := CutSpan(text)
		if found && (!strings.HasSuffix(text, rest) || len(rest) == len(text)) {
			t.Fatalf("%q: rest %q", text, rest)
		}
		networks, why := span.Networks()
		if !found && len(networks) > 0 || found && (why == "") != (len(networks) > 0) {
			t.Fatalf("%q: %v %q", text, networks, why)
		}
		for _, n := range networks {
			if n.Masked() != n || n.Addr().Is4In6() || n.Addr().Zone() != "" {
				t.Fatalf("%q: %s", text, n)
			}
		}
	})
}
