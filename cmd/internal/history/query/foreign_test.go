package query

import (
	"errors"
	"strings"
	"testing"
)

// TestNfdumpWords goes through the filters of nfdump's manual one by one: each is
// understood, or its answer says what to write here or that flows have no such thing.
func TestNfdumpWords(t *testing.T) {
	for text, want := range map[string]string{ // the letters of the records that match, as in TestExpressions, or what the error says
		"inet": "w", "inet6": "d", "ipv4": "w", "ipv6": "d", "proto tcp": "w", "proto 6": "w", "any": "wd",
		"ip 10.1.2.3": "w", "src host 10.1.2.3": "w", "ip in [10.1.2.3 10.9.9.9]": "w", "src ip in [10.0.0.0/8, 192.168.0.0/16]": "w",
		"net 10.0.0.0/8": "w", "net 10.0.0.0 255.0.0.0": "w", "src net 192.0.2.0 255.255.255.0": "", "geo NO": "w", "src geo CH": "", "tunip 192.0.2.1": "no addresses of tunnels",
		"port 443": "w", "src port > 1023": "w", "port in [80 443]": "w", "port eq 443": "w", "port == 443": "w", "port lt 54": "d", "dst port ge 443": "w", "dst port GT 443": "", "port le 53": "d", "dst port ne 443": "d",
		"icmp-type 8": "", "icmp-code 0": "", "engine-type 1": "the domain 256 * type + id; did you mean domain?", "engine-id 2": "did you mean domain?", "sysid 3": "did you mean exporter?", "ident router1": "did you mean exporter?",
		"if 3": "w", "in if 3": "w", "out if 7": "w", "as 64500": "w", "src as in [64500 64501]": "", "prev as 5": "no neighbouring AS numbers", "next as 5": "no next hops",
		"mask 24": "no prefix lengths", "src mask 24": "no prefix lengths", "vlan 5": "no VLANs", "dst vlan 5": "no VLANs", "flags S": "w", "flags SA": "w", "flags X": "did you mean FSRPAU?",
		"router ip 192.0.2.1": "w", "next ip 192.0.2.1": "no next hops", "bgpnext ip 192.0.2.1": "no next hops", "mac 00:11:22:33:44:55": "no MAC addresses", "in src mac 00:11:22:33:44:55": "no MAC addresses",
		"out dst mac 00:11:22:33:44:55": "no MAC addresses", "mpls label1 = 5": "no MPLS labels", "packets > 1k": "w", "in packets > 1k": "w", "out packets > 1k": "a record of its own", "bytes > 1m": "w", "in bytes > 1m": "w",
		"out bytes > 1k": "a record of its own", "flow > 1": "top --value flows", "tos 8": "w", "src tos 8": "did you mean tos?", "flowdir ingress": "did you mean direction?", "duration > 10000": "did you mean 10000ms?", "duration gt 10s": "w",
		"pps > 10": "w", "bps < 1m": "w", "bpp 1000": "w", "observation domain id 5": "did you mean domain?", "payload content 'x'": "no payloads", "client latency > 5": "no latencies",
		"asa event denied": "did you mean firewall?", "nat event add": "did you mean firewall?", "xip 203.0.113.9": "w", "src xip 203.0.113.9": "w", "xport 2000": "w", "xnet 203.0.113.0/24": "w", "nip 203.0.113.9": "w", "src nport 2000": "w",
		"ingress vrf 5": "no access lists and VRFs", "egress acl 5": "no access lists and VRFs", "pblock start > 5": "no blocks of NAT ports",
		"not src ip 10.0.0.0/8 and not port 80": "d", "proto tcp and not (src ip 10.9.9.9 or dst ip 10.9.9.9)": "w",
	} {
		checkAnswer(t, text, want)
	}
}

// checkAnswer parses an expression and holds it to the letters of what it accepts, or to
// a part of its error.
func checkAnswer(t *testing.T, text, want string) {
	t.Helper()
	f, err := Parse(text, testEnv)
	if strings.Trim(want, "wd") == "" {
		got := ""
		if f.Match(web(), false) {
			got += "w"
		}
		if f.Match(dns(), false) {
			got += "d"
		}
		if err != nil || got != want {
			t.Errorf("%q accepts %q, want %q: %v", text, got, want, err)
		}
		return
	}
	var e *Error
	if !errors.As(err, &e) || e.End <= e.Pos || !strings.Contains(strings.ReplaceAll(err.Error(), "\n", " ")+" ", want) {
		t.Errorf("%q: %v\nwant ...%s...", text, err, want)
	}
}

