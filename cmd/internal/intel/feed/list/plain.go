package list

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// plain reads one line of a plain list. Besides the bare indicator it knows:
//
//	192.0.2.1 # comment            and ; comment: the comment becomes the name
//	192.0.2.0 - 192.0.2.9 , 0, x   a range or netmask: see ingest.CutSpan
//	Bad org:192.0.2.0-192.0.2.9    PeerGuardian: the name before the range
//	192.0.2.1,x,y  192.0.2.1 x y   the rest is not looked at, but for
//	192.0.2.1,443  192.0.2.1 TAB 443, 192.0.2.1|443   a port
//	192.0.2.1 192.0.2.5, 192.0.2.7 several of them
//	192.0.2.1 TAB 3                IPsum: on how many lists it stands
//	START TAB END TAB 24 TAB ...   DShield's block list
//	ExitAddress 192.0.2.1 DATE     Tor's exit addresses
//	Ip: 192.0.2.1                  what says what follows
//	||bad.example^$third-party     adblock; @@ lets pass
//	deny from 192.0.2.1            rules of firewalls and web servers
//	address=/bad.example/0.0.0.0   dnsmasq
//	0.0.0.0 bad.example            the hosts format, unless the format is plain
func (p *parser) plain(line string) {
	if isBare(line) {
		p.one(line, p.template)
		return
	}
	if p.adblock(line) || p.dnsmasq(line) {
		return
	}
	body, comment := cutComment(line)
	body = ingest.CutLabel(body)
	i := p.template
	if name := ingest.Text(comment, ingest.MaxName); name != "" {
		i.Name = name
	}
	if !strings.ContainsAny(body, " \t,;") {
		p.take(body, i)
		return
	}
	if columns := strings.Split(body, "\t"); len(columns) > 1 && p.tabbed(columns, i) {
		return
	}
	if span, _, ok := ingest.CutSpan(body); ok {
		p.takeSpan(span, body, i)
		return
	}
	if name, span, ok := cutNamedRange(body); ok {
		if name = ingest.Text(name, ingest.MaxName); name != "" {
			i.Name = name
		}
		p.take(span, i)
		return
	}
	word, rest := cutWord(body)
	switch {
	case word == "ExitAddress":
		word, rest = cutWord(rest)
		i.LastSeen = ingest.When(rest)
	case word == "ExitNode" || word == "Published" || word == "LastStatus":
		return
	case p.Format == Auto && isSinkhole(word) && !strings.HasPrefix(rest, ","):
		p.hosts(line)
		return
	case isVerb(word) && !strings.HasPrefix(rest, ","):
		p.rule(body, i)
		return
	}
	p.port(rest, &i)
	p.take(word, i)
	p.more(rest, i)
}

// longest4 is the length of an IPv4 address, and a byte.
const longest4 = len("255.255.255.255") + 1

// prefix4 reads the IPv4 address, alone or with the length of its network, that text begins
// with, and tells how long that is: 0 where there is none. Nearly all lines of nearly all
// lists are one, and cost a tenth this way. Whatever is not beyond doubt is left to
// ingest.Parse.
func prefix4(text []byte) (p netip.Prefix, n int) {
	var short [longest4]byte
	if len(text) < longest4 {
		copy(short[:], text)
		text = short[:]
	}
	ip, begin := uint32(0), 0
	for i, others := 0, others16(text); i < 4; i++ {
		n = bits.TrailingZeros32(others)
		others &= others - 1
		v, ok := number(text[begin:], n-begin)
		if !ok || i < 3 && text[n] != '.' {
			return p, 0
		}
		ip, begin = ip<<8|v, n+1
	}
	length := 32
	if text[n] == '/' {
		ok := false
		if length, n, ok = length4(text, n+1); !ok {
			return p, 0
		}
		ip &^= 1<<(32-length) - 1
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)}), length), n
}

// others16 returns a bit for each of the first 16 bytes of text that is no digit, and one for
// what follows them. It looks at eight bytes at a time: for one after the other the processor
// would guess every second branch wrong.
func others16(text []byte) uint32 {
	const low, zero, above, high = 0x7f7f7f7f7f7f7f7f, 0x3030303030303030, 0x7676767676767676, 0x8080808080808080
	a, b := binary.LittleEndian.Uint64(text)^zero, binary.LittleEndian.Uint64(text[8:])^zero
	a, b = (a&low+above|a)&high, (b&low+above|b)&high // the highest bit of what is no digit
	const gather = 0x0002040810204081                 // the highest bits into the highest byte
	return uint32(a*gather>>56) | uint32(b*gather>>56)<<8 | 1<<16
}

