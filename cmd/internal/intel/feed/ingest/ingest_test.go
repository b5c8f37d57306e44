package ingest

import (
	"bufio"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		text string
		want string // prefix, domain or URL, with the port behind a blank
		why  Reason
	}{
		{"198.51.100.7", "198.51.100.7/32", ""},
		{"198.51.100.7/24", "198.51.100.0/24", ""},
		{"198.51.100.7:8080", "198.51.100.7/32 8080", ""},
		{"[2001:db8::1]:443", "2001:db8::1/128 443", ""},
		{"[2001:db8::1]", "2001:db8::1/128", ""},
		{"2001:DB8::0:1", "2001:db8::1/128", ""},
		{"2001:db8::/33", "2001:db8::/33", ""},
		{"::ffff:203.0.113.9", "203.0.113.9/32", ""},
		{"::ffff:203.0.113.9/120", "203.0.113.0/24", ""},
		{"198[.]51[.]100[.]77", "198.51.100.77/32", ""},
		{"0.0.0.0/0", "0.0.0.0/0", ""}, // Policy's to reject
		{"bad.example.", "bad.example", ""},
		{"BAD.Example", "bad.example", ""},
		{"*.wild.example", "wild.example", ""},
		{"||ad.example^", "ad.example", ""},
		{"||ad.example^$third-party", "ad.example", ""},
		{"bad.example:8443", "bad.example 8443", ""},
		{"_x.bad.example", "_x.bad.example", ""},
		{"3com.example", "3com.example", ""},
		{"bücher.example", "xn--bcher-kva.example", ""},
		{"http://bad.example/x?y#z", "http://bad.example/x?y#z", ""},
		{"hxxp://defanged[.]example", "http://defanged.example", ""},
		{"192.0.2.1|443", "192.0.2.1/32 443", ""},
		{"2001:db8::1|443", "2001:db8::1/128 443", ""},
		{"bad.example|443", "bad.example 443", ""},
		{"|192.0.2.2^", "192.0.2.2/32", ""},
		{"||192.0.2.1^$all", "192.0.2.1/32", ""},
		{"||192.0.2.0/24^", "192.0.2.0/24", ""},
		{".bad.example", "bad.example", ""},
		{"Ip:192.0.2.1", "192.0.2.1/32", ""},
		{"Range: 192.0.2.0/24", "192.0.2.0/24", ""},
		{"ip:2001:db8::1", "2001:db8::1/128", ""},
		{"domain:bad.example", "bad.example", ""},
		{"host.bad.example:8080", "host.bad.example 8080", ""},
		{`"192.0.2.1"`, "192.0.2.1/32", ""},
		{"'bad.example'", "bad.example", ""},
		{"<http://bad.example/x>", "http://bad.example/x", ""},
		{"http://192.0.2.1/bin%", "http://192.0.2.1/bin%", ""},
		{"http://192.0.2.2:8080/%%20x", "http://192.0.2.2:8080/%%20x", ""},
		{"http://198.51.100.23:8080/gate.php", "http://198.51.100.23:8080/gate.php", ""},

		{"198.51.100.025", "", LeadingZero},
		{"198.51.100.025:80", "", LeadingZero},
		{"010.0.0.0/8", "", LeadingZero},
		{"192.0.2.0/024", "", LeadingZero},
		{"fe80::1%eth0", "", Zone},
		{"[fe80::1%eth0]:80", "", Zone},
		{"256.1.1.1", "", Unreadable},
		{"1.2.3", "", Unreadable},
		{"192.0.2.0/33", "", Unreadable},
		{"192.0.2.0/-1", "", Unreadable},
		{"192.0.2.0/", "", Unreadable},
		{"192.0.2.0/24/7", "", Unreadable},
		{"", "", Unreadable},
		{"a..example", "", Unreadable},
		{"-", "", SingleLabel},
		{"ops@bad.example", "", Unsupported},
		{"AS64500", "", Unsupported},
		{"CVE-2026-1234", "", Unsupported},
		{"As:64500", "", Unsupported},
		{strings.Repeat("0a", 16), "", Hash},
		{strings.Repeat("0A", 32), "", Hash},
		{"md5:" + strings.Repeat("0a", 16), "", Hash},
		{"192.0.2.1|99999", "", Unreadable},
		{"192.0.2.1:80|443", "", Unreadable},
		{"ip:port", "", SingleLabel},
		{"bad.example:99999", "", Unreadable},
		{"bad.example/path", "", Unreadable},
		{"http://", "", Unreadable},
		{"http://[::1", "", Unreadable},
		{"<html>", "", SingleLabel},
		{strings.Repeat("a", 64) + ".example", "", Unreadable},
		{"localhost", "", SingleLabel},
		{"co.uk", "", PublicSuffix},
	} {
		var i intel.Indicator
		why := Parse(tt.text, &i)
		got := i.Domain + i.URL
		if i.Prefix.IsValid() {
			got = i.Prefix.String()
		}
		if i.Port != 0 {
			got += " " + netip.AddrPortFrom(netip.IPv4Unspecified(), i.Port).String()[len("0.0.0.0:"):]
		}
		if why != tt.why || why == "" && got != tt.want {
			t.Errorf("Parse(%q) = %q, %q; want %q, %q", tt.text, got, why, tt.want, tt.why)
		}
	}
}

