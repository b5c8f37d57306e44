package list

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest/ingesttest"
)

// brief prints what a person would say of an indicator: what it is, then what
// differs from the template.
func brief(i intel.Indicator) string {
	out := i.Domain + i.URL
	if i.Prefix.IsValid() {
		out = i.Prefix.String()
	}
	if i.Port != 0 {
		out += fmt.Sprintf(" port=%d", i.Port)
	}
	if i.Category != intel.Other {
		out += " " + i.Category.String()
	}
	if i.Score != 50 {
		out += fmt.Sprintf(" score=%d", i.Score)
	}
	if i.Name != "ours" {
		out += " name=" + i.Name
	}
	if i.Ref != "" {
		out += " " + i.Ref
	}
	if i.Tags != "" {
		out += " tags=" + i.Tags
	}
	if !i.FirstSeen.IsZero() {
		out += " first=" + i.FirstSeen.Format("2006-01-02")
	}
	if !i.LastSeen.IsZero() {
		out += " last=" + i.LastSeen.Format("2006-01-02")
	}
	return out
}

func parse(r io.Reader, f Reader, limit int) (got []string, drops ingest.Drops, err error) {
	o := ingest.Options{Template: intel.Indicator{Score: 50, Name: "ours"}, Limit: limit}
	drops, err = f.Parse(r, o, ingesttest.Keep(func(i intel.Indicator) { got = append(got, brief(i)) }))
	return got, drops, err
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		f          Reader
		limit      int
		want       []string
		drops      string
	}{
		{
			name: "plain with every kind of dirt",
			text: "\xef\xbb\xbf# first\r\n192.0.2.1   # why\r\n\r\n192.0.2.2;because\r\n192.0.2.3,x,1\r\n  192.0.2.4\t\r\n192.0.2.5 seen often\r\n" +
				"192.0.2.6:8080\r\n[2001:db8::1]:443\r\nbad.example.\r\nhttp://bad.example/a;b#c ; real comment\r\n192.0.2.9/24\r\n192.0.2.010\r\nnonsense\r\n0.0.0.0/0\r\n10.0.0.0/8\r\n! adblock\r\n// C\r\n192.0.2.250",
			want: []string{"192.0.2.1/32 name=why", "192.0.2.2/32 name=because", "192.0.2.3/32", "192.0.2.4/32", "192.0.2.5/32", "192.0.2.6/32 port=8080",
				"2001:db8::1/128 port=443", "bad.example", "http://bad.example/a;b#c name=real comment", "192.0.2.0/24", "192.0.2.250/32"},
			drops: "1 name without a dot (first: line 14, nonsense), 1 number with a leading zero (octal to some, decimal to others) (first: line 13, 192.0.2.010), " +
				"1 special-use network (first: line 16, 10.0.0.0/8), 1 wider than /8 (IPv4) or /19 (IPv6) (first: line 15, 0.0.0.0/0)",
		},
		{
			name: "ranges",
			text: "192.0.2.0-192.0.2.255\n192.0.2.5 - 192.0.2.7\nBad, Org 2:192.0.2.10-192.0.2.11\n2001:db8::-2001:db8::3 # six\n192.0.2.7-192.0.2.5\n0.0.0.1-255.255.255.254\nbad-host.example\n",
			want: []string{"192.0.2.0/24", "192.0.2.5/32", "192.0.2.6/31", "192.0.2.10/31 name=Bad, Org 2", "2001:db8::/126 name=six", "bad-host.example"},
			drops: "1 range that ends before it begins (first: line 5, 192.0.2.7-192.0.2.5), " +
				"1 wider than /8 (IPv4) or /19 (IPv6) (first: line 6, 0.0.0.1-255.255.255.254)",
		},
		{
			name: "Spamhaus text",
			text: "; DROP\n192.0.2.0/24 ; SBL1\n; EOF\n",
			want: []string{"192.0.2.0/24 name=SBL1"},
		},
		{
			name: "DShield",
			text: "# c\nStart\tEnd\tNetblock\tAttacks\tName\tCountry\temail\n192.0.2.0\t192.0.2.255\t24\t788\tEXAMPLE-NET\tJP\ta@b.example\n198.51.100.0\t198.51.100.255\t24\t5\t\t\t\n",
			want: []string{"192.0.2.0/24 name=EXAMPLE-NET", "198.51.100.0/24"},
		},
		{
			name: "IPsum",
			text: "# IP\tnumber of (black)lists\n192.0.2.1\t1\n192.0.2.3\t3\n192.0.2.4\t4\n192.0.2.12\t12\n",
			want: []string{"192.0.2.1/32 score=30", "192.0.2.3/32 score=60", "192.0.2.4/32 score=70", "192.0.2.12/32 score=95"},
		},
		{
			name: "Tor",
			text: "ExitNode 00AA\nPublished 2026-01-01 00:00:00\nLastStatus 2026-01-01 00:00:00\nExitAddress 192.0.2.1 2026-01-02 03:04:05\nExitAddress 2001:db8::1\n",
			want: []string{"192.0.2.1/32 last=2026-01-02", "2001:db8::1/128"},
		},
		{
			name: "hosts file, unannounced",
			text: "127.0.0.1 localhost localhost.localdomain\n::1 ip6-localhost\n0.0.0.0 a.example b.example # two\n0.0.0.0 0.0.0.0\n127.0.0.1\tc.example\n",
			want: []string{"a.example name=two", "b.example name=two", "c.example"},
		},
		{
			name: "hosts file, announced", f: Reader{Format: Hosts},
			text:  "192.0.2.1 a.example\nb.example\n",
			want:  []string{"a.example"},
			drops: "1 not an address, network, domain or URL (first: line 2, b.example)",
		},
		{
			name: "plain means plain", f: Reader{Format: Plain},
			text:  "0.0.0.0 a.example\nip,name\n192.0.2.1,x\n",
			want:  []string{"192.0.2.1/32"},
			drops: "1 name without a dot (first: line 2, ip), 1 special-use network (first: line 1, 0.0.0.0)",
		},
		{
			name: "CSV, unannounced",
			text: "first_seen,indicator,type,confidence,category,reference,comment,last_seen,tags\n" +
				"2026-01-02T00:00:00Z,192.0.2.1,ipv4,90,botnet_cc,https://r.example/1,\"C2, \"\"quoted\"\"\",2026-01-03,\"a,b\"\n" +
				"# a comment\n2026-01-02,bad.example,domain,,,None,,\n,10.1.2.3,,,,,,\n,\"192.0.2.9,,\nshort\n\"x\",192.0.2.4-192.0.2.5,,300\n",
			want: []string{`192.0.2.1/32 c2 score=90 name=C2, "quoted" https://r.example/1 tags=a,b first=2026-01-02 last=2026-01-03`, "bad.example first=2026-01-02", "192.0.2.9/32", "192.0.2.4/31"},
			drops: "1 damaged CSV record (first: line 7, short), 1 special-use network (first: line 5, 10.1.2.3), " +
				"1 time of a sighting that cannot be read (used without it) (first: line 8, \"x\")",
		},
		{
			name: "CSV with a named column and semicolons", f: Reader{Format: CSV, Column: "Angreifer"},
			text: "Zeit;Angreifer;Port\n2026;192.0.2.1;443\n2026;2001:db8::1;\n",
			want: []string{"192.0.2.1/32 port=443", "2001:db8::1/128"},
		},
		{
			name: "CSV with tabs and empty first column", f: Reader{Format: CSV},
			text: "id\tip\n\t192.0.2.1\n",
			want: []string{"192.0.2.1/32"},
		},
		{
			name: "CSV with its header in a comment",
			text: "####\n#\n# \"first_seen_utc\",\"ioc_value\",\"threat_type\"\n\"2026-01-02 03:04:05\", \"192.0.2.7:4369\", \"botnet_cc\"\n# END\n",
			want: []string{"192.0.2.7/32 port=4369 c2 first=2026-01-02"},
		},
		{
			name: "CSV record over two lines",
			text: "ip,comment\n192.0.2.1,\"one\ntwo\"\n192.0.2.2,\n",
			want: []string{"192.0.2.1/32 name=one two", "192.0.2.2/32"},
		},
		{
			name: "the limit", limit: 2,
			text:  "192.0.2.1\n192.0.2.2\n192.0.2.3\n192.0.2.4\n",
			want:  []string{"192.0.2.1/32", "192.0.2.2/32"},
			drops: "2 over the limit of indicators for one feed (first: line 3)",
		},
		{
			name:  "a line without end",
			text:  "192.0.2.1\n" + strings.Repeat("x", 3*ingest.MaxLine) + "\n192.0.2.2\n",
			want:  []string{"192.0.2.1/32", "192.0.2.2/32"},
			drops: "1 line too long (first: line 2)",
		},
		{name: "only comments", text: "# nothing today\n\n"},
		{name: "nothing", text: ""},
		{name: "a hosts file that blocks nothing", text: "127.0.0.1 localhost\n"},
		{name: "only what is rejected", text: "10.0.0.0/8\n", drops: "1 special-use network (first: line 1, 10.0.0.0/8)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, drops, err := parse(strings.NewReader(tt.text), tt.f, tt.limit)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			if s := drops.String(); s != tt.drops {
				t.Errorf("left out: %s\nwant: %s", s, tt.drops)
			}
		})
	}
}

