package export

import (
	"bufio"
	"iter"
	"net/netip"
	"strconv"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Why an indicator is not in a list of OSSEC or Wazuh.
const (
	reasonNoIPv6        Reason = "no-ipv6"         // OSSEC ends a key at its first colon
	reasonNoIPv6Network Reason = "no-ipv6-network" // Wazuh finds single IPv6 addresses only
)

// writeOSSEC writes a list that ossec-makelists compiles: key, colon, value. A
// rule looks addresses up in it:
//
//	<list field="dstip" lookup="address_match_key">lists/flowhound</list>
//
// The value is category and feed, such as c2,otx, for a rule's check_value.
func writeOSSEC(w *bufio.Writer, entries iter.Seq[intel.Indicator], _ *Options, s *Stats) error {
	return writeCDB(w, entries, s, false)
}

// writeWazuh writes the same for Wazuh, which also finds an IPv6 address when it
// stands in quotation marks.
func writeWazuh(w *bufio.Writer, entries iter.Seq[intel.Indicator], _ *Options, s *Stats) error {
	return writeCDB(w, entries, s, true)
}

func writeCDB(w *bufio.Writer, entries iter.Seq[intel.Indicator], s *Stats, ipv6 bool) error {
	l := cdbList{w: w}
	for i := range entries {
		var r Reason
		switch {
		case i.Domain != "":
			l.put(append(l.line[:0], i.Domain...), &i)
		case i.Prefix.Addr().Is4():
			l.putNetwork(&i)
		case !ipv6:
			r = reasonNoIPv6
		case !i.Prefix.IsSingleIP():
			r = reasonNoIPv6Network
		default:
			l.put(append(i.Prefix.Addr().AppendTo(append(l.line[:0], '"')), '"'), &i)
		}
		if r != "" {
			s.leave(r)
			continue
		}
		s.Written++
	}
	return nil
}

// cdbList is one that is being written.
type cdbList struct {
	w    *bufio.Writer
	line []byte
	// last holds the network whose parts were last written, by their octets.
	last [5]netip.Prefix
}

// put writes one line; key has been made in l.line.
func (l *cdbList) put(key []byte, i *intel.Indicator) {
	l.line = append(append(append(key, ':'), i.Category.String()...), ',')
	for n := range len(i.Feed) { // the names of lists given on the command line are paths
		c := i.Feed[n]
		if c == ':' || c == '"' || c == '#' || c <= ' ' || c >= 0x7f {
			c = '_'
		}
		l.line = append(l.line, c)
	}
	l.line = append(l.line, '\n')
	l.w.Write(l.line)
}

// putNetwork writes an IPv4 address or network. A list knows whole octets only,
// 203.0.113. for a /24, so other networks are split into as many as make them up:
// 128 at most, as no network is wider than widest4.
func (l *cdbList) putNetwork(i *intel.Indicator) {
	octets := (i.Prefix.Bits() + 7) / 8
	// An enclosing network comes first; what was split out of it has these keys.
	if last := l.last[octets]; last.IsValid() && last.Contains(i.Prefix.Addr()) {
		return
	}
	l.last[octets] = i.Prefix
	ip := i.Prefix.Addr().As4()
	for part := range 1 << (8*octets - i.Prefix.Bits()) {
		key := l.line[:0]
		for n := range octets {
			octet := int(ip[n])
			if n == octets-1 {
				octet += part
			}
			key = strconv.AppendInt(key, int64(octet), 10)
			if n < 3 {
				key = append(key, '.')
			}
		}
		l.put(key, i)
	}
}
