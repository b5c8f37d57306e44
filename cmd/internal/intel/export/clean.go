package export

import (
	"net/netip"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/text"
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
		if _, ok := intel.SplitURL(i.URL); !ok || !text.IsWord(i.URL) {
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
