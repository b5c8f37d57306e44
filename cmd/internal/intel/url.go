package intel

import (
	"net/netip"
	"strconv"
	"strings"
)

// URL is what names the host of a URL.
type URL struct {
	Scheme string // lower case
	Host   string // a name in lower case without a final dot, or an address without brackets
	Port   uint16 // 0: none is written
	// Rest is what follows host and port as it is written: path, query and fragment.
	Rest string
}

// SplitURL finds the host in a URL as malware writes them: "http://192.0.2.1/%" is
// one that net/url rejects, and its host is bad all the same. Browsers take "\" for
// "/" and so does SplitURL. It returns false where there is no scheme or no host,
// or the port is not a number of 16 bits.
func SplitURL(text string) (u URL, ok bool) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || !isScheme(scheme) {
		return u, false
	}
	u.Scheme = strings.ToLower(scheme)
	end := strings.IndexAny(rest, `/?#\`)
	if end < 0 {
		end = len(rest)
	}
	authority := rest[:end]
	u.Rest = rest[end:]
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:]
	}
	host, port := authority, ""
	if strings.HasPrefix(authority, "[") {
		end := strings.IndexByte(authority, ']')
		if end < 0 {
			return u, false
		}
		host, port = authority[1:end], authority[end+1:]
		if ip, err := netip.ParseAddr(host); err != nil || !ip.Is6() || port != "" && port[0] != ':' {
			return u, false
		}
		port = strings.TrimPrefix(port, ":")
	} else if at := strings.IndexByte(authority, ':'); at >= 0 {
		host, port = authority[:at], authority[at+1:]
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return u, false
		}
		u.Port = uint16(n)
	}
	u.Host = strings.ToLower(strings.TrimSuffix(host, "."))
	return u, u.Host != "" && !strings.ContainsFunc(u.Host, isNoHost)
}

// isScheme follows RFC 3986, 3.1.
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || (s[i] < '0' || s[i] > '9') && s[i] != '+' && s[i] != '-' && s[i] != '.') {
			return false
		}
	}
	return s != ""
}

// isNoHost knows what no name or address holds.
func isNoHost(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`"<>^|{}%`+"`", r)
}
