package query

import (
	"slices"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/plugin/nearest"
)

// elsewhere is a word of another tool's filters that is none here: what to write
// instead, or what it asks for that no flow of the history has.
type elsewhere struct{ means, lacks string }

// foreign are such words of nfdump, SiLK, tcpdump, Wireshark, Akvorado and ntopng, in
// lower case.
var foreign = map[string]elsewhere{
	"next": {lacks: "next hops"}, "bgpnext": {lacks: "next hops"}, "nexthop": {lacks: "next hops"}, "gateway": {lacks: "next hops"},
	"prev": {lacks: "neighbouring AS numbers"}, "mask": {lacks: "prefix lengths of routes"}, "vlan": {lacks: "VLANs"}, "ttl": {lacks: "TTLs"},
	"mac": {lacks: "MAC addresses"}, "ether": {lacks: "MAC addresses"}, "eth.addr": {lacks: "MAC addresses"}, "mpls": {lacks: "MPLS labels"},
	"payload": {lacks: "payloads"}, "content": {lacks: "payloads"}, "ja3": {lacks: "payloads"}, "tunip": {lacks: "addresses of tunnels"},
	"client": {lacks: "latencies"}, "server": {lacks: "latencies"}, "latency": {lacks: "latencies"}, "pblock": {lacks: "blocks of NAT ports"},
	"ingress": {lacks: "access lists and VRFs"}, "egress": {lacks: "access lists and VRFs"}, "acl": {lacks: "access lists and VRFs"}, "vrf": {lacks: "access lists and VRFs"},
	"ifname": {lacks: "names of interfaces: in if and out if take the SNMP index"}, "inifname": {lacks: "names of interfaces: in if takes the SNMP index"}, "outifname": {lacks: "names of interfaces: out if takes the SNMP index"},
	"hostname": {lacks: "host names: ip takes addresses"}, "name": {lacks: "host names: ip takes addresses"}, "fqdn": {lacks: "host names: ip takes addresses"},
	"flow": {lacks: "count: flowhound top --value flows counts flows"}, "flows": {lacks: "count: flowhound top --value flows counts flows"}, "count": {lacks: "count: flowhound top --value flows counts flows"},
	"start": {lacks: "conditions for time: ask with --start, --end or --last"}, "end": {lacks: "conditions for time: ask with --start, --end or --last"},
	"time": {lacks: "conditions for time: ask with --start, --end or --last"}, "date": {lacks: "conditions for time: ask with --start, --end or --last"},
	"first": {lacks: "conditions for time: ask with --start, --end or --last"}, "last": {lacks: "conditions for time: ask with --start, --end or --last"},
	"ioc": {lacks: "indicators: flowhound hunt searches for them"}, "feed": {lacks: "indicators: flowhound hunt searches for them"}, "category": {lacks: "indicators: flowhound hunt searches for them"},

	"engine": {"domain", engine}, "engine-type": {"domain", engine}, "engine-id": {"domain", engine}, "observation": {means: "domain"},
	"sysid": {means: "exporter"}, "ident": {means: "exporter"}, "sensor": {means: "exporter"}, "probe": {means: "exporter"}, "exporteraddress": {means: "exporter"}, "agent": {means: "exporter"},
	"flowdir": {means: "direction"}, "asa": {means: "firewall"}, "event": {means: "firewall"}, "dscp": {means: "tos"}, "dur": {means: "duration"},
	"asn": {means: "as"}, "srcas": {means: "src as"}, "dstas": {means: "dst as"}, "geoip": {means: "country"}, "srccountry": {means: "src country"}, "dstcountry": {means: "dst country"},
	"srcip": {means: "src ip"}, "dstip": {means: "dst ip"}, "srcaddr": {means: "src ip"}, "dstaddr": {means: "dst ip"}, "saddr": {means: "src ip"}, "daddr": {means: "dst ip"},
	"src_ip": {means: "src ip"}, "dst_ip": {means: "dst ip"}, "srcnet": {means: "src net"}, "dstnet": {means: "dst net"},
	"srcport": {means: "src port"}, "dstport": {means: "dst port"}, "src_port": {means: "src port"}, "dst_port": {means: "dst port"}, "portrange": {means: "port"},
	"inif": {means: "in if"}, "outif": {means: "out if"}, "interface": {means: "if"}, "input-index": {means: "in if"}, "output-index": {means: "out if"},
	"ip.addr": {means: "ip"}, "ip.src": {means: "src ip"}, "ip.dst": {means: "dst ip"}, "ip.proto": {means: "proto"}, "ipv6.addr": {means: "ip"},
	"tcp.port": {means: "port"}, "udp.port": {means: "port"}, "tcp.srcport": {means: "src port"}, "tcp.dstport": {means: "dst port"}, "tcp.flags": {means: "flags"},
	"tcpflags": {means: "flags"}, "tcp-flags": {means: "flags"}, "tcp_flags": {means: "flags"}, "less": {means: "bytes <="}, "greater": {means: "bytes >="},
	"len": {means: "bytes"}, "length": {means: "bytes"}, "size": {means: "bytes"}, "inbytes": {means: "bytes"}, "inpackets": {means: "packets"}, "xlate": {means: "nat"},
}