func TestRange(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		want     string
		why      Reason
	}{
		{"198.51.100.0", "198.51.100.255", "198.51.100.0/24", ""},
		{"203.0.113.5", "203.0.113.9", "203.0.113.5/32 203.0.113.6/31 203.0.113.8/31", ""},
		{"203.0.113.5", "203.0.113.5", "203.0.113.5/32", ""},
		{"255.255.255.254", "255.255.255.255", "255.255.255.254/31", ""},
		{"2001:db8::1", "2001:db8::4", "2001:db8::1/128 2001:db8::2/127 2001:db8::4/128", ""},
		{"11.0.0.0", "11.255.255.255", "11.0.0.0/8", ""},
		{"2400::", "2400:1fff:ffff:ffff:ffff:ffff:ffff:ffff", "2400::/19", ""},
		{"2400::", "2400:2000::", "", TooWide},
		{"11.0.0.0", "12.0.0.0", "", TooWide},
		{"0.0.0.1", "255.255.255.254", "", TooWide},
		{"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "", TooWide},
		{"203.0.113.9", "203.0.113.5", "", Reversed},
		{"203.0.113.9", "2001:db8::", "", Unreadable},
		{"fe80::1%a", "fe80::2%a", "", Zone},
	} {
		ps, why := Range(netip.MustParseAddr(tt.from), netip.MustParseAddr(tt.to))
		var got []string
		for _, p := range ps {
			got = append(got, p.String())
		}
		if s := strings.Join(got, " "); s != tt.want || why != tt.why {
			t.Errorf("Range(%s, %s) = %q, %q; want %q, %q", tt.from, tt.to, s, why, tt.want, tt.why)
		}
	}
}