// number reads the number of so many digits that text begins with, when it has one to three,
// is not above 255 and does not begin with a zero.
func number(text []byte, digits int) (v uint32, ok bool) {
	if digits < 1 || digits > 3 {
		return 0, false
	}
	d := (binary.LittleEndian.Uint32(text) ^ 0x30303030) << (32 - 8*digits) // the last digit in the highest byte
	v = d>>8&0xff*100 + d>>16&0xff*10 + d>>24
	return v, v <= 255 && (text[0] != '0' || digits == 1)
}

// length4 reads the length of a network in text from n on, and returns what follows it.
func length4(text []byte, n int) (bits, end int, ok bool) {
	for end = n; end < len(text) && text[end]-'0' <= 9; end++ {
		if bits = bits*10 + int(text[end]-'0'); bits > 32 || end > n && text[n] == '0' {
			return 0, 0, false
		}
	}
	return bits, end, end > n
}

// isBare reports whether a line is letters, digits, dots and dashes of a name, or an IPv4
// address, alone: most lines are, and cost a third this way. A dash behind a digit may
// make a range.
func isBare(line string) bool {
	for i := range len(line) {
		c := line[i]
		if (c < '0' || c > '9') && c != '.' && (c < 'a' || c > 'z') && (c != '-' || i > 0 && line[i-1] <= '9') {
			return false
		}
	}
	return true
}

// more takes the addresses that follow the first one of a line; the first other
// word ends them.
func (p *parser) more(rest string, i intel.Indicator) {
	for {
		word, after := cutWord(strings.TrimLeft(rest, ", \t"))
		if _, ok := address(word); !ok {
			return
		}
		p.take(word, i)
		rest = after
	}
}

// port reads what stands behind a first word when that is a port: a number in the second of
// two columns, which is no count (see parser.counts).
func (p *parser) port(rest string, i *intel.Indicator) {
	number, found := strings.CutPrefix(rest, ",")
	if !found || p.counts {
		return
	}
	if n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 16); err == nil && n > 0 {
		i.Port = uint16(n)
	}
}

// tabbed reads the dialects of DShield and IPsum and addresses with a port, and
// reports whether it was one.
func (p *parser) tabbed(columns []string, i intel.Indicator) bool {
	for at := range columns {
		columns[at] = strings.TrimSpace(columns[at])
	}
	if len(columns) >= 3 {
		if columns[0] == "Start" && columns[1] == "End" {
			return true // DShield's header
		}
		if _, err := strconv.ParseUint(columns[2], 10, 8); err != nil || !isAddress(columns[0]) || !isAddress(columns[1]) {
			return false
		}
		if len(columns) >= 5 && columns[4] != "-" {
			if name := ingest.Text(columns[4], ingest.MaxName); name != "" {
				i.Name = name
			}
		}
		p.take(columns[0]+"-"+columns[1], i)
		return true
	}
	n, err := strconv.ParseUint(columns[1], 10, 16)
	switch {
	case err != nil || n == 0:
		return false
	case !p.counts:
		i.Port = uint16(n)
	case n < 100:
		i.Score = listedScore(int(n))
	}
	p.take(columns[0], i)
	return true
}

// listedScore is the score of an address that stands on n other lists, as IPsum
// counts them. IPsum advises to block from 3 on, which gives 60, what an
// indicator of unknown confidence has; 7 lists and more give 95.
func listedScore(n int) uint8 {
	scores := [...]uint8{30, 45, 60, 70, 80, 90, 95}
	return scores[min(n, len(scores))-1]
}

// mostLists is the highest count that a list without a word about it is believed
// to have: IPsum gathers thirty lists and its counts end at about twelve, and
// no service that matters has a port as low.
const mostLists = 15

// countsOf tells from a sample whether the number behind an address says how many
// lists name it. Otherwise it is a port.
func countsOf(s *source) bool {
	for _, c := range s.comments {
		if c = strings.ToLower(c); strings.Contains(c, "ipsum") || strings.Contains(c, "number of") || strings.Contains(c, "count") {
			return true
		}
	}
	numbers := 0
	for _, l := range s.ahead {
		at := strings.IndexAny(l.raw, "\t,")
		if at < 0 {
			continue
		}
		if n, err := strconv.Atoi(strings.TrimSpace(l.raw[at+1:])); err == nil {
			if numbers++; n > mostLists {
				return false
			}
		}
	}
	return numbers > 0
}

