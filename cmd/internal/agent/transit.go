package agent

import "fmt"

const (
	// transitSample is how many datagrams it takes to judge networks.local.
	transitSample = 1000
	// transitShare is the share of transit, in percent, above which it must be wrong.
	transitShare = 50
)

// watchTransit returns what is to be said when most flows have neither side in
// the own networks: then networks.local lacks the outside address or the IPv6
// prefixes, and every direction and severity is wrong. It is said once.
func (c *collectors) watchTransit(sampled, transit uint64) (msg string, ok bool) {
	if c.transitSaid || sampled < transitSample || transit*100 < sampled*transitShare {
		return "", false
	}
	c.transitSaid = true
	return fmt.Sprintf("%d%% of flows have neither side in networks.local: add your public addresses and IPv6 prefixes there, or directions and severities are wrong",
		transit*100/sampled), true
}