func TestPolicy(t *testing.T) {
	p := NewPolicy([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/25")}, netip.MustParsePrefix("198.51.100.1/32"), netip.MustParsePrefix("2001:db8::fe/128"))
	for text, want := range map[string]Reason{
		"0.0.0.0/0": TooWide, "::/0": TooWide, "11.0.0.0/7": TooWide, "2400::/18": TooWide,
		"10.0.0.0/8": SpecialUse, "10.1.2.3/32": SpecialUse, "172.0.0.0/8": SpecialUse, "127.0.0.1/32": SpecialUse, "0.0.0.0/32": SpecialUse,
		"100.64.0.0/16": SpecialUse, "169.254.1.1/32": SpecialUse, "224.0.0.1/32": SpecialUse, "255.255.255.255/32": SpecialUse,
		"::1/128": SpecialUse, "::/128": SpecialUse, "fe80::1/128": SpecialUse, "fd00::/20": SpecialUse, "ff02::1/128": SpecialUse,
		"198.51.100.1/32": Exporter, "2001:db8::fe/128": Exporter, "198.51.100.2/32": "",
		"192.0.2.0/25": Local, "192.0.2.1/32": Local, "192.0.2.0/24": Local,
		"192.0.2.128/25": "", "11.0.0.0/8": "", "2400::/19": "", "198.51.100.0/24": "", "2001:db8::1/128": "", "3fff::/20": "", "8.8.8.8/32": "",
	} {
		if got := p.Reject(netip.MustParsePrefix(text)); got != want {
			t.Errorf("Reject(%s) = %q, want %q", text, got, want)
		}
	}
}

func TestDropsTellTheFirstOfEach(t *testing.T) {
	d := Drops{}
	d.Add("", 1, "nothing")
	d.Add(SpecialUse, 7, "10.0.0.0/8")
	d.Add(Unreadable, 9, "x\x1b[31m\n\"y\"")
	d.Add(SpecialUse, 12, "127.0.0.1")
	d.Add(Inactive, 0, "")
	want := `2 special-use network (first: line 7, 10.0.0.0/8), 1 no longer active, ` +
		`1 not an address, network, domain or URL (first: line 9, x [31m "y")`
	if got := d.String(); got != want || d.Total() != 4 {
		t.Errorf("%d: %s\nwant: %s", d.Total(), got, want)
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"  two  words\t":      "two words",
		"a\x00b\nc\u2028d":    "a b c d",
		"bad\xffutf\u202e ok": "bad?utf ok",
		"0123456789abc":       "0123456789",
		"äöüßäöü":             "äöüßä",
	} {
		if got := Text(in, 10); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		" https://x.example/1 ": "https://x.example/1", "javascript:alert(1)": "", "None": "", "https://x/\"y": "", "https://x y": "",
	} {
		if got := Link(in); got != want {
			t.Errorf("Link(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWhen(t *testing.T) {
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"2026-11-20T12:00:00Z":      noon,
		"2026-11-20T13:00:00+01:00": noon,
		"2026-11-20T12:00:00":       noon,
		"2026-11-20T12:00:00.250":   noon.Add(250 * time.Millisecond),
		"2026-11-20 12:00:00":       noon,
		"2026-11-20 12:00:00 UTC":   noon,
		"2026-11-20":                noon.Truncate(24 * time.Hour),
		"":                          {},
		"yesterday":                 {},
		"2026-13-20T12:00:00":       {},
		"a long text without sense": {},
	} {
		if got := When(in); !got.Equal(want) {
			t.Errorf("When(%q) = %v, want %v", in, got, want)
		}
	}
}

// Every category's own name must read back as itself.
func TestCategory(t *testing.T) {
	for c := range intel.Category(intel.NumCategories) {
		if got, ok := Category(strings.ToUpper(c.String())); !ok || got != c {
			t.Errorf("Category(%q) = %v, %v", c, got, ok)
		}
	}
	if got, _ := Category("Command and Control"); got != intel.C2 {
		t.Errorf("command and control is %v", got)
	}
	if _, ok := Category("Germany"); ok {
		t.Error("Germany is a category")
	}
}

func TestSniff(t *testing.T) {
	for in, want := range map[string]error{
		"\xef\xbb\xbf192.0.2.1\n": nil, "": nil, "\n\n# x": nil,
		"\n <!DOCTYPE html>": ErrWebPage, "\xef\xbb\xbf<html>": ErrWebPage,
		"\x7fELF\x00\x01": ErrBinary, "\xff\xfe1\x00": ErrBinary, "\xfe\xff\x001": ErrBinary,
	} {
		r := bufio.NewReader(strings.NewReader(in))
		if err := Sniff(r); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("Sniff(%q) = %v, want %v", in, err, want)
		}
	}
	r := bufio.NewReader(strings.NewReader("\xef\xbb\xbfx"))
	if _ = Sniff(r); r.Buffered() != 1 {
		t.Error("the byte order mark is still there")
	}
}

// What a range becomes must cover its ends and nothing beside them.
func FuzzRange(f *testing.F) {
	f.Add([]byte{192, 0, 2, 1}, []byte{192, 0, 2, 200})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		first, ok1 := netip.AddrFromSlice(a)
		last, ok2 := netip.AddrFromSlice(b)
		if !ok1 || !ok2 {
			return
		}
		ps, why := Range(first, last)
		if why != "" {
			return
		}
		first, last = first.Unmap(), last.Unmap()
		if ps[0].Addr() != first || lastOf(ps[len(ps)-1]) != last || len(ps) > 218 {
			t.Fatalf("%v-%v became %v", first, last, ps)
		}
		if !slices.IsSortedFunc(ps, netip.Prefix.Compare) {
			t.Fatalf("%v-%v is out of order: %v", first, last, ps)
		}
	})
}
