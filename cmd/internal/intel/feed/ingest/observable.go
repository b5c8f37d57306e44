package ingest

import (
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Parse writes into i the one thing that text names: an address or network into
// Prefix (host bits cleared, v4-mapped unmapped), a name into Domain (lower
// case, Punycode), a URL into URL; a port that stands behind an address or name
// into Port, with ":" or "|" between them. It undoes quotes and defanging (1[.]2,
// hxxp), labels ("Ip:", "Range:"), and the wildcards *.x, .x and ||x^, which a
// domain covers anyway. Ranges and netmasks are CutSpan's.
func Parse(text string, i *intel.Indicator) Reason {
	text = CutLabel(refang(unquote(text)))
	if ad, ok := cutAdblock(text); ok {
		text = ad
	}
	switch {
	case strings.Contains(text, "://"):
		return parseURL(text, i)
	case text != "" && (text[0] >= '0' && text[0] <= '9' || strings.ContainsAny(text, ":/|")):
		return parseAddress(text, i)
	}
	return parseDomain(text, i)
}

// unquote cuts the quotes and angle brackets around a value.
func unquote(text string) string {
	if text == "" || text[0] > '<' && text[0] != '`' && text[0] < 0x80 && text[len(text)-1] != '"' && text[len(text)-1] != '\'' {
		return text
	}
	return strings.Trim(text, "\"'`<>\u201c\u201d ")
}

// CutLabel cuts what says what follows, as crowdsec writes "Ip:192.0.2.1" and
// "Range:192.0.2.0/24".
func CutLabel(text string) string {
	at := strings.IndexByte(text, ':')
	if at < 2 || at > len("ip address") || at == len(text)-1 || strings.HasPrefix(text[at:], "://") {
		return text
	}
	switch strings.ToLower(text[:at]) {
	case "ip", "ipv4", "ipv6", "ip-address", "ip address", "ip_address", "address", "addr", "range", "cidr", "net", "network", "subnet", "prefix",
		"host", "hostname", "domain", "fqdn", "url", "uri", "src", "dst", "source", "ioc", "indicator", "attacker":
	default:
		return text
	}
	rest := strings.TrimLeft(text[at+1:], " \t")
	if _, digits := number(rest); digits == len(rest) {
		return text // a port
	}
	return rest
}

// cutAdblock reads "||name^", "|address^" and "||name^$options".
func cutAdblock(text string) (string, bool) {
	rest, ok := strings.CutPrefix(text, "|")
	if !ok {
		return text, false
	}
	rest = strings.TrimPrefix(rest, "|")
	rest, _, _ = strings.Cut(rest, "$")
	return strings.TrimRight(rest, "^|"), true
}

// CutWildcard removes the mark of a name that stands for all names below it too:
// a leading "*." or ".".
func CutWildcard(text string) (name string, found bool) {
	if name, found = strings.CutPrefix(text, "*."); found {
		return name, true
	}
	return strings.CutPrefix(text, ".")
}

func parseAddress(text string, i *intel.Indicator) Reason {
	if slash := strings.IndexByte(text, '/'); slash >= 0 {
		return parseNetwork(text[:slash], text[slash+1:], i)
	}
	bare := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		bare = text[1 : len(text)-1]
	}
	if ip, err := netip.ParseAddr(bare); err == nil {
		if ip.Zone() != "" {
			return Zone
		}
		ip = ip.Unmap()
		i.Prefix = netip.PrefixFrom(ip, ip.BitLen())
		return ""
	}
	if ap, err := netip.ParseAddrPort(text); err == nil {
		if ap.Addr().Zone() != "" {
			return Zone
		}
		ip := ap.Addr().Unmap()
		i.Prefix, i.Port = netip.PrefixFrom(ip, ip.BitLen()), ap.Port()
		return ""
	}
	if address, port, ok := strings.Cut(text, "|"); ok {
		return parseBar(address, port, i)
	}
	if leadingZero(text) {
		return LeadingZero
	}
	return parseDomain(text, i)
}

// parseBar reads "address|port" and "name|port", as MISP writes them.
func parseBar(left, right string, i *intel.Indicator) Reason {
	n, err := strconv.ParseUint(strings.TrimSpace(right), 10, 16)
	if err != nil {
		return Unreadable
	}
	why := Parse(strings.TrimSpace(left), i)
	if why == "" && (i.URL != "" || i.Port != 0) {
		return Unreadable
	}
	i.Port = uint16(n)
	return why
}

