package query

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

func addr(s string) flow.Addr { return flow.AddrFrom(netip.MustParseAddr(s)) }

// web is a TCP flow from 10.1.2.3:51234 to 198.51.100.7:443.
func web() *Record {
	r := &Record{SrcCC: "private", DstCC: "NO", DstAS: 64500}
	r.Record = flow.Record{
		Src: addr("10.1.2.3"), Dst: addr("198.51.100.7"), NATSrc: addr("203.0.113.9"), Exporter: addr("192.0.2.1"),
		SrcPort: 51234, DstPort: 443, NATSrcPort: 2000, Proto: 6, TCPFlags: flow.SYN | flow.ACK, ToS: 8, InIf: 3, OutIf: 7,
		Bytes: 2_000_000, Packets: 2000, Sampling: 1, Start: 1e18, End: 1e18 + 20e9, Received: 1e18 + 21e9, Version: 9, Domain: 5,
		Has: flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets | flow.HasTCPFlags | flow.HasToS | flow.HasInIf | flow.HasOutIf | flow.HasNATSrc,
	}
	return r
}

// dns is an IPv6 UDP flow without flags, interfaces or times.
func dns() *Record {
	r := &Record{SrcCC: "IN", DstCC: "--"}
	r.Record = flow.Record{
		Src: addr("2001:db8::53"), Dst: addr("2001:db8:1::9"), Exporter: addr("192.0.2.2"), SrcPort: 53, DstPort: 0, Proto: 17,
		Bytes: 100, Packets: 1, Sampling: 100, Received: 1e18, Version: 10, Has: flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets | flow.HasSampling,
	}
	return r
}

var testEnv = Env{
	Local: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	ReadList: func(name string) ([]byte, error) {
		switch name {
		case "nets":
			return []byte("\ufeff# ours\n10.0.0.0/8, 192.168.0.0/16\r\n2001:db8::/32 ; lab\n"), nil
		case "a list":
			return []byte("198.51.100.7"), nil
		case "typo":
			return []byte("10.0.0.0/8\n10.0.0\n"), nil
		case "ports":
			return []byte("443 8000-8100"), nil
		case "empty":
			return []byte("# nothing yet\n"), nil
		}
		return nil, os.ErrNotExist
	},
}

