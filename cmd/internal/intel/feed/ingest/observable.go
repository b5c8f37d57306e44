package ingest

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Parse writes into i the one thing that text names: an address or network into
// Prefix (host bits cleared, v4-mapped unmapped), a name into Domain (lower
// case, Punycode), a URL into URL; a port that stands behind an address or name
// into Port. It undoes defanging (1[.]2, hxxp) and the wildcards *.x and ||x^,
// which a domain covers anyway. Ranges are Range's.
func Parse(text string, i *intel.Indicator) Reason {
	text = refang(text)
	switch {
	case strings.Contains(text, "://"):
		return parseURL(text, i)
	case text != "" && (text[0] >= '0' && text[0] <= '9' || strings.Contains(text, ":") || strings.Contains(text, "/")):
		return parseAddress(text, i)
	}
	return parseDomain(text, i)
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
	if leadingZero(text) {
		return LeadingZero
	}
	return parseDomain(text, i)
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
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		return Unreadable
	}
	var host intel.Indicator
	if r := Parse(u.Hostname(), &host); r != "" && r != PublicSuffix {
		return r // a URL may well stand under github.io
	}
	i.URL = text
	return ""
}

func parseDomain(text string, i *intel.Indicator) Reason {
	if ad, ok := strings.CutPrefix(text, "||"); ok {
		text, _, _ = strings.Cut(ad, "^")
	}
	text = strings.TrimPrefix(text, "*.")
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

// validName checks length and letters (RFC 1035 and the underscore), and that
// the last label is no number, which no top-level domain is.
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

// refang undoes the ways in which people keep an indicator from being clicked.
func refang(text string) string {
	if i := strings.IndexAny(text, "[(hH"); i < 0 {
		return text
	}
	if strings.ContainsAny(text, "[(") {
		text = strings.NewReplacer("[.]", ".", "(.)", ".", "[dot]", ".", "(dot)", ".", "[:]", ":", "[://]", "://").Replace(text)
	}
	if len(text) > 4 && strings.EqualFold(text[:4], "hxxp") {
		text = "http" + text[4:]
	}
	return text
}
