package hit_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
)

// The line that OSSEC and Wazuh read: its keys stand in this order and are always
// there, and no text from outside can pose as one.
func ExampleAppendLine() {
	bad := netip.MustParseAddr("198.51.100.7")
	seen := time.Date(2026, 6, 7, 10, 38, 11, 0, time.UTC)
	h := hit.Hit{
		Kind: hit.New, Severity: hit.High, Direction: hit.Outbound, State: hit.Established, Category: "c2", Feed: "otx",
		IOC: netip.PrefixFrom(bad, 32), Score: 60, Src: netip.MustParseAddr("10.1.2.3"), SrcPort: 51234, Dst: bad, DstPort: 443,
		Proto: 6, Count: 1, Bytes: 18412, Packets: 97, Country: "NL", Exporter: netip.MustParseAddr("192.0.2.1"),
		Start: seen, End: seen, ID: "7k3m9q2v8w1xz-1", Name: `Emotet "wave 3"` + "\nhit kind=new",
	}
	fmt.Println(string(hit.AppendLine(nil, &h)))
	// Output: hit kind=new sev=high dir=outbound state=established cat=c2 feed=otx ioc=198.51.100.7 score=60 src=10.1.2.3 sport=51234 dst=198.51.100.7 dport=443 proto=tcp count=1 bytes=18412 pkts=97 cc=NL exporter=192.0.2.1 seen=2026-06-07T10:38:11Z/2026-06-07T10:38:11Z id=7k3m9q2v8w1xz-1 ref="-" name="Emotet 'wave 3' hit kind=new"
}