// keyWords are the keys of flowhound top for the words of expressions.
var keyWords = map[string]string{
	"src": "sip", "source": "sip", "src ip": "sip", "src net": "sip", "dst": "dip", "destination": "dip", "dst ip": "dip", "dst net": "dip", "host": "ip", "net": "ip", "addr": "ip", "address": "ip",
	"src port": "sport", "dst port": "dport", "src as": "sas", "dst as": "das", "country": "cc", "src country": "scc", "dst country": "dcc", "protocol": "proto", "router": "exporter", "in if": "in", "out if": "out",
}

// meantKey returns which key a word that is none was meant to be, "" when that cannot be
// told.
func meantKey(word string) string {
	names := keyNames()
	for _, meant := range []string{keyWords[word], keyWords[foreign[word].means], foreign[word].means} {
		if slices.Contains(names, meant) {
			return meant
		}
	}
	return nearest.Word(word, names)
}

const engine = "engine: NetFlow v5's is the domain 256 * type + id"

// serviceNames are the ports that people call by a name.
var serviceNames = map[string]string{
	"ftp": "21", "ssh": "22", "telnet": "23", "smtp": "25", "dns": "53", "domain": "53", "dhcp": "67,68", "tftp": "69", "http": "80", "www": "80", "kerberos": "88", "pop3": "110",
	"ntp": "123", "netbios": "137-139", "imap": "143", "snmp": "161", "bgp": "179", "ldap": "389", "https": "443", "smb": "445", "syslog": "514", "ldaps": "636", "imaps": "993",
	"pop3s": "995", "openvpn": "1194", "mssql": "1433", "mysql": "3306", "rdp": "3389", "sip": "5060", "postgres": "5432", "vnc": "5900", "wireguard": "51820",
}

// comparisons are words that compare, as nfdump and shells have them.
var comparisons = map[string]string{"eq": "=", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}

// operators are words of other languages that stand where a value should.
var operators = []string{"is", "equals", "like", "contains", "matches", "between", "to"}

// sideNames are the words for the sides of a record.
var sideNames = map[string]side{
	"src": source, "source": source, "in": source, "input": source, "dst": target, "dest": target, "destination": target, "out": target, "output": target,
}