func TestExpressions(t *testing.T) {
	for text, want := range map[string]string{ // the letters of the records that match: w is web, d is dns
		"": "wd", "any": "wd", "not any": "", "ipv4": "w", "inet6": "d",
		"src ip 10.1.2.3": "w", "dst ip 10.1.2.3": "", "ip 10.1.2.3": "w", "host 198.51.100.7": "w", "not ip 10.1.2.3": "d",
		"src net 10.0.0.0/8": "w", "src net 10.9.9.9/8": "w", "net 2001:db8::/32": "d", "src and dst net 2001:db8::/32": "d", "src or dst net 10.0.0.0/8": "w",
		"ip 0.0.0.0/0": "w", "ip ::/0": "d", "10.0.0.0/8": "w", "dst 198.51.100.7": "w", "src ip 10.1.2.0-10.1.2.9": "w", "src ip in [10.9.9.9 10.1.2.3]": "w",
		"src ip 10.9.9.9,10.1.2.3": "w", "src ip @nets": "wd", "dst net in [@nets, 198.51.0.0/16]": "wd", `dst ip @"a list"`: "w", "not src net @nets": "",
		"ip @empty": "", "not ip @empty": "wd", "dst port @ports": "w",
		"nat ip 203.0.113.9": "w", "src nat ip 203.0.113.0/24": "w", "nat dst ip 203.0.113.9": "", "nip 203.0.113.9": "w", "nat port 2000": "w", "nat port 0": "",
		"dst port 443": "w", "port 443": "w", "port 53": "d", "not port 53": "w", "dst port in [80 443]": "w", "dst port 80,443": "w", "port > 50000": "w", "src port 51000-52000": "w",
		"dst port 0": "d", "port < 54": "d", "dst port != 443": "d", "dst port ne 443": "d", "port 40000-": "w",
		"proto tcp": "w", "proto 17": "d", "proto in [tcp udp]": "wd", "not proto TCP": "d", "proto != tcp": "d", "proto 6-17": "wd", "protocol ipv6-icmp": "",
		"flags S": "w", "flags SA": "w", "flags S/SA": "", "flags = SA": "w", "flags none": "", "not flags F": "wd", "flags /F": "w", "flags A/FA,R/R": "w",
		"bytes > 1m": "w", "bytes > 2m": "", "bytes >= 2m": "w", "bytes 10k": "d", "bytes 1k-10k": "d", "bytes < 1mib": "d", "octets = 2MB": "w", "bytes 1.5m-": "w",
		"packets 100": "d", "pkts > 1k": "w", "duration > 10s": "w", "duration 20s": "w", "duration < 1m": "w", "not duration > 0": "d",
		"bps > 700k": "w", "bps 800k": "w", "pps 100": "w", "bpp 1000": "w", "bpp 100": "d", "tos 8": "w", "sampling > 1": "d", "version 10": "d", "domain 5": "w",
		"country NO": "w", "dst country no": "w", "country IN": "d", "src country in [NO IN]": "d", "dst cc unknown": "d", "dst country --": "d", "country private": "w",
		"not dst country NO": "d", "as 64500": "w", "dst as AS64500": "w", "src as 0": "wd", "exporter 192.0.2.1": "w", "router 192.0.2.0/30": "wd",
		"in if 3": "w", "out if 3": "", "if 7": "w", "direction out": "w", "direction transit": "d", "direction in": "", "not direction internal": "wd",
		"sip 10.1.2.3 and dport 443": "w", "scc IN": "d", "nat_src 203.0.113.9": "w",
		"src net 10.0.0.0/8 and (dst port 443 or proto udp) and not dst country SE and bytes > 1m": "w",
		"proto udp or proto tcp and dst port 80":                                                   "d", "(proto udp or proto tcp) and dst port 443": "w", "not (proto udp or dst port 80)": "w", "not not proto udp": "d",
		"!proto udp && port 443": "w", "proto udp || proto tcp": "wd", "NOT PROTO UDP AND SRC PORT 51234": "w",
	} {
		f, err := Parse(text, testEnv)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := ""
		if f.Match(web(), false) {
			got += "w"
		}
		if f.Match(dns(), false) {
			got += "d"
		}
		if got != want {
			t.Errorf("%q accepts %q, want %q", text, got, want)
		}
		if n := opposite(f); n.Match(web(), false) == f.Match(web(), false) || n.Match(dns(), false) == f.Match(dns(), false) {
			t.Errorf("not (%s) is not its opposite", text)
		}
	}
}

