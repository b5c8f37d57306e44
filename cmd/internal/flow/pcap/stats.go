package pcap

// Reason says why a packet was left out.
type Reason uint8

// The reasons.
const (
	NotIP        Reason = iota // ARP, STP, PPP control packets, ...
	NotUDP                     // another protocol over IP
	TCP                        // which can carry IPFIX, but is not put together
	SCTP                       // the same
	Tunnel                     // of a capture of all interfaces: what is inside was captured there, too
	Encrypted                  // IPsec, MACsec, protected 802.11
	FragmentLost               // an IP fragment whose others are not in the capture, or contradict it
	Malformed                  // headers contradict themselves
	Short                      // the capture cut the headers off
	UnknownLink                // captured on a link layer that is not known
	NumReasons   = iota
)

var reasonTexts = [NumReasons]string{
	"not IP",
	"neither UDP nor TCP",
	"TCP (IPFIX over TCP is not read from captures)",
	"SCTP (IPFIX over SCTP is not read from captures)",
	"a tunnel (what it carries is captured on an interface of its own)",
	"encrypted",
	"an IP fragment without the rest of its packet",
	"malformed headers",
	"headers cut off by the capture (tcpdump -s 0 takes packets whole)",
	"a link type that is not known",
}

// String says why, for people.
func (r Reason) String() string { return reasonTexts[r] }

// Stats counts what a Reader met. Packets is the sum of Datagrams, Joined and all of
// Left.
type Stats struct {
	Packets   uint64 // in the file so far
	Datagrams uint64 // returned by Next
	// Joined counts the fragments that Datagrams were put together from, less one
	// for each of these datagrams.
	Joined uint64
	Left   [NumReasons]uint64 // packets that gave no datagram, by Reason
	// Truncated is how many of Datagrams the capture's snap length cut short.
	Truncated uint64
	// LinkType is the last link type that was not known, a LINKTYPE_ value.
	LinkType uint32
}

// Add adds o to s, to sum up several captures.
func (s *Stats) Add(o Stats) {
	s.Packets += o.Packets
	s.Datagrams += o.Datagrams
	s.Joined += o.Joined
	for i := range o.Left {
		s.Left[i] += o.Left[i]
	}
	s.Truncated += o.Truncated
	if o.Left[UnknownLink] > 0 {
		s.LinkType = o.LinkType
	}
}
