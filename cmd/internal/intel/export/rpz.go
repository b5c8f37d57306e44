package export

import (
	"bufio"
	"bytes"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// What a zone does with the names it lists, by the word that chooses it: the
// targets of CNAME records that mean more than an alias, as
// draft-vixie-dnsop-dns-rpz section 3 has them. Without the final dot
// rpz-passthru is a name in the zone, and what was to pass is blocked.
const (
	actionNXDomain = "nxdomain" // the name does not exist
	actionNoData   = "nodata"   // it exists and has no records
	actionPassthru = "passthru" // answered as without the zone, and logged
	actionDrop     = "drop"     // not answered
	actionTCPOnly  = "tcp-only" // UDP is told to come back over TCP
	actionCNAME    = "cname"    // sent to a walled garden
)

// defaultZone is the zone of all categories in one.
const defaultZone = "rpz.flowhound"

// What a zone may come to hold is its domains twice and its addresses once. It
// must not list what it means only in part, so these are left out.
const (
	reasonBadName  Reason = "bad-name"      // no host name: one would keep the whole zone from loading
	reasonLongName Reason = "long-name"     // too long together with the zone's name
	reasonOneLabel Reason = "top-level"     // would answer for a whole top-level domain
	reasonReserved Reason = "reserved-name" // a trigger of another kind, such as one on clients
	reasonCovered  Reason = "covered"       // a listed parent domain answers for it
)

// writeRPZ writes a response policy zone, as BIND, Unbound, Knot Resolver and
// PowerDNS load it: a listed domain and all names below it, and answers that
// hold a listed address or one of a listed network. Owners are relative, so that
// the name under which a server loads the zone is the server's business.
func writeRPZ(w *bufio.Writer, entries iter.Seq[intel.Indicator], o *Options, s *Stats) error {
	z, err := newZone(w, o)
	if err != nil {
		return err
	}
	z.writeHead(nextSerial(o.Serial, o.Now))
	names := z.names(entries)
	for i := range entries {
		var r Reason
		if i.Domain != "" {
			r = z.writeDomain(&i, names)
		} else {
			r = z.writePrefix(&i)
		}
		if r == "" {
			s.Written++
		} else {
			s.leave(r)
		}
	}
	return nil
}

// zone is one that is being written.
type zone struct {
	w      *bufio.Writer
	name   string
	target string // of the CNAME records
	line   []byte
}

func newZone(w *bufio.Writer, o *Options) (*zone, error) {
	name, r := hostName(o.Zone)
	if o.Zone == "" {
		name = defaultZone
	} else if r != "" {
		return nil, fmt.Errorf("zone %q is no domain name", o.Zone)
	}
	target, err := o.target()
	return &zone{w: w, name: name, target: target}, err
}

// target returns what the zone's CNAME records point to.
func (o *Options) target() (string, error) {
	if (o.CNAME != "") != (o.Action == actionCNAME) {
		return "", fmt.Errorf("action %q with walled garden %q: only action %s takes one, and it needs one", o.Action, o.CNAME, actionCNAME)
	}
	switch o.Action {
	case "", actionNXDomain:
		return ".", nil
	case actionNoData:
		return "*.", nil
	case actionPassthru, actionDrop, actionTCPOnly:
		return "rpz-" + o.Action + ".", nil
	case actionCNAME:
		garden, r := hostName(o.CNAME)
		if r != "" {
			return "", fmt.Errorf("walled garden %q is no domain name", o.CNAME)
		}
		return garden + ".", nil
	}
	return "", fmt.Errorf("unknown action %q (one of %s)", o.Action, strings.Join([]string{
		actionNXDomain, actionNoData, actionPassthru, actionDrop, actionTCPOnly, actionCNAME}, " "))
}

// soa is how the one line begins and ends that holds a serial.
const (
	soa = "@ SOA localhost. hostmaster.localhost. "
	// Servers that transfer the zone ask after an hour; answers made from it are
	// kept for a minute, so that a name which is taken off the list is soon free.
	soaTimes = " 3600 600 604800 60\n"
)

func (z *zone) writeHead(serial uint32) {
	fmt.Fprintf(z.w, "; Response policy zone %s, written by flowhound: changes made here are lost.\n$TTL 60\n", z.name)
	fmt.Fprintf(z.w, "%s%d%s@ NS localhost.\n", soa, serial, soaTimes)
}

// rpzSerial finds the serial in the line that writeHead writes.
func rpzSerial(line []byte) (uint32, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(soa))
	if !ok {
		return 0, false
	}
	number, _, _ := bytes.Cut(rest, []byte(" "))
	n, err := strconv.ParseUint(string(number), 10, 32)
	return uint32(n), err == nil
}