// unknown says that a word is none of the language's.
func (p *parser) unknown(t token, afterSide bool) error {
	const follows = "ip, net, port, country, as or if must follow"
	if t.kind != word {
		return p.fail(t, follows, "")
	}
	lower := strings.ToLower(t.text)
	switch next := p.look(1); {
	case lower == "and" || lower == "or" || lower == "not":
		if afterSide {
			return p.fail(t, follows, "")
		}
		return p.fail(t, strconv.Quote(t.text)+" is where a condition should be, such as dst port 443", "")
	case afterSide && sideNames[lower] != either && foreign[strings.ToLower(next.text)].lacks == "":
		return p.fail(t, "two sides need a word between them", "or "+t.text)
	case afterSide && sideNames[lower] != either: // in src mac
		return p.foreign(next)
	}
	if _, ok := protocols[lower]; ok && !afterSide {
		if next := p.look(1); next.kind == word && !p.is(1, "and", "or") {
			return p.fail(t, strconv.Quote(t.text)+" is a protocol", "proto "+t.text+" and")
		}
		return p.fail(t, strconv.Quote(t.text)+" is a protocol", "proto "+t.text)
	}
	if foreign[lower] != (elsewhere{}) {
		return p.foreign(t)
	}
	if m := p.repeated(t); m != "" {
		return p.fail(t, strconv.Quote(t.text)+" stands alone: each condition says what it is about", m)
	}
	if name, value, ok := strings.Cut(t.text, ":"); ok { // src:10.0.0.1
		if _, noun := nouns()[strings.ToLower(name)]; noun || sideNames[strings.ToLower(name)] != either {
			return p.fail(t, "a space stands before the value, not a colon", name+" "+value)
		}
	}
	if isName(t.text) {
		return p.fail(t, strconv.Quote(t.text)+" is a name; flows have addresses", "")
	}
	if s := suggestAddress(t.text); s != "" && strings.Contains(t.text, ".") {
		return p.fail(t, strconv.Quote(t.text)+" is not "+wantAddress, s)
	}
	words := []string{"src", "dst", "not", "any", "nat", "in", "out", "direction"}
	if afterSide {
		words = nil
	}
	for w, n := range nouns() {
		if !afterSide || n.paired {
			words = append(words, w)
		}
	}
	slices.Sort(words)
	return p.fail(t, "unknown word "+strconv.Quote(t.text), nearest.Word(lower, words))
}

// foreign says what is wrong with a word of another tool.
func (p *parser) foreign(t token) error {
	e := foreign[strings.ToLower(t.text)]
	if e.lacks != "" {
		return p.fail(t, "flows have no "+e.lacks, e.means)
	}
	return p.fail(t, "unknown word "+strconv.Quote(t.text), e.means)
}

// repeated returns what is meant by a value that stands alone after and or or: in
// "dst port 80 or 443" it is "dst port 443".
func (p *parser) repeated(t token) string {
	if p.said == "" {
		if (&collector{field: SrcPort}).try(t.text) {
			return "port " + t.text
		}
		return ""
	}
	if (&collector{field: p.last}).try(t.text) {
		return p.said + " " + t.text
	}
	return ""
}

// misplaced says what is wrong with a word where a value should be: src after ip, not,
// or a word that compares in another language.
func (p *parser) misplaced(c *collector, t token) error {
	lower := strings.ToLower(t.text)
	next := p.look(1)
	switch {
	case t.kind == not || p.is(0, "not"):
		if next.kind == word {
			return p.fail(t, "not stands before a condition", "!=")
		}
		return p.fail(t, "not stands before a condition", "")
	case t.kind == compare && p.look(-1).kind == compare: // => and =<
		return p.fail(token{pos: p.look(-1).pos, end: t.end}, "unknown comparison", map[string]string{"=>": ">=", "=<": "<="}[p.look(-1).text+t.text])
	case t.kind != word:
		return nil
	case sideNames[lower] != either && lower != "in" && lower != "out" && fields[c.field].form != formFlags:
		return p.fail(t, strconv.Quote(t.text)+" stands before what it is about", lower+" "+p.said)
	case slices.Contains(operators, lower) && fields[c.field].form != formCountry:
		return p.fail(t, strconv.Quote(t.text)+" does not compare: = != < > <= >= and in [ ] do", "=")
	}
	if next.kind == word && c.field.ordered() && c.try(t.text+next.text) && !c.try(t.text) {
		return p.fail(token{pos: t.pos, end: next.end}, "a value has no space in it", t.text+next.text)
	}
	return nil
}

// thousands says what is wrong with 1,000,000, whose first token stands at a place.
func (p *parser) thousands(at int) error {
	whole := p.tokens[at]
	for ; p.tokens[at+1].kind == comma && p.tokens[at+2].kind == word; at += 2 {
		whole.text, whole.end = whole.text+p.tokens[at+2].text, p.tokens[at+2].end
	}
	return p.fail(whole, "a number has no commas", whole.text)
}

// ordered reports whether a field's values are numbers with units.
func (f Field) ordered() bool { return fields[f].form == formCount || fields[f].form == formDuration }
