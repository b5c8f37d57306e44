// Package intel holds indicators of compromise and the set that looks
// addresses up in them. It reads nothing and fetches nothing: intel/feed does.
package intel

import (
	"fmt"
	"net/netip"
	"time"
)

// Category says what an indicator is blamed for.
type Category uint8

// The categories, as the alert line's key cat prints them.
const (
	Other Category = iota
	C2
	Malware
	Botnet
	Phishing
	Scanner
	Bruteforce
	Spam
	Anonymizer
	DDoS
	Policy
	NumCategories = iota
)

var categoryNames = [NumCategories]string{
	"other", "c2", "malware", "botnet", "phishing", "scanner", "bruteforce", "spam", "anonymizer", "ddos", "policy",
}

// String returns the category's name in lower case.
func (c Category) String() string {
	if int(c) < len(categoryNames) {
		return categoryNames[c]
	}
	return categoryNames[Other]
}

// MarshalText returns the category's name.
func (c Category) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText accepts the names that String returns, and nothing else.
func (c *Category) UnmarshalText(b []byte) error {
	for i, n := range categoryNames {
		if n == string(b) {
			*c = Category(i)
			return nil
		}
	}
	return fmt.Errorf("unknown category %q (one of c2 malware botnet phishing scanner bruteforce spam anonymizer ddos policy other)", b)
}

// DefaultConfidence is the score of an indicator whose feed gives none.
const DefaultConfidence = 60

// Indicator is one bad address, prefix, domain or URL and why it is bad. An
// address range is several indicators, one for each prefix that makes it up.
type Indicator struct {
	// Prefix is the address or network, masked and unmapped; invalid for a
	// domain or a URL.
	Prefix netip.Prefix
	// Domain or URL is the indicator when Prefix is invalid. They take no part
	// in matching flows.
	Domain, URL string

	Feed     string // name of the feed in the configuration
	Category Category
	// Score is the feed's own confidence, 0-100. What a Set returns has it as it
	// is worth at the time that was asked about.
	Score uint8
	// Combined is what all feeds that name the same prefix, domain or URL are worth
	// together. A Set fills it and builders ignore it; see Confidence.
	Combined uint8
	// Aggregate: the feed gathers other feeds and adds nothing to theirs. Builders
	// replace it by their own.
	Aggregate bool
	Port      uint16 // 0: any
	// Elsewhere: the flow used another port than Port. Set by who knows the flow.
	Elsewhere bool
	// Shared names the content network that the address belongs to, and Scanner the
	// research project that scans the internet from it; "": none. A Set fills them.
	Shared, Scanner string
	// Ref is one URL for people, Name the pulse or list, Tags a
	// comma-separated list. Feeds repeat them, so builders intern them.
	Ref, Name, Tags string

	FirstSeen, LastSeen, Expires time.Time // zero: not given
}
