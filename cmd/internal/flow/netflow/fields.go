package netflow

import "github.com/flowhound/flowhound/cmd/internal/flow"

// Enterprise numbers of the elements that are used beside IANA's.
const (
	penReverse   = 29305 // RFC 5103: the same element, seen from the other side
	penCERT      = 6871  // YAF, which has TCP flags of its own
	penCisco     = 9     // Application Visibility and Control: client and server
	penIxia      = 3054  // IxFlow, which has the other direction as elements of its own
	penVMware    = 6876  // distributed switch: what is inside a tunnel
	penBarracuda = 10704 // firewall audit: what a connection was translated to

	// penScope stands for the scopes of v9's options templates, which have a
	// numbering of their own up to v9MaxScope (RFC 3954 section 6.1). Beyond it
	// some use the numbers of elements.
	penScope   = 1<<32 - 1
	v9MaxScope = 5
)

// element names an information element that is used.
type element struct {
	pen  uint32
	id   uint16
	kind kind
	has  flow.Fields
}

// elements lists them in the order in which they are tried: where several give
// the same field of a record, the first that is not zero wins.
//
// The ids are IANA's IPFIX registry (RFC 7012), whose first 127 are those of
// NetFlow v9. v9 has no enterprise numbers: the ids from 40000 on that stand here
// are Cisco's, of ASA 8.1 and, with 0x8000 added, those that penCisco has in IPFIX.
var elements = []element{
	// Addresses. A dual-stack record has both families, one of them zero. VMware
	// sends the machines inside a VXLAN beside the hosts that carry it.
	{penVMware, 881, kindSrc, 0}, // tenantSourceIPv4
	{penVMware, 883, kindSrc, 0}, // tenantSourceIPv6
	{penVMware, 882, kindDst, 0}, // tenantDestIPv4
	{penVMware, 884, kindDst, 0}, // tenantDestIPv6
	{0, 8, kindSrc, 0},           // sourceIPv4Address
	{0, 27, kindSrc, 0},          // sourceIPv6Address
	{0, 12, kindDst, 0},          // destinationIPv4Address
	{0, 28, kindDst, 0},          // destinationIPv6Address
	// Application Visibility and Control often sends these alone.
	{penCisco, 12236, kindSrc, 0}, // clientIPv4Address
	{penCisco, 12238, kindSrc, 0},
	{penCisco, 12237, kindDst, 0}, // serverIPv4Address
	{penCisco, 12239, kindDst, 0},
	{0, 45004, kindSrc, 0},
	{0, 45006, kindSrc, 0},
	{0, 45005, kindDst, 0},
	{0, 45007, kindDst, 0},
	// Aggregated by network; its mask says whether it is an address all the same.
	{0, 9, kindSrcMask, 0},
	{0, 29, kindSrcMask, 0},
	{0, 44, kindSrcPrefix, 0},
	{0, 170, kindSrcPrefix, 0},
	{0, 13, kindDstMask, 0},
	{0, 30, kindDstMask, 0},
	{0, 45, kindDstPrefix, 0},
	{0, 169, kindDstPrefix, 0},
	{0, 225, kindNATSrc, flow.HasNATSrc},
	{0, 281, kindNATSrc, flow.HasNATSrc},
	{0, 40001, kindNATSrc, flow.HasNATSrc},
	{penBarracuda, 8, kindNATSrc, flow.HasNATSrc}, // BindIPv4Address
	{0, 226, kindNATDst, flow.HasNATDst},
	{0, 282, kindNATDst, flow.HasNATDst},
	{0, 40002, kindNATDst, flow.HasNATDst},
	{penBarracuda, 10, kindNATDst, flow.HasNATDst}, // ConnIPv4Address

	{penVMware, 886, kindSrcPort, flow.HasPorts},
	{0, 7, kindSrcPort, flow.HasPorts},
	{0, 182, kindSrcPort, flow.HasPorts}, // tcpSourcePort
	{0, 180, kindSrcPort, flow.HasPorts}, // udpSourcePort
	{penCisco, 12240, kindSrcPort, flow.HasPorts},
	{0, 45008, kindSrcPort, flow.HasPorts},
	{penVMware, 887, kindDstPort, flow.HasPorts},
	{0, 11, kindDstPort, flow.HasPorts},
	{0, 183, kindDstPort, flow.HasPorts},
	{0, 181, kindDstPort, flow.HasPorts},
	{penCisco, 12241, kindDstPort, flow.HasPorts},
	{0, 45009, kindDstPort, flow.HasPorts},
	{0, 227, kindNATSrcPort, 0},
	{0, 40003, kindNATSrcPort, 0},
	{penBarracuda, 9, kindNATSrcPort, 0},
	{0, 228, kindNATDstPort, 0},
	{0, 40004, kindNATDstPort, 0},
	{penBarracuda, 11, kindNATDstPort, 0},

	{penVMware, 880, kindProto, flow.HasProto},
	{0, 4, kindProto, flow.HasProto},
	{0, 193, kindProto, flow.HasProto}, // nextHeaderIPv6
	{0, 5, kindToS, flow.HasToS},
	{0, 195, kindDSCP, flow.HasToS},
	{0, 10, kindInIf, flow.HasInIf},
	{0, 14, kindOutIf, flow.HasOutIf},
	{0, 16, kindSrcAS, flow.HasSrcAS},
	{0, 17, kindDstAS, flow.HasDstAS},

	// Counters: of the flow since the last report, in total, after the device
	// changed the packet, of the firewall's initiator, of the selected flows, of
	// the copies of a multicast packet, without the IP header, with layer 2.
	{0, 1, kindBytes, flow.HasBytes},
	{0, 85, kindBytes, flow.HasBytes},
	{0, 23, kindBytes, flow.HasBytes},
	{0, 171, kindBytes, flow.HasBytes},
	{0, 231, kindBytes, flow.HasBytes},
	{penCisco, 8338, kindBytes, flow.HasBytes}, // clientBytesNetwork
	{0, 41106, kindBytes, flow.HasBytes},
	{0, 391, kindBytes, flow.HasBytes},
	{0, 20, kindBytes, flow.HasBytes},
	{0, 175, kindBytes, flow.HasBytes},
	{0, 401, kindBytes, flow.HasBytes},
	{0, 352, kindFrameBytes, flow.HasBytes},
	{0, 353, kindFrameBytes, flow.HasBytes},
	{0, 417, kindFrameBytes, flow.HasBytes},
	{0, 420, kindFrameBytes, flow.HasBytes},
	{0, 418, kindFrameBytes, flow.HasBytes},
	{0, 421, kindFrameBytes, flow.HasBytes},
	{0, 2, kindPackets, flow.HasPackets},
	{0, 86, kindPackets, flow.HasPackets},
	{0, 24, kindPackets, flow.HasPackets},
	{0, 172, kindPackets, flow.HasPackets},
	{0, 298, kindPackets, flow.HasPackets},
	{0, 392, kindPackets, flow.HasPackets},
	{0, 19, kindPackets, flow.HasPackets},
	{0, 174, kindPackets, flow.HasPackets},
	{0, 402, kindPackets, flow.HasPackets},
	{0, 430, kindPackets, flow.HasPackets},
	{0, 431, kindPackets, flow.HasPackets},

	// The other direction.
	{penReverse, 1, kindRevBytes, flow.HasReverse},
	{penReverse, 85, kindRevBytes, flow.HasReverse},
	{penReverse, 23, kindRevBytes, flow.HasReverse},
	{penReverse, 171, kindRevBytes, flow.HasReverse},
	{0, 232, kindRevBytes, flow.HasReverse},
	{penCisco, 8337, kindRevBytes, flow.HasReverse}, // serverBytesNetwork
	{0, 41105, kindRevBytes, flow.HasReverse},
	{penReverse, 391, kindRevBytes, flow.HasReverse},
	{penReverse, 401, kindRevBytes, flow.HasReverse},
	{penReverse, 352, kindRevFrameBytes, flow.HasReverse},
	{penReverse, 353, kindRevFrameBytes, flow.HasReverse},
	{penReverse, 2, kindRevPackets, flow.HasReverse},
	{penReverse, 86, kindRevPackets, flow.HasReverse},
	{penReverse, 24, kindRevPackets, flow.HasReverse},
	{penReverse, 172, kindRevPackets, flow.HasReverse},
	{0, 299, kindRevPackets, flow.HasReverse},
	{penIxia, 176, kindRevBytes, flow.HasReverse},
	{penIxia, 177, kindRevPackets, flow.HasReverse},
	{penReverse, 392, kindRevPackets, flow.HasReverse},
	{penReverse, 402, kindRevPackets, flow.HasReverse},
	{penReverse, 430, kindRevPackets, flow.HasReverse},
	{penReverse, 431, kindRevPackets, flow.HasReverse},

	// TCP flags are a union already; YAF splits it in the first packet's and
	// the others'.
	{0, 6, kindTCPFlags, flow.HasTCPFlags},
	{penCERT, 14, kindTCPFlags, flow.HasTCPFlags},
	{penCERT, 15, kindTCPFlags, flow.HasTCPFlags},
	{penReverse, 6, kindRevTCPFlags, flow.HasRevTCPFlags},
	{penCERT, 14 | 0x4000, kindRevTCPFlags, flow.HasRevTCPFlags},
	{penCERT, 15 | 0x4000, kindRevTCPFlags, flow.HasRevTCPFlags},

	{0, 32, kindICMP, flow.HasICMP},  // icmpTypeCodeIPv4
	{0, 139, kindICMP, flow.HasICMP}, // icmpTypeCodeIPv6
	{0, 176, kindICMPType, flow.HasICMP},
	{0, 178, kindICMPType, flow.HasICMP},
	{0, 177, kindICMPCode, flow.HasICMP},
	{0, 179, kindICMPCode, flow.HasICMP},

	{0, 233, kindFirewall, flow.HasFirewall},
	{0, 40005, kindFirewall, flow.HasFirewall},
	{0, 33002, kindFirewallExt, flow.HasFirewall}, // Cisco's NF_F_FW_EXT_EVENT
	{0, 239, kindDirection, flow.HasDirection},

	// A sampled packet in the place of a flow. 102 to 104 are v9's: NetFlow-Lite.
	{0, 313, kindIPSection, 0},      // ipHeaderPacketSection
	{0, 315, kindFrameSection, 0},   // dataLinkFrameSection
	{0, 104, kindFrameSection, 0},   // layer2packetSectionData
	{0, 317, kindIPSection, 0},      // mplsPayloadPacketSection
	{0, 316, kindLabelSection, 0},   // mplsLabelStackSection
	{0, 314, kindPayloadSection, 0}, // ipPayloadPacketSection
	{0, 312, kindFrameSize, 0},
	{0, 103, kindFrameSize, 0},
	{0, 408, kindFrameType, 0},
	{0, 409, kindSectionOffset, 0},
	{0, 102, kindSectionOffset, 0},

	// Sampling, in data and in options records: of packets, of flows (39x), by
	// counts or by times.
	{0, 48, kindSampler, 0},
	{0, 302, kindSampler, 0},
	{0, 301, kindSequence, 0}, // selectionSequenceId
	{0, 141, kindLineCard, 0},
	{penScope, 3, kindLineCard, 0},
	{0, 34, kindInterval, 0},
	{0, 50, kindInterval, 0},
	{0, 305, kindSampled, 0},    // samplingPacketInterval
	{0, 306, kindSkipped, 0},    // samplingPacketSpace
	{0, 309, kindSampled, 0},    // samplingSize: n out of N
	{0, 310, kindPopulation, 0}, // samplingPopulation
	{0, 396, kindSampled, 0},    // samplingFlowInterval
	{0, 397, kindSkipped, 0},    // samplingFlowSpacing
	{0, 307, kindSampled, 0},    // samplingTimeInterval
	{0, 308, kindSkipped, 0},    // samplingTimeSpace
	{0, 398, kindSampled, 0},    // flowSamplingTimeInterval
	{0, 399, kindSkipped, 0},    // flowSamplingTimeSpacing
	{0, 311, kindProbability, 0},
	{0, 145, kindTemplate, 0},
	{penScope, 5, kindTemplate, 0},
	{0, 149, kindDomain, 0}, // observationDomainId
	{penScope, 2, kindScopeInterface, 0},
	{0, 329, kindHashMin, 0}, // hashOutputRange*, then what of it is selected
	{0, 330, kindHashMax, 0},
	{0, 331, kindChosenMin, 0},
	{0, 332, kindChosenMax, 0},
	{0, 318, kindObserved, 0}, // what selectors did in fact: of packets, of flows
	{0, 319, kindSelected, 0},
	{0, 394, kindObserved, 0},
	{0, 395, kindSelected, 0},

	// Times, the exact ones first; what is relative to the exporter's start
	// comes after the start itself, and the end before the start of the flow.
	{0, 160, kindStarted, 0},
	{0, 157, kindEndNTP, flow.HasEnd},
	{0, 155, kindEndNTP, flow.HasEnd},
	{0, 153, kindEndMilli, flow.HasEnd},
	{0, 151, kindEndSecond, flow.HasEnd},
	{0, 159, kindEndDelta, flow.HasEnd},
	{0, 21, kindEndUptime, flow.HasEnd},
	{0, 325, kindEndNTP, flow.HasEnd}, // observationTime*: when a firewall event happened
	{0, 324, kindEndNTP, flow.HasEnd},
	{0, 323, kindEndMilli, flow.HasEnd},
	{0, 322, kindEndSecond, flow.HasEnd},
	{0, 156, kindStartNTP, flow.HasStart},
	{0, 154, kindStartNTP, flow.HasStart},
	{0, 152, kindStartMilli, flow.HasStart},
	{0, 150, kindStartSecond, flow.HasStart},
	{0, 158, kindStartDelta, flow.HasStart},
	{0, 22, kindStartUptime, flow.HasStart},
	{0, 162, kindDurationMicro, flow.HasStart | flow.HasEnd},
	{0, 161, kindDurationMilli, flow.HasStart | flow.HasEnd},

	// Lists come last: what stands in them gives way to the record itself.
	{0, 291, kindBasicList, 0},
	{0, 292, kindSubList, 0},
	{0, 293, kindMultiList, 0},
}

// ranks finds an element's place in elements.
var ranks = func() map[elementKey]int {
	m := make(map[elementKey]int, len(elements))
	for i, e := range elements {
		m[elementKey{e.pen, e.id}] = i
	}
	return m
}()

type elementKey struct {
	pen uint32
	id  uint16
}