// isVerb knows the words that rules of firewalls and web servers begin with.
func isVerb(word string) bool {
	return slices.Contains([]string{"deny", "block", "drop", "reject", "blackhole", "add", "-a", "-i", "iptables", "ip6tables", "route", "ip", "access-list"},
		strings.ToLower(word))
}

// rule takes the first address, network or span of a rule.
func (p *parser) rule(body string, i intel.Indicator) {
	for rest := body; rest != ""; {
		word, after := cutWord(rest)
		if _, ok := address(strings.TrimSuffix(word, ";")); ok {
			if span, _, ok := ingest.CutSpan(rest); ok {
				p.takeSpan(span, rest, i)
			} else {
				p.take(strings.TrimSuffix(word, ";"), i)
			}
			return
		}
		rest = strings.TrimLeft(after, ", \t")
	}
	p.count(ingest.Unreadable, body)
}

// address reads a word that is an address or a network, and nothing else.
func address(word string) (i intel.Indicator, ok bool) {
	why := ingest.Parse(word, &i)
	return i, why == "" && i.Prefix.IsValid()
}

// adblock reads what only adblock lists hold, and reports whether it did.
func (p *parser) adblock(line string) bool {
	switch {
	case strings.HasPrefix(line, "@@"):
		p.count(ingest.Benign, line)
	case isCosmetic(line):
		p.count(ingest.Unsupported, line) // hides parts of pages
	case len(line) > 2 && line[0] == '/' && strings.LastIndexByte(line, '/') > 0:
		p.count(ingest.Unsupported, line) // a regular expression
	case strings.HasPrefix(line, "||") && strings.ContainsAny(strings.TrimRight(line, "/^"), "/*"):
		body, _, _ := strings.Cut(line, "^")
		if _, ok := address(body); ok {
			return false // a network
		}
		p.count(ingest.Unsupported, line) // a part of a host, or of its names
	default:
		return false
	}
	return true
}

// isCosmetic reports whether a line is an adblock rule about parts of pages:
// "site##.ad". AlienVault's "192.0.2.1#4#2#Host#US##..." is none.
func isCosmetic(line string) bool {
	site, rest, found := strings.Cut(line, "#")
	if !found || len(rest) < 2 || rest[0] != '#' && (strings.IndexByte("@?$", rest[0]) < 0 || rest[1] != '#') {
		return false
	}
	_, ok := address(site)
	return !ok
}

// dnsmasq reads address=/name/..., server=/name/..., local=/name/ and Unbound's
// local-zone: "name" ..., and reports whether it did.
func (p *parser) dnsmasq(line string) bool {
	key, rest, ok := strings.Cut(line, "=/")
	switch {
	case ok && (key == "address" || key == "server" || key == "local"):
		names := strings.Split(rest, "/")
		for _, name := range names[:len(names)-1] {
			p.take(name, p.template)
		}
		return true
	case strings.HasPrefix(line, "local-zone:"):
		name, _ := cutWord(strings.TrimLeft(line[len("local-zone:"):], " \t"))
		p.take(name, p.template)
		return true
	case strings.HasPrefix(line, "local-data:"), strings.HasPrefix(line, "server:"):
		p.understood++
		return true
	}
	return false
}

// cutComment splits a line at the first # or ;. In a URL both may occur, so
// there a blank must stand before them.
func cutComment(line string) (body, comment string) {
	from := 0
	for {
		at := strings.IndexAny(line[from:], "#;")
		if at < 0 {
			return line, ""
		}
		at += from
		if at > 0 && (line[at-1] == ' ' || line[at-1] == '\t' || !strings.Contains(line[:at], "://")) {
			return strings.TrimSpace(line[:at]), strings.TrimLeft(line[at:], "#; \t")
		}
		from = at + 1
	}
}

// cutWord splits off what stands before the first blank or comma. Of the rest
// only leading blanks are cut, so that the comma can be seen.
func cutWord(s string) (word, rest string) {
	at := strings.IndexAny(s, " \t,")
	if at < 0 {
		return s, ""
	}
	return s[:at], strings.TrimLeft(s[at:], " \t")
}

// cutNamedRange splits "name:first-last".
func cutNamedRange(s string) (name, span string, ok bool) {
	dash := strings.LastIndexByte(s, '-')
	if dash < 0 {
		return "", "", false
	}
	colon := strings.LastIndexByte(s[:dash], ':')
	if colon < 0 {
		return "", "", false
	}
	span = strings.TrimSpace(s[colon+1:])
	_, rest, ok := ingest.CutSpan(span)
	return s[:colon], span, ok && rest == ""
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
