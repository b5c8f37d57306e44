// Package hit is the event that flowhound reports: an alert-worthy match of a
// flow against an indicator, after repeats are folded. It holds the event, its
// JSON form (json.go), its line for OSSEC and Wazuh (line.go) and the lines
// about flowhound itself (status.go). It imports the standard library only, so
// that anything may import it, and it never reads or writes a file.
package hit

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Version is the value of the JSON key v. Within one version fields are only added.
const Version = 1

// Severity orders hits by how soon a person should look.
type Severity uint8

// The severities, lowest first.
const (
	Info Severity = iota
	Low
	Medium
	High
	Critical
	NumSeverities = iota
)

var severityNames = [NumSeverities]string{"info", "low", "medium", "high", "critical"}

// String returns the severity's name in lower case.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return severityNames[Info]
}

// MarshalText returns the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText accepts the names that String returns, and nothing else.
func (s *Severity) UnmarshalText(b []byte) error {
	for i, n := range severityNames {
		if n == string(b) {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("unknown severity %q (one of info low medium high critical)", b)
}

// Kind says why a hit is reported now.
type Kind string

// The kinds.
const (
	New    Kind = "new"    // first hit of its key, or a key that got worse
	Repeat Kind = "repeat" // folded summary of more of the same
	Retro  Kind = "retro"  // found by a hunt through history
	DNSBL  Kind = "dnsbl"  // listed by a DNS blacklist
)

// Direction says who opened the conversation, seen from the local networks.
type Direction string

// The directions.
const (
	Outbound Direction = "outbound" // opened from inside
	Inbound  Direction = "inbound"  // opened from outside
	Internal Direction = "internal" // both sides are local
	Transit  Direction = "transit"  // neither side is local
)

// State says how far the conversation came.
type State string

// The states.
const (
	Attempt     State = "attempt"     // no answer seen
	Established State = "established" // data both ways, or the handshake done
	Unknown     State = "unknown"     // cannot be told
)

// Matched names the address of the hit that an indicator covers.
type Matched string

// The addresses that are matched. The names are seen from the hit's initiator
// (src) and responder (dst), not from the record's sender.
const (
	MatchedSrc    Matched = "src"
	MatchedDst    Matched = "dst"
	MatchedNATSrc Matched = "nat_src"
	MatchedNATDst Matched = "nat_dst"
)

// NoPort is the value of SrcPort and DstPort where there is none to tell: a
// protocol without ports, or a folded line of many ports.
const NoPort = -1

// Hit is one event. Counters are sums over the flow records that no earlier hit
// of its series has counted, multiplied by each record's sampling rate.
type Hit struct {
	Kind      Kind
	Severity  Severity
	Direction Direction
	State     State

	Category string       // of the best indicator: c2 malware botnet phishing scanner bruteforce spam anonymizer ddos policy other
	Feed     string       // of the best indicator
	IOC      netip.Prefix // of the best indicator; a whole address prints without its length
	Score    int          // 0-100

	// Src opened the conversation, Dst answered. Where a translated address
	// matched, it stands in its side's place.
	Src, Dst         netip.Addr
	SrcPort, DstPort int // 0-65535 or NoPort; ICMP: type and code
	Proto            uint8

	Count uint64 // flow records
	// Duplicates are flow records that another exporter had reported before: they are
	// not in Count, Bytes and Packets.
	Duplicates     uint64
	Bytes, Packets uint64

	Country  string     // of the remote side, see Place.Country
	Exporter netip.Addr // the one that told the most
	Domain   uint32     // observation domain
	Sampling uint32     // 0 or 1: unsampled or unknown

	Start, End  time.Time // earliest start and latest end of the records
	First, Last time.Time // earliest and latest receive time of the records
	Time        time.Time // when this hit was emitted

	ID   string // "<series>-<n>"
	Ref  string // one reference URL
	Name string // pulse or list name, plain: the line and the JSON append Remarks to it

	Local, Remote          netip.Addr // Remote is the side that matched
	Matched                Matched
	SrcBytes, DstBytes     uint64 // Bytes by who sent them
	SrcPackets, DstPackets uint64
	NATSrc, NATDst         netip.Addr

	// SrcPlace and DstPlace say where Src and Dst are, and whose.
	SrcPlace, DstPlace Place

	// Sources and Targets are the numbers of distinct addresses of a
	// coarsely folded hit, the printed pair (Src, Dst) included, exact to 4096;
	// 0 or 1 where the hit is about one. When either is above 1, Remarks ends with
	// both: "(+36 sources, 9 targets)".
	Sources, Targets int

	// Exporters are the exporters that reported it and how much, when there are several,
	// eight at most.
	Exporters []Share

	// Regular says how regularly the pair talks, nil when there is nothing to say.
	Regular *Regular
	// Shared names the content network that the listed address belongs to, and
	// Scanner the research project that scans from it; "" for neither.
	Shared, Scanner string

	// Indicators are all that cover the matched address, best first, then those
	// on the flow's other addresses.
	Indicators []Indicator
}

// Indicator is one reason for a hit.
type Indicator struct {
	IOC       netip.Prefix
	Feed      string
	Category  string
	Score     int
	Ref, Name string
	Tags      []string

	FirstSeen, LastSeen time.Time
}

// Place is the location and the owner of an address at the time of the flows. Unknown
// fields are empty.
type Place struct {
	// Country is an ISO 3166-1 alpha-2 code in capitals, NoCountry where the database
	// has none, "private" or "multicast".
	Country string
	// AS is the number of the autonomous system: what the router said, else what the
	// database says. Owner is the name of who runs it.
	AS    uint32
	Owner string
	// Host is the name of an own address.
	Host string
	// Site is the name of the own site, or the label of the override, that the country
	// comes from.
	Site string
}

// ISO returns the country's code, "" where Country is none.
func (p *Place) ISO() string {
	if len(p.Country) != 2 || p.Country == NoCountry {
		return ""
	}
	return p.Country
}

// String says the place for people: "NL, AS64500 Example Hosting", what is not known
// left out.
func (p *Place) String() string {
	var parts []string
	if p.Host != "" {
		parts = append(parts, p.Host)
	}
	if p.Site != "" {
		parts = append(parts, p.Site)
	}
	if p.Country != "" && p.Country != NoCountry {
		parts = append(parts, p.Country)
	}
	owner := p.Owner
	if p.AS != 0 {
		owner = strings.TrimSpace("AS" + strconv.FormatUint(uint64(p.AS), 10) + " " + owner)
	}
	if owner != "" {
		parts = append(parts, owner)
	}
	return strings.Join(parts, ", ")
}

// What Place.Country is where it is not a country's code.
const (
	NoCountry = "--"
	Private   = "private"   // an address that is not routed on the Internet
	Multicast = "multicast" // an address of a group
)

// Share is what one exporter reported of a hit, including records that another one
// had reported before.
type Share struct {
	Exporter     netip.Addr
	Count, Bytes uint64
}

// Regular says how regularly a pair talks: the whole series so far, and not the
// hit's own records alone. Score is 0 where there are too few contacts, or no
// regularity, and only HeldSeconds tells something.
type Regular struct {
	Score            float64 // 0-1: from 0.5 on regular, from 0.8 on like a clock
	PeriodSeconds    float64
	DeviationSeconds float64 // half of the gaps are within
	Contacts         int
	Missed           int // contacts that were not seen, among the last 32 gaps
	SizeBytes        float64
	// SizeDeviationBytes: half of the contacts are within.
	SizeDeviationBytes float64
	HeldSeconds        float64 // how long the connection is held open by now, 0: it is not
}