// TestOtherHabits: what people are used to from tcpdump, Wireshark, SQL, Akvorado, a
// spreadsheet or a search engine is understood or answered with what they meant.
func TestOtherHabits(t *testing.T) {
	for text, want := range map[string]string{
		"port in (443, 80)": "w", "port not in [80 443]": "d", "country not in (SE, IN)": "w", "country NOT IN [NO]": "d", `country in [SE, "NO"]`: "w", "country = 'NO'": "w", "country eq NO": "w", "country ne NO": "d", "country LT": "", "country GE or country NE": "",
		"port\u00a0443": "w", "10.1.2.3 or 10.9.9.9": "w", "src ip 10.1.2.3 or ip 10.9.9.9": "w", "not (flags SA)": "d", "not flags A": "d",

		"flags S and not flags AFRPU": "did you mean flags /FRPAU?", "tcp port 443": "did you mean proto tcp and?", "src ip 10.1.2.3 or 10.9.9.9": "did you mean src ip 10.9.9.9?", "sip 10.1.2.3 or 10.9.9.9": "did you mean sip 10.9.9.9?",
		"src 10.1.2.3 and not 10.9.9.9": "did you mean src 10.9.9.9?", "dst port 80 or 443": "did you mean dst port 443?", "443": "did you mean port 443?", "example.com": "is a name; flows have addresses", "src ip www.example.com": "is a name",
		"ip src 10.1.2.3": "did you mean src ip?", "port dst 443": "did you mean dst port?", "src:10.1.2.3": "did you mean src 10.1.2.3?", "dst port:443": "did you mean port 443?", "ip.addr == 10.1.2.3": "did you mean ip?",
		"tcp.port == 443": "did you mean port?", "SrcAddr = 10.1.2.3": "did you mean src ip?", "DstPort = 443": "did you mean dst port?", "country NOT NO": "did you mean !=?", "port not 80": "did you mean !=?", "port is 80": "did you mean =?",
		"port => 80": "did you mean >=?", "bytes =< 80": "did you mean <=?", "bytes > 1 m": "did you mean 1m?", "duration > 10 s": "did you mean 10s?", "bytes > 1_000_000": "did you mean 1000000?", "bytes > 1,000,000": "did you mean 1000000?",
		"bytes 1,000": "did you mean 1000?", "port 80:90": "did you mean 80-90?", "port 80..90": "did you mean 80-90?", "port 80 - 90": "did you mean 80-90?", "port 80 -90": "did you mean 80-90?", "port 80- 90": "did you mean 80-90?",
		"port 80\u201390": "did you mean 80-90?", "dst port https": "did you mean 443?", "port ssh,https": "did you mean 22?", "ip 10.1.2.3:443": "did you mean 10.1.2.3 and port 443?", "ip 10.0.0.*": "did you mean 10.0.0.0/24?",
		"net 10.0.x.x": "did you mean 10.0.0.0/16?", "ip 10.0.0.1-9": "did you mean 10.0.0.1-10.0.0.9?", "ip 010.001.002.003": "did you mean 10.1.2.3?", `net 10.0.0.0\24`: "did you mean 10.0.0.0/24?", "net 10.0.0.0 / 8": "did you mean 10.0.0.0/8?",
		"ip \u201c10.1.2.3\u201d": "did you mean 10.1.2.3?", "flags SYN": "did you mean S?", "flags SYN-ACK": "did you mean SA?", "flags = SYN": "did you mean S?", "flags ECE": "did you mean E?", "flags 0x12": "did you mean SA?", "flags 18": "did you mean SA?",
		"port 80 and and port 443": `"and" is where a condition should be`, "src dst ip 10.1.2.3": "did you mean or dst?", "port 80; port 443": "did you mean 80?", "proto tcp/udp": "did you mean tcp,udp?", "proto tcp udp": "did you mean tcp,udp?",
		"asn 64500": "did you mean as?", "start > 2026-01-01": "--start", "last 1h": "--last", "hostname web1": "no host names", "dscp 46": "did you mean tos?", "less 100": "did you mean bytes <=?", "direction egress": "did you mean outbound?",
		"service https": "did you mean 443?", "service 443/tcp": "did you mean tcp/443?", "service tcp:443": "did you mean tcp/443?", "sampling 1:100": "did you mean 100?", "country Switzerland": "did you mean CH?", `country "United States"`: "did you mean US?",
	} {
		checkAnswer(t, text, want)
	}
}

// TestSuggestionsHold: what stands in the tables of other tools' words is understood.
func TestSuggestionsHold(t *testing.T) {
	for name, e := range foreign {
		first, _, _ := strings.Cut(e.means, " ")
		if _, noun := nouns()[first]; e.means != "" && !noun && sideNames[first] == either && first != "nat" && first != "direction" {
			t.Errorf("%s: %q begins no condition", name, e.means)
		}
		if _, noun := nouns()[name]; noun || e.means == "" && e.lacks == "" {
			t.Errorf("%s is a word of ours, or nothing is said of it", name)
		}
	}
	for name, port := range serviceNames {
		if _, err := Parse("port "+port, Env{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, code := range mistaken {
		if got, _, ok := countryCode(code); !ok || got != code {
			t.Errorf("%s: %s is no country", name, code)
		}
	}
	for _, text := range []string{strings.Repeat(":", 100), strings.Repeat("..:_/", 20), "a-5", "-", "--", strings.Repeat("1-", 50), "", "/", `\`, ":443"} { // in no time, and without an end that never comes
		for f := range fieldCount {
			_ = (&collector{field: f}).add(text)
		}
	}
}
