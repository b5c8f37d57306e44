package stage

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/metric"
)

const (
	// sample is how many datagrams it takes to conclude anything from their flows.
	sample = 1000
	// transitShare is the share of transit, in percent, above which networks.local
	// must lack something, lateShare that of late flows that is worth a word.
	transitShare = 50
	lateShare    = 10
	// maxSaid is how many rejected exporters are named.
	maxSaid = 10
)

// Counts returns what all workers have done, on any goroutine.
func (s *Stage) Counts() (c Counts) {
	for _, w := range s.workers {
		c.Add(w.Counts())
	}
	return c
}

// MostlyTransit says so when so many flows have neither side in the own networks
// that networks.local must lack some; else it returns "".
func (s *Stage) MostlyTransit() string {
	c := s.Counts()
	if !c.mostlyTransit() {
		return ""
	}
	return fmt.Sprintf("%d%% of flows have neither side in networks.local: add your public addresses and IPv6 prefixes there, or directions and severities are wrong",
		c.Transit*100/c.Sampled)
}

func (c *Counts) mostlyTransit() bool {
	return c.Sampled >= sample && c.Transit*100 >= c.Sampled*transitShare
}

// Findings says what is amiss with the flows as a whole.
func (s *Stage) Findings(l *finding.List) {
	for i, r := range s.Rejected() {
		if i == maxSaid {
			l.Warn("flowhound status", "more exporters are rejected than are listed here")
			break
		}
		l.Warn(fmt.Sprintf("add %s to exporters.allow if it is yours, or have it stop sending", r.Address),
			"exporter %s sends NetFlow and is rejected: exporters.allow does not name it", r.Address)
	}
	c := s.Counts()
	if c.Sampled >= sample && c.Late*100 >= c.Sampled*lateShare {
		l.Warn("set the exporters' active timeout to 60 seconds, and their clocks",
			"%d%% of flows come more than %s after they began: warnings come that late", c.Late*100/c.Sampled, time.Duration(LateAfter))
	}
	if c.mostlyTransit() {
		l.Warn("add your public addresses and IPv6 prefixes to networks.local",
			"%d%% of flows have neither side in networks.local: directions and severities are wrong", c.Transit*100/c.Sampled)
	}
}

var (
	descLookups  = metric.Desc("lookups_total", "Addresses looked up.")
	descMutes    = metric.Desc("muted_total", "Flow records that hit and were muted, by entry.", "mute")
	descRejected = metric.Desc("datagrams_refused_total", "Datagrams of exporters that are not in exporters.allow.")
)

// Describe sends nothing.
func (s *Stage) Describe(chan<- *prometheus.Desc) {}

// Collect reports what the workers and the policy count.
func (s *Stage) Collect(ch chan<- prometheus.Metric) {
	c, to := s.Counts(), metric.To(ch)
	to.Counter(descLookups, c.Lookups)
	to.Counter(descRejected, c.Rejected)
	muted := map[string]uint64{} // two entries may say the same, with different ends
	for _, m := range s.State().Policy.Mutes() {
		muted[m.String()] += m.Count
	}
	for entry, n := range muted {
		to.Counter(descMutes, n, entry)
	}
}