// TestMistakes: each shows its place and, where it can be told, what was meant.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"dst prot 443":           "dst ^prot^ 443: unknown word \"prot\"; did you mean port?",
		"src net 10.0.0/8":       "src net ^10.0.0/8^: \"10.0.0/8\" is not an address, a network, a range or @FILE, such as 10.0.0.0/8; did you mean 10.0.0.0/8?",
		"ip 10.1":                "ip ^10.1^: \"10.1\" is not an address, a network, a range or @FILE, such as 10.0.0.0/8; did you mean 10.1.0.0/16?",
		"net 10.0.0.0/255.0.0.0": "net ^10.0.0.0/255.0.0.0^: \"10.0.0.0/255.0.0.0\" is not an address, a network, a range or @FILE, such as 10.0.0.0/8; did you mean 10.0.0.0/8?",
		"tcp":                    "^tcp^: \"tcp\" is a protocol; did you mean proto tcp?",
		"proto tpc":              "proto ^tpc^: \"tpc\" is not a protocol, such as tcp, udp, icmp or 47; did you mean tcp?",
		"country UK":             "country ^UK^: \"UK\" is not a country's two letters, such as NO, or private, multicast, -- (unknown); did you mean GB?",
		"port 70000":             "port ^70000^: \"70000\" is not a port from 0 to 65535 or a range, such as 443 or 8000-8100",
		"port 90-80":             "port ^90-80^: \"90-80\" is an empty range; did you mean 80-90?",
		"port 80 443":            "port 80 ^443^: two values need a comma between them; did you mean 80,443?",
		"port 80 proto tcp":      "port 80 ^proto^ tcp: and or or is missing before \"proto\"; did you mean and proto?",
		"port 80 annd proto tcp": "port 80 ^annd^ proto tcp: \"annd\" is where and or or should be; did you mean and?",
		"duration > 10":          "duration > ^10^: \"10\" is not a time with its unit, such as 500ms, 10s, 5m or 1h; did you mean 10s?",
		"(port 80":               "^(^port 80: this ( is never closed",
		"port 80)":               "port 80^)^: this ) closes nothing",
		"port [80 443":           "port ^[^80 443: this [ is never closed",
		"port []":                "port [^]^: the list is empty",
		"port 80 and":            "port 80 and^^: the expression ends where a condition must follow, such as dst port 443",
		"port":                   "port^^: a value must follow: a port from 0 to 65535 or a range, such as 443 or 8000-8100",
		"port > ":                "port > ^^: a value must follow >: a port from 0 to 65535 or a range, such as 443 or 8000-8100",
		"and port 80":            "^and^ port 80: \"and\" is where a condition should be, such as dst port 443",
		"src proto tcp":          "src ^proto^ tcp: \"proto\" has no source and destination; did you mean proto?",
		"nat proto tcp":          "nat ^proto^ tcp: nat goes with ip, net and port",
		"flags X":                "flags ^X^: \"X\" is not TCP flags: S (set), S/SA (of SYN and ACK only SYN), =S (only SYN), none; letters FSRPAUEC; did you mean FSRPAU?",
		"flags SA/S":             "flags ^SA/S^: \"SA/S\" never matches: the flags before / must stand after it, too; did you mean SA/SA?",
		"ip > 10.0.0.1":          "ip > ^10.0.0.1^: sip has no order: > does not apply",
		"ip @missing":            "ip ^@missing^: cannot read the list: file does not exist",
		"ip @typo":               "ip ^@typo^: typo:2: \"10.0.0\" is not an address, a network, a range or @FILE, such as 10.0.0.0/8; did you mean 10.0.0.0/24?",
		`ip "10.0.0.1`:           "ip ^\"10.0.0.1^: this quote does not end",
		"direction sideways":     "direction ^sideways^: direction is outbound, inbound, internal or transit",
		"src":                    "src^^: ip, net, port, country, as or if must follow",
		"bytes > -5":             "bytes > ^-5^: \"-5\" is not a number of bytes, such as 500, 10k, 1m or 2g",
		"bytes > lots":           "bytes > ^lots^: \"lots\" is not a number of bytes, such as 500, 10k, 1m or 2g",
		"ip fe80::1%eth0":        "ip ^fe80::1%eth0^: \"fe80::1%eth0\" is not an address, a network, a range or @FILE, such as 10.0.0.0/8",
	} {
		_, err := Parse(text, testEnv)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got := e.Text[:e.Pos] + "^" + e.Text[e.Pos:e.End] + "^" + e.Text[e.End:] + ": " + e.Message
		if e.Suggestion != "" {
			got += "; did you mean " + e.Suggestion + "?"
		}
		if got != want {
			t.Errorf("%q\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestMistakeIsMarked(t *testing.T) {
	_, err := Parse("src net 10.0.0.0/8 and dst prot 443", Env{})
	want := "unknown word \"prot\"; did you mean port?\n" +
		"  src net 10.0.0.0/8 and dst prot 443\n" +
		"                             ^^^^"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	long := strings.Repeat("port 80 or ", 50) + "prt 80" + strings.Repeat(" or port 80", 50)
	_, err = Parse(long, Env{})
	lines := strings.Split(fmt.Sprint(err), "\n")
	if len(lines) != 3 || len(lines[1]) > 140 || strings.Index(lines[1], "prt") != strings.Index(lines[2], "^^^") {
		t.Errorf("a mistake in a long expression is shown as\n%v", err)
	}
	_, err = ParseOptions([]OptionValue{{"sip", "10.0.0.1,10.0.0.300"}}, Env{})
	want = "--sip: \"10.0.0.300\" is not an address, a network, a range or @FILE, such as 10.0.0.0/8\n  10.0.0.1,10.0.0.300\n           ^^^^^^^^^^"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// TestListsOverTheNetwork: a question from elsewhere must not read our files.
func TestListsOverTheNetwork(t *testing.T) {
	if _, err := Parse("ip @/etc/passwd", Env{}); err == nil || !strings.Contains(err.Error(), "not allowed here") {
		t.Errorf("%v", err)
	}
	if _, err := ParseOptions([]OptionValue{{"sip", "@/etc/passwd"}}, Env{}); err == nil || !strings.Contains(err.Error(), "not allowed here") {
		t.Errorf("%v", err)
	}
}

func TestOptions(t *testing.T) {
	for given, want := range map[string]string{
		"sip=10.0.0.0/8": "w", "not-sip=10.0.0.0/8": "d", "any-ip=198.51.100.7": "w", "not-any-ip=198.51.100.7": "d", "sip=@nets": "wd", "nat-ip=203.0.113.9": "w",
		"sport=53": "d", "any-port=443,53": "wd", "dport=400-500": "w", "proto=6": "w", "proto=tcp,udp": "wd", "flags=S": "w", "flags=S/SA": "", "not-flags=R": "wd",
		"scc=IN": "d", "dcc=NO,SE": "w", "any-cc=no": "w", "not-any-cc=no": "d", "das=64500": "w", "exporter=192.0.2.1": "w", "in=3": "w", "out=1-9": "w",
		"bytes=1m-": "w", "bytes=-10k": "d", "bytes=>1m": "w", "packets=<=100": "d", "duration=10s-": "w", "sip=10.1.2.3 sip=2001:db8::53": "wd", "sip=10.1.2.3 dport=80": "",
	} {
		var options []OptionValue
		for g := range strings.FieldsSeq(given) {
			name, value, _ := strings.Cut(g, "=")
			options = append(options, OptionValue{name, value})
		}
		f, err := ParseOptions(options, testEnv)
		if err != nil {
			t.Errorf("%s: %v", given, err)
			continue
		}
		got := ""
		if f.Match(web(), false) {
			got += "w"
		}
		if f.Match(dns(), false) {
			got += "d"
		}
		if got != want {
			t.Errorf("%s accepts %q, want %q", given, got, want)
		}
	}
	for given, want := range map[string]string{"bytes=!=5": "--not-bytes 5", "proto=tpc": "tcp", "sport=1,,2": "a value is missing", "frob=1": "no such option"} {
		name, value, _ := strings.Cut(given, "=")
		if _, err := ParseOptions([]OptionValue{{name, value}}, testEnv); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", given, err, want)
		}
	}
}

// TestSampling: a count is compared as it is printed.
func TestSampling(t *testing.T) {
	f, err := Parse("bytes 10000 and packets 100", Env{})
	if err != nil || !f.Match(dns(), false) || f.Match(dns(), true) {
		t.Errorf("sampled counts: %v", err)
	}
}

// TestAddrSet holds the merged set to its ranges, one by one.
func TestAddrSet(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	random := func() flow.Addr {
		if rnd.IntN(4) == 0 {
			return flow.Addr{Hi: rnd.Uint64N(2), Lo: rnd.Uint64N(50)}
		}
		return flow.Addr4(uint32(rnd.Uint64N(3000)) << rnd.Uint64N(20))
	}
	for range 200 {
		var ranges []flow.Range
		for range rnd.IntN(150) {
			a, b := random(), random()
			if a.Compare(b) > 0 {
				a, b = b, a
			}
			if rnd.IntN(2) == 0 {
				b = a
			}
			ranges = append(ranges, flow.Range{First: a, Last: b})
		}
		s := NewAddrSet(ranges)
		for range 300 {
			a := random()
			want := false
			for _, r := range ranges {
				want = want || r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0
			}
			if s.Contains(a) != want {
				t.Fatalf("Contains(%s) = %v, want %v in %v", a, s.Contains(a), want, ranges)
			}
		}
	}
}

func TestNumSet(t *testing.T) {
	s := newNumSet([]numRange{{5, 9}, {1, 2}, {10, 12}, {20, 20}})
	for n := range uint64(25) {
		want := n >= 1 && n <= 2 || n >= 5 && n <= 12 || n == 20
		if s.contains(n) != want {
			t.Errorf("%d: %v", n, !want)
		}
	}
}

// FuzzParse: whatever is written, Parse returns a filter or an error that can be shown.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"src net 10.0.0.0/8 and (dst port 443 or proto udp) and not dst country NO and bytes > 1m", "port [80 443", "ip @nets", `ip @"a list"`, "flags S/SA", "((((", "duration 1h2m-3h", "bytes 1e9", "!!any", "direction in"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := Parse(text, testEnv)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Message == "" || e.Pos > e.End || e.End > len(e.Text) || strings.Count(e.Error(), "\n") > 2+strings.Count(e.Message, "\n") {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		for _, r := range []*Record{web(), dns(), {}} {
			if filter.Match(r, false) == opposite(filter).Match(r, false) {
				t.Fatalf("%q and its opposite agree", text)
			}
		}
	})
}

// opposite returns a filter of what f does not accept.
func opposite(f Filter) Filter {
	if f.root == nil {
		return Filter{&node{op: opAll, negated: true}}
	}
	return Filter{f.root.negate()}
}
