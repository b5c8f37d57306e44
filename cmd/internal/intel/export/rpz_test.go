package export

import (
	"bytes"
	"maps"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

var then = time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)

// block packs one feed's indicators.
func block(t testing.TB, feed string, all ...intel.Indicator) *intel.Block {
	t.Helper()
	b := intel.NewBuilder(feed)
	for _, i := range all {
		if !b.Add(&i) {
			t.Fatalf("the builder rejects %+v", i)
		}
	}
	return b.Block()
}

func domain(name string) intel.Indicator { return intel.Indicator{Domain: name, Score: 60} }

func network(text string) intel.Indicator {
	return intel.Indicator{Prefix: netip.MustParsePrefix(text), Score: 60}
}

// zoneOf writes a zone and returns the records after its head, without comments.
func zoneOf(t *testing.T, o Options, all ...intel.Indicator) ([]string, Stats) {
	t.Helper()
	o.Format, o.Now = "rpz", then
	var out bytes.Buffer
	s, err := Write(&out, intel.NewSet(block(t, "f", all...)), o)
	if err != nil {
		t.Fatal(err)
	}
	_, records, ok := strings.Cut(out.String(), "@ NS localhost.\n")
	if !ok {
		t.Fatalf("no name server in\n%s", out.String())
	}
	var lines []string
	for line := range strings.Lines(records) {
		line, _, _ = strings.Cut(line, ";")
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines, s
}

func TestRPZ(t *testing.T) {
	t.Parallel()
	set := intel.NewSet(
		block(t, "otx",
			intel.Indicator{Domain: "bad.example", Score: 80, Name: "Wave 3; \"$INCLUDE /etc/passwd\n@ \x00", Ref: "https://ref.example/1"},
			intel.Indicator{Prefix: netip.MustParsePrefix("2001:db8::1:0:0:1/128"), Score: 70, Name: "Wave 4"}),
		block(t, "dshield", network("192.0.2.0/24"), domain("bad.example"), intel.Indicator{URL: "http://shared.example/x", Score: 90}),
	)
	var out bytes.Buffer
	s, err := Write(&out, set, Options{Format: "rpz", Zone: "C2.rpz.flowhound.", Now: then})
	if err != nil {
		t.Fatal(err)
	}
	want := `; Response policy zone c2.rpz.flowhound, written by flowhound: changes made here are lost.
$TTL 60
@ SOA localhost. hostmaster.localhost. 1780833600 3600 600 604800 60
@ NS localhost.
24.0.2.0.192.rpz-ip CNAME . ; dshield
128.1.0.0.1.zz.db8.2001.rpz-ip CNAME . ; otx, Wave 4
bad.example CNAME . ; otx, Wave 3; "$INCLUDE /etc/passwd @, https://ref.example/1
*.bad.example CNAME .
`
	if out.String() != want {
		t.Errorf("the zone is\n%s\nwant\n%s", out.String(), want)
	}
	if s.Written != 3 || len(s.Left) != 0 {
		t.Errorf("%+v, want 3 written, none left", s)
	}
}

func TestRPZActions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ action, garden, want string }{
		{"", "", "."}, {"nxdomain", "", "."}, {"nodata", "", "*."}, {"passthru", "", "rpz-passthru."},
		{"drop", "", "rpz-drop."}, {"tcp-only", "", "rpz-tcp-only."}, {"cname", "Walled.example", "walled.example."}, {"cname", "w.example.", "w.example."},
	} {
		got, _ := zoneOf(t, Options{Action: c.action, CNAME: c.garden}, domain("bad.example"))
		if len(got) != 2 || got[0] != "bad.example CNAME "+c.want || got[1] != "*.bad.example CNAME "+c.want {
			t.Errorf("%s: %q", c.action, got)
		}
	}
	for _, o := range []Options{
		{Action: "block"}, {Action: "cname"}, {Action: "nodata", CNAME: "walled.example"}, {CNAME: "walled.example"},
		{Action: "allow", CNAME: "walled.example"}, {Action: "allow", Filter: Filter{MinScore: 1}}, {Action: "allow", Filter: Filter{Kinds: []Kind{Domain}}},
		{Action: "cname", CNAME: "rpz-passthru."}, {Action: "cname", CNAME: "a b"}, {Zone: "a b"}, {Zone: strings.Repeat("a.", 200) + "a"},
	} {
		o.Format = "rpz"
		if _, err := Write(new(bytes.Buffer), nil, o); err == nil {
			t.Errorf("accepted %+v", o)
		}
	}
}

