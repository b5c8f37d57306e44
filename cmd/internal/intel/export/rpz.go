package export

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/text"
)

// What a zone does with the names it lists, by the word that chooses it.
const (
	actionNXDomain = "nxdomain" // the name does not exist
	actionNoData   = "nodata"   // it exists and has no records
	actionPassthru = "passthru" // answered as without the zone, and logged
	actionDrop     = "drop"     // not answered
	actionTCPOnly  = "tcp-only" // UDP is told to come back over TCP

	// ActionCNAME sends clients to a walled garden, the name in Options.CNAME.
	ActionCNAME = "cname"
	// ActionAllow makes a zone of what the allow lists hold, to let it pass.
	ActionAllow = "allow"
)

// Actions returns the words for Options.Action that need no name.
func Actions() []string {
	return []string{actionNXDomain, actionNoData, actionPassthru, actionDrop, actionTCPOnly, ActionAllow}
}

// DefaultZone returns the name of a zone whose options give none.
func DefaultZone(action string) string {
	if action == ActionAllow {
		return "allow.rpz.flowhound"
	}
	return "rpz.flowhound"
}

// Why a zone does not hold a domain that another export would.
const (
	reasonOneLabel Reason = "top-level" // it would answer for a whole top-level domain
	reasonCovered  Reason = "covered"   // a parent domain that is in the zone answers for it
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
	if o.Action == ActionAllow {
		z.writeAllowed(o.allow, s)
		return nil
	}
	names := z.names(entries)
	for i := range entries {
		r := Reason("")
		if i.Domain == "" {
			z.write(appendAddressOwner(z.line[:0], i.Prefix), i.Feed, i.Name, i.Ref)
		} else {
			r = z.writeDomain(&i, names)
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

// newZone returns a zone of the options, which it checks.
func newZone(w *bufio.Writer, o *Options) (*zone, error) {
	target, err := o.target()
	if err != nil {
		return nil, err
	}
	name := cmp.Or(o.Zone, DefaultZone(o.Action))
	name, r := hostName(name)
	if r != "" {
		return nil, fmt.Errorf("zone %q is not a domain name", o.Zone)
	}
	return &zone{w: w, name: name, target: target}, nil
}

// target returns what the zone's CNAME records point to: names that mean more
// than an alias (draft-vixie-dnsop-dns-rpz section 3), or the walled garden.
// Without its final dot rpz-passthru would be a name in the zone, and block what
// is to pass.
func (o *Options) target() (string, error) {
	if (o.CNAME != "") != (o.Action == ActionCNAME) {
		return "", fmt.Errorf("action %q with walled garden %q: only action %s has one, and needs it", o.Action, o.CNAME, ActionCNAME)
	}
	switch o.Action {
	case "", actionNXDomain:
		return ".", nil
	case actionNoData:
		return "*.", nil
	case actionPassthru, actionDrop, actionTCPOnly:
		return "rpz-" + o.Action + ".", nil
	case ActionAllow:
		return "rpz-passthru.", o.Filter.checkEmpty()
	case ActionCNAME:
		garden, r := hostName(o.CNAME)
		if r != "" {
			return "", fmt.Errorf("walled garden %q is not a domain name", o.CNAME)
		}
		return garden + ".", nil
	}
	return "", fmt.Errorf("unknown action %q (one of nxdomain nodata passthru drop tcp-only cname allow)", o.Action)
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

// nextSerial returns the time, or what follows the previous serial when the time
// is no later than that in the arithmetic of serials (RFC 1982): a server that
// sees a serial fall back keeps the old zone.
func nextSerial(former uint32, now time.Time) uint32 {
	n := uint32(now.Unix())
	if former != 0 && int32(n-former) <= 0 {
		n = former + 1
	}
	return max(n, 1) // 0 means none
}

// fits reports whether the zone can hold a name and the wildcard below it.
func (z *zone) fits(name string) bool {
	return len("*.")+len(name)+len(".")+len(z.name) <= maxName
}

// rejects returns why the zone cannot hold a domain, or "".
func (z *zone) rejects(domain string) Reason {
	switch {
	case !strings.Contains(domain, "."):
		return reasonOneLabel
	case !z.fits(domain):
		return reasonLongName
	}
	return ""
}

// names returns the domains that the zone is to hold, as keys.
func (z *zone) names(entries iter.Seq[intel.Indicator]) map[string]bool {
	names := make(map[string]bool)
	for i := range entries {
		if i.Domain != "" && z.rejects(i.Domain) == "" {
			names[i.Domain] = false
		}
	}
	return names
}

// writeDomain writes two records, because a wildcard does not stand for the name
// that it hangs from. names says of each domain whether it has been written.
func (z *zone) writeDomain(i *intel.Indicator, names map[string]bool) Reason {
	if r := z.rejects(i.Domain); r != "" {
		return r
	}
	if names[i.Domain] || parentIn(names, i.Domain) {
		return reasonCovered
	}
	names[i.Domain] = true
	z.write(append(z.line[:0], i.Domain...), i.Feed, i.Name, i.Ref)
	z.writeWildcard(i.Domain)
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

func (z *zone) writeWildcard(name string) {
	z.write(append(append(z.line[:0], "*."...), name...))
}

// write writes the record of an owner, which may stand in z.line, with what is to
// be said of it.
func (z *zone) write(owner []byte, why ...string) {
	b := append(append(owner, " CNAME "...), z.target...)
	z.line = append(appendComment(b, why), '\n')
	z.w.Write(z.line)
}

// maxComment bounds a comment's free text, in bytes.
const maxComment = 200

// appendComment appends what there is of texts as a comment of the master file
// format (RFC 1035 section 5.1), which only the end of the line ends.
func appendComment(b []byte, texts []string) []byte {
	before, from := " ; ", len(b)
	for _, t := range texts {
		if t == "" {
			continue
		}
		b = append(b, before...)
		before = ", "
		b = text.Zone.Append(b, t, maxComment-(len(b)-from))
	}
	return b
}
