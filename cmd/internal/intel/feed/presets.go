package feed

import (
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// presets are lists that many use, with what their publishers say of them.
func presets() []Type {
	const (
		et      = "https://rules.emergingthreats.net/"
		firehol = "https://raw.githubusercontent.com/firehol/blocklist-ipsets/master/"
		ipsets  = "https://iplists.firehol.org/?ipset="
	)
	return []Type{
		preset("et-compromised", "Emerging Threats, compromised hosts", et+"blockrules/compromised-ips.txt",
			intel.Malware, 60, 12*time.Hour, et, false),
		// It gathers DROP and the top of DShield.
		preset("et-fwip", "Emerging Threats, firewall block list", et+"fwrules/emerging-Block-IPs.txt",
			intel.Malware, 70, 12*time.Hour, et, true),
		preset("cins", "CINS Army, hosts of bad reputation", "https://cinsscore.com/list/ci-badguys.txt",
			intel.Scanner, 50, 6*time.Hour, "https://cinsscore.com/", false),
		preset("blocklist-de", "blocklist.de, hosts that attacked in the last two days", "https://lists.blocklist.de/lists/all.txt",
			intel.Bruteforce, 60, time.Hour, "https://www.blocklist.de/en/", false),
		// The list counts for each address the lists that name it, and the count
		// makes the confidence.
		preset("ipsum", "IPsum, how many of thirty lists name an address", "https://raw.githubusercontent.com/stamparm/ipsum/master/ipsum.txt",
			intel.Other, 30, 12*time.Hour, "https://github.com/stamparm/ipsum", true),
		preset("tor", "Tor, its exit nodes", "https://check.torproject.org/torbulkexitlist",
			intel.Anonymizer, 90, time.Hour, "https://metrics.torproject.org/exonerator.html", false),
		// Level 1 lists bogons too: those of private and special use are left out
		// when it is read, as with every feed.
		preset("firehol-level1", "FireHOL level 1, the surest of many lists", firehol+"firehol_level1.netset",
			intel.Malware, 80, 6*time.Hour, ipsets+"firehol_level1", true),
		preset("firehol-level2", "FireHOL level 2, attackers of the last two days", firehol+"firehol_level2.netset",
			intel.Scanner, 60, 6*time.Hour, ipsets+"firehol_level2", true),
		preset("firehol-level3", "FireHOL level 3, attackers and malware of the last month", firehol+"firehol_level3.netset",
			intel.Scanner, 50, 12*time.Hour, ipsets+"firehol_level3", true),
		preset("firehol-webclient", "FireHOL web client, what browsers should not call", firehol+"firehol_webclient.netset",
			intel.Malware, 60, 6*time.Hour, ipsets+"firehol_webclient", true),
	}
}

func preset(name, title, url string, category intel.Category, confidence int, every time.Duration, reference string, aggregate bool) Type {
	return Type{
		Name: name, Title: title, Page: reference, Format: List,
		Documents: []ingest.Document{{URL: url, Every: 30 * time.Minute, Category: category}},
		Every:     every, Least: 30 * time.Minute,
		Category: category, Confidence: confidence, Reference: reference, Aggregate: aggregate, format: readList,
	}
}