// What a zone cannot hold is left out and counted, and what stays is whole.
func TestRPZLeavesOut(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("a", 63)
	for name, want := range map[string]Reason{
		"good.example": "", "UPPER.example.": "", "*.wild.example": "", "_dmarc.under_score.example": "", "-dash.example": "",
		"bücher.example": "", "xn--bcher-kva.example": "", "127.example": "", label + ".example": "",
		label + "." + label + "." + label + "." + strings.Repeat("a", 45): "", // with "*." and the zone 253

		label + "." + label + "." + label + "." + strings.Repeat("a", 46): reasonLongName,
		"a" + label + ".example":     reasonBadName,
		"two words.example":          reasonBadName,
		`quo"te.example`:             reasonBadName,
		"semi;colon.example":         reasonBadName,
		"$include.example":           reasonBadName,
		"@":                          reasonBadName,
		`back\.slash.example`:        reasonBadName,
		"(paren.example":             reasonBadName,
		"new\nline.example":          reasonBadName,
		"tab\t.example":              reasonBadName,
		"nul\x00.example":            reasonBadName,
		"\xff\xfe.example":           reasonBadName,
		"-ü.example":                 reasonBadName,
		"a..example":                 reasonBadName,
		".example":                   reasonBadName,
		"*.*.example":                reasonBadName,
		"a.*.example":                reasonBadName,
		"192.0.2.1":                  reasonBadName,
		"2001:db8::1":                reasonBadName,
		"example":                    reasonOneLabel,
		"32.1.2.0.192.rpz-ip":        reasonReserved,
		"8.0.0.0.10.RPZ-Client-IP":   reasonReserved,
		"*.evil.example.rpz-nsdname": reasonReserved,
	} {
		got, s := zoneOf(t, Options{}, domain(name), domain("other.test"))
		lines, left := 4, 0
		if want != "" {
			lines, left = 2, 1
		}
		if len(got) != lines || s.Left[want] != left || len(s.Left) != left || s.Written != lines/2 {
			t.Errorf("%q: %+v, want %q:\n%s", name, s, want, strings.Join(got, "\n"))
		}
	}
	got, s := zoneOf(t, Options{}, network("0.0.0.0/0"), network("::/0"), network("198.51.100.77/24"), network("::ffff:192.0.2.1/128"))
	if want := "24.0.100.51.198.rpz-ip CNAME ."; len(got) != 2 || got[1] != want || got[0] != "32.1.2.0.192.rpz-ip CNAME ." || s.Left[reasonTooWide] != 2 {
		t.Errorf("%+v:\n%s", s, strings.Join(got, "\n"))
	}
}

