package dnsbl

import (
	"net/netip"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Known returns what the operator of a well-known zone publishes about it:
// Category, Codes and Reference, without the rest. ok is false for other zones.
func Known(zone string) (z Zone, ok bool) {
	switch {
	case zone == "zen.spamhaus.org", strings.HasSuffix(zone, ".zen.dq.spamhaus.net"):
		// https://www.spamhaus.org/faqs/dnsbl-usage: SBL, CSS, XBL, DROP, and the
		// policy list of addresses that should not send mail, which blames nobody.
		return Zone{
			Category: intel.Spam, Reference: "https://check.spamhaus.org/results/?query={ip}",
			Codes: codes(map[uint8]intel.Category{
				2: intel.Spam, 3: intel.Spam, 4: intel.Botnet, 5: intel.Botnet, 6: intel.Botnet, 7: intel.Botnet, 9: intel.Malware,
			}, 10, 11),
		}, true
	case zone == "dnsbl.dronebl.org":
		// https://dronebl.org/docs/howtouse
		return Zone{
			Category: intel.Other, Reference: "https://dronebl.org/lookup?ip={ip}",
			Codes: codes(map[uint8]intel.Category{
				3: intel.Botnet, 5: intel.Botnet, 6: intel.Botnet, 7: intel.DDoS, 8: intel.Anonymizer, 9: intel.Anonymizer,
				10: intel.Anonymizer, 11: intel.Anonymizer, 13: intel.Bruteforce, 14: intel.Anonymizer, 15: intel.Botnet,
				16: intel.Malware, 17: intel.Botnet, 19: intel.Anonymizer,
			}, 2), // 2 is for tests
		}, true
	case zone == "bl.spamcop.net":
		return Zone{Category: intel.Spam, Reference: "https://www.spamcop.net/bl.shtml?{ip}"}, true
	case zone == "psbl.surriel.com":
		return Zone{Category: intel.Spam, Reference: "https://psbl.org/listing?ip={ip}"}, true
	case zone == "b.barracudacentral.org":
		return Zone{Category: intel.Spam, Reference: "https://www.barracudacentral.org/lookups"}, true
	case zone == "torexit.dan.me.uk":
		return Zone{Category: intel.Anonymizer, Reference: "https://www.dan.me.uk/torcheck?ip={ip}"}, true
	}
	return Zone{}, false
}

// codes makes Zone.Codes of the last bytes of answers in 127.0.0/24.
func codes(meaning map[uint8]intel.Category, ignored ...uint8) map[netip.Addr]Code {
	m := make(map[netip.Addr]Code, len(meaning)+len(ignored))
	for last, category := range meaning {
		m[netip.AddrFrom4([4]byte{127, 0, 0, last})] = Code{Category: category}
	}
	for _, last := range ignored {
		m[netip.AddrFrom4([4]byte{127, 0, 0, last})] = Code{Ignore: true}
	}
	return m
}