func TestRefusedWhole(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		f    Reader
		want error
	}{
		"web page":       {"\n<!DOCTYPE html>\n<a href=http://bad.example>", Reader{}, ingest.ErrWebPage},
		"program":        {"\x7fELF\x02\x01\x01\x00\x00", Reader{}, ingest.ErrBinary},
		"prose":          {strings.Repeat("The quick brown fox jumps over the lazy dog.\n", 20) + "192.0.2.1\n", Reader{}, ErrNotAList},
		"noise":          {"\x80\x91\n\x93\xf1\xe2\n\n\x99", Reader{}, ErrNotAList},
		"JSON":           {`{"detail":"x"}`, Reader{}, ErrNotAList},
		"JSON array":     {"[\n1]", Reader{}, ErrNotAList},
		"damaged CSV":    {"ip,x\n\"a\"b,1\nc\"d,2\n", Reader{}, ErrNotAList},
		"hosts, but not": {"192.0.2.1\n192.0.2.2\n", Reader{Format: Hosts}, ErrNotAList},
	} {
		if _, _, err := parse(strings.NewReader(tt.text), tt.f, 0); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
	_, _, err := parse(strings.NewReader("a,b\n1,2\n"), Reader{Format: CSV, Column: "ip"}, 0)
	if err == nil || !strings.Contains(err.Error(), `no column "ip", nor are there so many columns: line 1 is: a,b`) {
		t.Errorf("a missing column says %v", err)
	}
	if _, _, err = parse(strings.NewReader("a,b\n1,2\n"), Reader{Format: CSV}, 0); err == nil || !strings.Contains(err.Error(), "name the right one with column: (its name or number). Line 1 is: a,b") {
		t.Errorf("a header without a usual name says %v", err)
	}
}