// nextSerial returns the time, or what follows the former serial when the time
// is no later than that in the arithmetic of serials (RFC 1982): a server that
// sees a serial fall back keeps the old zone.
func nextSerial(former uint32, now time.Time) uint32 {
	n := uint32(now.Unix())
	if former != 0 && int32(n-former) <= 0 {
		n = former + 1
	}
	return max(n, 1) // 0 means none
}

// owner returns the owner name for a domain, or why the zone cannot hold it.
func (z *zone) owner(domain string) (string, Reason) {
	name, r := hostName(domain)
	switch {
	case r != "":
		return "", r
	case !strings.Contains(name, "."):
		return "", reasonOneLabel
	case len("*.")+len(name)+len(".")+len(z.name) > maxName:
		return "", reasonLongName
	}
	return name, ""
}

// names returns the owner names of the domains among the entries, as keys.
func (z *zone) names(entries iter.Seq[intel.Indicator]) map[string]bool {
	names := make(map[string]bool)
	for i := range entries {
		if i.Domain == "" {
			continue
		}
		if name, r := z.owner(i.Domain); r == "" {
			names[name] = false
		}
	}
	return names
}

// writeDomain writes two records, because a wildcard does not stand for the name
// that it hangs from. names says of each owner whether it has been written.
func (z *zone) writeDomain(i *intel.Indicator, names map[string]bool) Reason {
	name, r := z.owner(i.Domain)
	if r != "" {
		return r
	}
	if names[name] || parentIn(names, name) {
		return reasonCovered
	}
	names[name] = true
	z.write(append(z.line[:0], name...), i)
	z.write(append(append(z.line[:0], "*."...), name...), nil)
	return ""
}

// parentIn reports whether a parent domain of name is among names.
//
// A name under a listed one must not be listed again. It would change nothing
// for itself, but the names between the two would come to exist in the zone
// without a record of their own, so that the parent's wildcard no longer stands
// for them nor for what is below them (RFC 4592 section 2.2.2): they would not be
// blocked any more.
func parentIn(names map[string]bool, name string) bool {
	_, parent, _ := strings.Cut(name, ".")
	for parent != "" {
		if _, ok := names[parent]; ok {
			return true
		}
		_, parent, _ = strings.Cut(parent, ".")
	}
	return false
}

func (z *zone) writePrefix(i *intel.Indicator) Reason {
	z.write(appendAddressOwner(z.line[:0], i.Prefix), i)
	return ""
}

// write writes the record of an owner and, where there is an indicator, why it
// is listed.
func (z *zone) write(owner []byte, i *intel.Indicator) {
	b := append(append(owner, " CNAME "...), z.target...)
	if i != nil {
		b = appendComment(b, i)
	}
	z.line = append(b, '\n')
	z.w.Write(z.line)
}

// maxComment bounds a comment's free text, in bytes.
const maxComment = 200

// appendComment appends feed, pulse and page of an indicator as a comment of the
// master file format (RFC 1035 section 5.1), which only the end of the line ends.
func appendComment(b []byte, i *intel.Indicator) []byte {
	b = append(b, " ; "...)
	from := len(b)
	for n, text := range [...]string{i.Feed, i.Name, i.Ref} {
		if text == "" {
			continue
		}
		if n > 0 {
			b = append(b, ", "...)
		}
		for _, r := range text {
			if r < ' ' || r == 0x7f {
				r = ' '
			}
			if len(b)-from+utf8.RuneLen(r) > maxComment {
				return b
			}
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}
