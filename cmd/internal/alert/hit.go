package alert

import (
	"encoding/base32"
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Indicators returns lists of indicators, one behind the other, as a hit tells them.
func Indicators(lists ...[]intel.Indicator) []hit.Indicator {
	var out []hit.Indicator
	for _, list := range lists {
		for i := range list {
			in := &list[i]
			x := hit.Indicator{
				IOC: in.Prefix, Feed: in.Feed, Category: in.Category.String(), Score: int(in.Score),
				Ref: in.Ref, Name: in.Name, FirstSeen: in.FirstSeen, LastSeen: in.LastSeen,
			}
			if in.Tags != "" {
				x.Tags = strings.Split(in.Tags, ",")
			}
			out = append(out, x)
		}
	}
	return out
}

// IP returns an address as a hit tells it: the invalid one where a is unspecified.
func IP(a flow.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a.IP()
}

// crockford leaves out i, l, o and u, which people misread.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// HitID returns a hit's id: 13 characters of the series, then the line's number.
func HitID(series, n uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], series)
	return crockford.EncodeToString(b[:]) + "-" + strconv.FormatUint(n, 10)
}