// A read error is no end of the list: half a list must not pass for a whole one.
func TestReadError(t *testing.T) {
	broken := errors.New("disk on fire")
	r := io.MultiReader(strings.NewReader("192.0.2.1\n192.0.2.2\n192.0"), iotest.ErrReader(broken))
	if _, _, err := parse(r, Reader{}, 0); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// A quote that is never closed costs nothing.
func TestOpenQuote(t *testing.T) {
	var b strings.Builder
	b.WriteString("ip,comment\n192.0.2.1,\"oops\n")
	for i := range 500 {
		fmt.Fprintf(&b, "198.51.%d.%d,\n", 100, i%250)
	}
	got, drops, err := parse(strings.NewReader(b.String()), Reader{}, 0)
	if err != nil || len(got) != 501 || len(drops) != 0 {
		t.Errorf("%d indicators, %v, %v", len(got), drops, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"192.0.2.1 # x\n192.0.2.0/24;y\n[2001:db8::1]:443\nx:192.0.2.1-192.0.2.9\n", "Start\tEnd\n192.0.2.0\t192.0.2.255\t24\t1\tN\n192.0.2.1\t3",
		"ip,comment\n192.0.2.1,\"a\nb\"\n", "0.0.0.0 a.example b.example\n", "# \"ioc\",\"tags\"\n\"||x.example^\", \"y\"\n", "hxxp://a[.]example/#;\n",
	} {
		for _, format := range []Format{Auto, Plain, CSV, Hosts} {
			f.Add(s, string(format), "")
		}
	}
	f.Fuzz(func(t *testing.T, text, format, column string) {
		n := 0
		drops, err := Reader{Format: Format(format), Column: column}.Parse(strings.NewReader(text), ingest.Options{Limit: 100}, func(i *intel.Indicator) ingest.Reason {
			if p := i.Prefix; !p.IsValid() && i.Domain == "" && i.URL == "" || p.IsValid() && (p != p.Masked() || p.Addr().Is4In6()) {
				t.Fatalf("emitted %+v", i)
			}
			if ingest.Text(i.Name, ingest.MaxName) != i.Name {
				t.Fatalf("name %q", i.Name)
			}
			n++
			return ""
		})
		if n > 100 || err == nil && drops[ingest.Unreadable].Line > 1+strings.Count(text, "\n") {
			t.Fatalf("%d emitted", n)
		}
	})
}

// BenchmarkParse reads a plain list of a million addresses: one operation is the
// whole list, what a reload costs before the set is built.
func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintln(&text, netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if _, err := (Reader{}).Parse(strings.NewReader(text.String()), ingest.Options{}, func(*intel.Indicator) ingest.Reason { n++; return "" }); err != nil || n != 1_000_000 {
			b.Fatal(n, err)
		}
	}
}