// A record below a listed name would take names out from under its wildcard.
func TestRPZListsNoNameTwice(t *testing.T) {
	t.Parallel()
	got, s := zoneOf(t, Options{},
		domain("bad.example"), domain("a.b.c.bad.example"), domain("*.c.bad.example"), domain("notbad.example"),
		domain("bücher.example"), domain("xn--bcher-kva.example"), domain("example"))
	var want []string
	for _, name := range []string{"bad.example", "xn--bcher-kva.example", "notbad.example"} {
		want = append(want, name+" CNAME .", "*."+name+" CNAME .")
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || s.Written != 3 || s.Left[reasonCovered] != 3 || s.Left[reasonOneLabel] != 1 {
		t.Errorf("%+v:\n%s\nwant\n%s", s, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func allowed(text string) intel.AllowEntry {
	e := intel.AllowEntry{List: "allow.txt", Reason: "ours"}
	if p, err := netip.ParsePrefix(text); err == nil {
		e.Prefix = p
		return e
	}
	e.Domain, e.Subdomains = strings.CutPrefix(text, ".")
	return e
}

func TestRPZAllowZone(t *testing.T) {
	t.Parallel()
	set := intel.NewSetExcept(intel.NewAllow(
		allowed("192.0.2.7/32"), allowed("2001:db8::/32"), allowed("only.example"), allowed(".all.example"),
		allowed("a.b.all.example"), allowed(".c.all.example"), allowed(".Corp"), allowed("bücher.example"), allowed("two words.example"),
		allowed("8.0.0.0.10.rpz-client-ip"),
	), block(t, "f", domain("bad.example")))
	var out bytes.Buffer
	s, err := Write(&out, set, Options{Format: "rpz", Action: "allow", Now: then})
	if err != nil {
		t.Fatal(err)
	}
	want := `; Response policy zone allow.rpz.flowhound, written by flowhound: changes made here are lost.
$TTL 60
@ SOA localhost. hostmaster.localhost. 1780833600 3600 600 604800 60
@ NS localhost.
all.example CNAME rpz-passthru. ; allow.txt, ours
*.all.example CNAME rpz-passthru.
xn--bcher-kva.example CNAME rpz-passthru. ; allow.txt, ours
corp CNAME rpz-passthru. ; allow.txt, ours
*.corp CNAME rpz-passthru.
only.example CNAME rpz-passthru. ; allow.txt, ours
`
	if out.String() != want {
		t.Errorf("the zone is\n%s\nwant\n%s", out.String(), want)
	}
	if left := map[Reason]int{reasonAddress: 2, reasonCovered: 2, reasonBadName: 1, reasonReserved: 1}; s.Written != 4 || !maps.Equal(s.Left, left) {
		t.Errorf("%+v, want 4 written and %v left", s, left)
	}
}

func TestRPZAddressOwners(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{
		"192.0.2.1/32":                "32.1.2.0.192.rpz-ip",
		"203.0.113.0/24":              "24.0.113.0.203.rpz-ip",
		"2001:db8::/32":               "32.zz.db8.2001.rpz-ip",
		"2001:db8::1/128":             "128.1.zz.db8.2001.rpz-ip",
		"2001:db8:0:1::/64":           "64.zz.1.0.db8.2001.rpz-ip",
		"2001:db8::1:0:0:1/128":       "128.1.0.0.1.zz.db8.2001.rpz-ip",
		"2001:db8:0:0:1:0:0:0/128":    "128.zz.1.0.0.db8.2001.rpz-ip",
		"2001:db8:0:1:1:1:1:1/128":    "128.1.1.1.1.1.0.db8.2001.rpz-ip",
		"2001:db8:1:2:3:4:5:6/128":    "128.6.5.4.3.2.1.db8.2001.rpz-ip",
		"2001:db8:1:2:3:4:5:abcd/112": "112.0.5.4.3.2.1.db8.2001.rpz-ip",
		"::1/128":                     "128.1.zz.rpz-ip",
		"8000::/1":                    "1.zz.8000.rpz-ip",
	} {
		if got := string(appendAddressOwner(nil, netip.MustParsePrefix(prefix))); got != want {
			t.Errorf("%s is %s, want %s", prefix, got, want)
		}
	}
}

func TestSerialGrows(t *testing.T) {
	t.Parallel()
	unix := uint32(then.Unix())
	for former, want := range map[uint32]uint32{
		0: unix, unix - 1: unix, unix: unix + 1, unix + 7: unix + 8, 2026112301: 2026112302,
		math.MaxUint32: unix, // RFC 1982: it wraps
	} {
		if got := nextSerial(former, then); got != want || former != 0 && int32(got-former) <= 0 {
			t.Errorf("after %d comes %d, want %d", former, got, want)
		}
	}
	if got := nextSerial(math.MaxUint32, time.Unix(1<<31-1+1<<31, 0)); got == 0 {
		t.Error("the serial wraps to 0, which means none")
	}
}

func fileSerial(t testing.TB, path string) uint32 {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(content) {
		if n, ok := rpzSerial(line); ok {
			return n
		}
	}
	t.Fatalf("no serial in\n%s", content)
	return 0
}

// The file on disk remembers the serial; a zone that says nothing new keeps it.
func TestRPZFileKeepsSerial(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rpz.zone")
	write := func(now time.Time, all ...intel.Indicator) (bool, uint32) {
		t.Helper()
		_, changed, err := File(path, intel.NewSet(block(t, "f", all...)), Options{Format: "rpz", Now: now})
		if err != nil {
			t.Fatal(err)
		}
		return changed, fileSerial(t, path)
	}
	if changed, n := write(then, domain("a.example")); !changed || n != uint32(then.Unix()) {
		t.Errorf("first: %v, serial %d", changed, n)
	}
	if changed, n := write(then.Add(time.Hour), domain("a.example")); changed || n != uint32(then.Unix()) {
		t.Errorf("unchanged: %v, serial %d", changed, n)
	}
	if changed, n := write(then, domain("a.example"), domain("b.example")); !changed || n != uint32(then.Unix())+1 {
		t.Errorf("in the same second: %v, serial %d", changed, n)
	}
	if changed, n := write(then.Add(-time.Hour), domain("b.example")); !changed || n != uint32(then.Unix())+2 {
		t.Errorf("after the clock went back: %v, serial %d", changed, n)
	}
	if changed, n := write(then.Add(time.Hour), domain("c.example")); !changed || n != uint32(then.Unix())+3600 {
		t.Errorf("later: %v, serial %d", changed, n)
	}
}
