package list

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// What is read the short way is what ingest.Parse reads; what looks like it and is not, is
// left to that.
func TestPrefix4(t *testing.T) {
	check := func(line string) (ok bool) {
		t.Helper()
		got, n := prefix4([]byte(line))
		for _, more := range []string{"\n", "\r\n255.255.255.255\n", " # and more than sixteen bytes"} {
			if p, m := prefix4([]byte(line + more)); n == len(line) && (p != got || m != n) {
				t.Errorf("%q: %v before %q, but alone %v", line, p, more, got)
			}
		}
		if n != len(line) || n == 0 {
			return false
		}
		var want intel.Indicator
		if why := ingest.Parse(line, &want); why != "" || want.Prefix.Masked() != got || want.Port != 0 {
			t.Errorf("%q: %v, but it is %v (%s)", line, got, want.Prefix, why)
		}
		return true
	}
	for line, want := range map[string]bool{
		"192.0.2.1": true, "0.0.0.0": true, "255.255.255.255": true, "192.0.2.1/24": true, "192.0.2.1/32": true, "10.0.0.0/0": true, "192.0.2.1/8": true,
		"": false, "192.0.2": false, "192.0.2.": false, "192.0.2.1.": false, "192.0.2.1.5": false, "192.0.2.256": false, "192.0.2.01": false, "192.0.2.1/": false,
		"192.0.2.1/33": false, "192.0.2.1/08": false, "192.0.2.1/+8": false, "192.0.2.1/8/9": false, "192.0.2.1 ": false, "192.0.2.1:80": false, ".192.0.2.1": false,
		"192..2.1": false, "1922.0.2.1": false, "192.0.2.1/2a": false, "a.b.c.d": false, "192.0.2.1-192.0.2.9": false, "192/8": false, "192.0/16": false, "192.0.2.1/024": false,
	} {
		if got := check(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
	r := rand.New(rand.NewPCG(11, 11))
	for range 200_000 {
		b := make([]byte, r.IntN(20))
		for i := range b {
			b[i] = "0123456789../"[r.IntN(13)]
		}
		check(string(b))
		a := netip.AddrFrom4([4]byte{byte(r.Uint32()), byte(r.IntN(12)), byte(r.Uint32()), byte(r.Uint32())})
		if !check(a.String()) || !check(netip.PrefixFrom(a, r.IntN(33)).String()) {
			t.Fatalf("%v is not read", a)
		}
	}
}

// Lines behind the sample that are an IPv4 address or network alone are read without making
// text of them: with the same outcome as all others, also where a list has too many or names
// what no list may.
func TestBareLines(t *testing.T) {
	var bare, spaced, windows strings.Builder
	r := rand.New(rand.NewPCG(3, 3))
	for i := range 60 * sampleLines { // more than is in memory at once
		line := netip.AddrFrom4([4]byte{byte(r.Uint32N(224)), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}).String()
		switch i % 10 {
		case 3:
			line += "/24"
		case 5:
			line += " # named"
		case 6:
			line = "# " + line
		case 7:
			line = ""
		case 8:
			line += "-" + line
		case 9:
			line = "no address"
		}
		bare.WriteString(line + "\n")
		spaced.WriteString(line + " \r\n")
		windows.WriteString(line + "\r\n")
	}
	for _, limit := range []int{0, sampleLines, 300} {
		for _, format := range []Format{Auto, Plain, Hosts} {
			want, wantDrops, wantErr := parse(strings.NewReader(spaced.String()), Reader{Format: format}, limit)
			for _, text := range []string{bare.String(), windows.String(), strings.TrimSuffix(bare.String(), "\n")} {
				got, drops, err := parse(strings.NewReader(text), Reader{Format: format}, limit)
				if !slices.Equal(got, want) || !reflect.DeepEqual(drops, wantDrops) || (err == nil) != (wantErr == nil) || limit == 0 && format != Hosts && len(got) < sampleLines {
					t.Errorf("%s, at most %d: %d and %v, but with spaces %d and %v (%v, %v)", format, limit, len(got), drops, len(want), wantDrops, err, wantErr)
				}
			}
		}
	}
}
