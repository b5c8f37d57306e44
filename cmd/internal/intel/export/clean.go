package export

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// The widest networks that an export holds. A feed may be told to match wider
// ones; a firewall that is given one cuts off the network it protects.
const (
	widest4 = 8
	widest6 = 19
)

// Why an indicator is in no export, whatever its format.
const (
	reasonTooWide     Reason = "too-wide"
	reasonUnspecified Reason = "unspecified-address" // 0.0.0.0 and ::, which to many systems are all
	reasonBadURL      Reason = "bad-url"             // not absolute, or with spaces or control characters
)

// unsafe returns why no system that trusts an export may be handed i, or "".
func unsafe(i *intel.Indicator) (r Reason) {
	switch kindOf(i) {
	case Domain:
		_, r = hostName(i.Domain)
	case URL:
		if u, err := url.Parse(i.URL); err != nil || u.Scheme == "" || u.Host == "" || !oneWord(i.URL) {
			r = reasonBadURL
		}
	case Address:
		if i.Prefix.Addr().IsUnspecified() {
			r = reasonUnspecified
		}
	case Prefix:
		if tooWide(i.Prefix) {
			r = reasonTooWide
		}
	}
	return r
}

func tooWide(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return p.Bits() < widest4
	}
	return p.Bits() < widest6
}

// oneWord reports whether s is printable ASCII without spaces: what else a URL
// holds must be percent-encoded (RFC 3986 section 2).
func oneWord(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

// oneLine returns free text without what could end a line or a field: control
// characters become spaces, bytes that are not UTF-8 question marks.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r == 0x7f:
			return ' '
		case r == '\uFFFD':
			return '?'
		}
		return r
	}, s)
}
