package dnsbl

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// How long answers are believed.
const (
	minListed = 5 * time.Minute
	maxListed = 24 * time.Hour
	minClean  = time.Minute
	maxClean  = time.Hour
	failedFor = time.Minute // a failure is never taken for "clean", and not asked again at once
)

// kind is what an answer comes to.
type kind uint8

const (
	failed  kind = iota // no answer, SERVFAIL, or nothing that can be read
	clean               // not listed
	listed              // listed
	refused             // an error code: the zone does not answer us
)

// outcome is what became of one look-up.
type outcome struct {
	kind  kind
	codes []netip.Addr // of listed
	ttl   time.Duration
	why   string // of failed and refused, for people
	text  string // the zone's explanation of a listing, as it came
}

var (
	loopback = netip.MustParsePrefix("127.0.0.0/8")
	// errorCodes is where zones put their complaints: .252 a mistyped zone, .254
	// a public resolver that may not ask, .255 too many look-ups.
	errorCodes = netip.MustParsePrefix("127.255.255.0/24")
	// notListed is no code of any zone (RFC 5782, section 2.1), but what some
	// resolvers answer to everything.
	notListed = netip.MustParseAddr("127.0.0.1")
)

// IsAnswer reports whether zones answer with such an address.
func IsAnswer(ip netip.Addr) bool { return loopback.Contains(ip) }

// IsError reports whether an answer is a zone's complaint, or one that a resolver
// made up: never a listing.
func IsError(ip netip.Addr) bool { return errorCodes.Contains(ip) || ip == notListed }

func failure(why string) outcome { return outcome{kind: failed, ttl: failedFor, why: why} }

// classify reads the answer to a question about an address (RFC 5782). Only
// addresses in 127/8 list anything; every other one is somebody's mistake, and
// takes the listings beside it along.
func classify(m *dns.Msg) outcome {
	switch m.Rcode {
	case dns.RcodeSuccess:
	case dns.RcodeNameError:
		return outcome{kind: clean, ttl: negativeTTL(m)}
	default:
		name, known := dns.RcodeToString[m.Rcode]
		if !known {
			name = fmt.Sprintf("response code %d", m.Rcode)
		}
		return failure("the resolver answers " + name)
	}
	o := outcome{kind: listed, ttl: maxListed}
	for _, rr := range m.Answer {
		a, ok := rr.(*dns.A)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(a.A)
		ip = ip.Unmap()
		switch {
		case !ok:
			return failure("an address that is none")
		case errorCodes.Contains(ip):
			return outcome{kind: refused, why: complaint(ip)}
		case !IsAnswer(ip) || IsError(ip):
			return outcome{kind: refused, why: fmt.Sprintf("it answers %s, which does not mean that the address is listed: is the zone shut down, or does the resolver invent answers?", ip)}
		}
		o.codes = append(o.codes, ip)
		o.ttl = min(o.ttl, time.Duration(a.Hdr.Ttl)*time.Second)
	}
	if len(o.codes) == 0 {
		return outcome{kind: clean, ttl: negativeTTL(m)}
	}
	o.ttl = max(o.ttl, minListed)
	return o
}

// complaint explains the error codes that zones agree on.
func complaint(ip netip.Addr) string {
	switch ip.As4()[3] {
	case 252:
		return fmt.Sprintf("it answers %s: the zone's name is mistyped", ip)
	case 254:
		return fmt.Sprintf("it answers %s: it does not serve public resolvers; use a resolver of your own", ip)
	case 255:
		return fmt.Sprintf("it answers %s: too many look-ups; lower rate and daily", ip)
	}
	return fmt.Sprintf("it answers %s, an error", ip)
}

// negativeTTL is how long a name is known not to exist (RFC 2308, section 5).
func negativeTTL(m *dns.Msg) time.Duration {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			ttl := time.Duration(min(soa.Hdr.Ttl, soa.Minttl)) * time.Second
			return min(max(ttl, minClean), maxClean)
		}
	}
	return minClean
}

// explanation is the text of an answer's first TXT record.
func explanation(m *dns.Msg) string {
	for _, rr := range m.Answer {
		if txt, ok := rr.(*dns.TXT); ok {
			return strings.Join(txt.Txt, "")
		}
	}
	return ""
}

// question is the name under which a zone lists ip: IPv4 as reversed bytes, IPv6
// as reversed nibbles (RFC 5782, sections 2.1 and 2.4).
func question(ip netip.Addr, zone string) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 66+len(zone))
	if ip.Is4() {
		a := ip.As4()
		return fmt.Sprintf("%d.%d.%d.%d.%s.", a[3], a[2], a[1], a[0], zone)
	}
	a := ip.As16()
	for i := 15; i >= 0; i-- {
		b = append(b, digits[a[i]&15], '.', digits[a[i]>>4], '.')
	}
	return string(b) + zone + "."
}
