package printed

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// protoNames are the names that nfdump prints for protocol numbers, in its order; a
// number stands for itself. IPv4 in IPv4 has the number 4, and IDPR is also what
// 38 is printed as: the first one counts.
const protoNames = `0 ICMP IGMP GGP IPIP ST TCP CBT EGP IGP BBN NVPII PUP ARGUS ENCOM XNET
CHAOS UDP MUX DCN HMP PRM XNS Trnk1 Trnk2 Leaf1 Leaf2 RDP IRTP ISO-4 NETBK MFESP
MEINP DCCP 3PC IDPR XTP DDP IDPR TP++ IL IPv6 SDRP Rte6 Frag6 IDRP RSVP GRE
MHRP BNA ESP AH INLSP SWIPE NARP MOBIL TLSP SKIP ICMP6 NOHE6 OPTS6 HOST CFTP NET
SATNT KLAN RVD IPPC FS SATM VISA IPCV CPNX CPHB WSN PVP BSATM SUNND WBMON WBEXP
ISOIP VMTP SVMTP VINES TTP NSIGP DGP TCF EIGRP OSPF S-RPC LARP MTP AX.25 OS MICP
SCCSP ETHIP ENCAP 99 GMTP IFMP PNNI PIM ARIS SCPS QNX A/N IPcmp SNP CpqPP IPXIP
VRRP PGM 0hop L2TP DDX IATP STP SRP UTI SMP SM PTP ISIS4 FIRE CRTP CRUDP
128 IPLT SPS PIPE SCTP FC 134 MHEAD UDP-L MPLS`

var protoNumbers = sync.OnceValue(func() map[string]uint8 {
	m := map[string]uint8{"icmpv6": 58, "icmp6": 58, "ipv6-icmp": 58, "udplite": 136}
	for n, name := range strings.Fields(protoNames) {
		if _, taken := m[strings.ToLower(name)]; !taken {
			m[strings.ToLower(name)] = uint8(n)
		}
	}
	return m
})

// parseProto reads a protocol's number or name.
func parseProto(b []byte) (uint8, error) {
	if n, err := strconv.ParseUint(string(b), 10, 8); err == nil {
		return uint8(n), nil
	}
	if n, ok := protoNumbers()[strings.ToLower(string(b))]; ok {
		return n, nil
	}
	return 0, fmt.Errorf("%q is not a protocol; let nfdump print numbers with -N", b)
}