func parseNetwork(address, length string, i *intel.Indicator) Reason {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		if leadingZero(address) {
			return LeadingZero
		}
		return Unreadable
	}
	bits, err := strconv.ParseUint(length, 10, 8)
	switch {
	case err != nil:
		return Unreadable
	case ip.Zone() != "":
		return Zone
	case len(length) > 1 && length[0] == '0':
		return LeadingZero
	case ip.Is4In6() && bits >= 96:
		ip, bits = ip.Unmap(), bits-96
	}
	p, err := ip.Prefix(int(bits))
	if err != nil {
		return Unreadable
	}
	i.Prefix = p
	return ""
}

// leadingZero reports whether text looks like an IPv4 address, perhaps with a
// port, one of whose numbers has a leading zero.
func leadingZero(text string) bool {
	text, _, _ = strings.Cut(text, ":")
	parts := strings.Split(text, ".")
	if len(parts) != 4 {
		return false
	}
	padded := false
	for _, p := range parts {
		if n, err := strconv.Atoi(p); err != nil || n < 0 || n > 255 {
			return false
		}
		padded = padded || len(p) > 1 && p[0] == '0'
	}
	return padded
}

func parseURL(text string, i *intel.Indicator) Reason {
	u, ok := intel.SplitURL(text)
	if !ok {
		return Unreadable
	}
	var host intel.Indicator
	if r := Parse(u.Host, &host); r != "" && r != PublicSuffix {
		return r // a URL may well stand under github.io
	}
	i.URL = text
	return ""
}

func parseDomain(text string, i *intel.Indicator) Reason {
	if why := isOther(text); why != "" {
		return why
	}
	text, _ = CutWildcard(text)
	name, port, hasPort := strings.Cut(text, ":")
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return Unreadable
		}
		i.Port = uint16(n)
	}
	name = strings.TrimSuffix(name, ".")
	ascii := strings.ToLower(name)
	if !plain(name) {
		var err error
		if ascii, err = idna.Lookup.ToASCII(name); err != nil {
			return Unreadable
		}
	}
	if !validName(ascii) {
		return Unreadable
	}
	if !strings.Contains(ascii, ".") {
		return SingleLabel
	}
	if suffix, icann := publicsuffix.PublicSuffix(ascii); icann && suffix == ascii {
		return PublicSuffix
	}
	i.Domain = ascii
	return ""
}

// isOther knows what lists hold beside what flows can be held against: hashes of
// files, mail addresses, numbers of autonomous systems and weaknesses.
func isOther(text string) Reason {
	if label, rest, ok := strings.Cut(text, ":"); ok {
		switch strings.ToLower(label) {
		case "md5", "sha1", "sha256", "sha512", "sha-1", "sha-256":
			text = rest
		case "as", "asn", "country", "username", "session": // crowdsec's scopes
			return Unsupported
		}
	}
	switch len(text) {
	case 32, 40, 56, 64, 96, 128:
		if strings.Trim(strings.ToLower(text), "0123456789abcdef") == "" {
			return Hash
		}
	}
	if at := strings.IndexByte(text, '@'); at > 0 && strings.IndexByte(text[at:], '.') > 0 && !strings.ContainsAny(text, " /") {
		return Unsupported
	}
	if rest, ok := strings.CutPrefix(strings.ToUpper(text[:min(len(text), 20)]), "AS"); ok {
		if _, digits := number(strings.TrimPrefix(rest, "N")); digits > 0 && digits == len(strings.TrimPrefix(rest, "N")) {
			return Unsupported
		}
	}
	if strings.HasPrefix(strings.ToUpper(text[:min(len(text), 4)]), "CVE-") {
		return Unsupported
	}
	return ""
}

// validName checks length and letters (RFC 1035 and the underscore), and that
// the last label is not a number, which no top-level domain is.
func validName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	label, digits := 0, true
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.':
			if label == 0 || label > 63 {
				return false
			}
			label, digits = 0, true
			continue
		case c >= '0' && c <= '9':
		case c >= 'a' && c <= 'z', c == '-', c == '_':
			digits = false
		default:
			return false
		}
		label++
	}
	return label > 0 && label <= 63 && !digits
}

var brackets = strings.NewReplacer("[.]", ".", "(.)", ".", "[dot]", ".", "(dot)", ".", "[:]", ":", "[://]", "://")

// refang undoes the ways in which people keep an indicator from being clicked.
func refang(text string) string {
	if i := strings.IndexAny(text, "[(hH"); i < 0 {
		return text
	}
	if strings.ContainsAny(text, "[(") {
		text = brackets.Replace(text)
	}
	if len(text) > 4 && strings.EqualFold(text[:4], "hxxp") {
		text = "http" + text[4:]
	}
	return text
}
