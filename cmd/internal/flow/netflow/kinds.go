package netflow

// kind says what an op does with the field it loads.
type kind uint8

const (
	kindNone kind = iota

	// Addresses; each is followed by its IPv6 form.
	kindSrc
	kindSrc6
	kindDst
	kindDst6
	kindNATSrc
	kindNATSrc6
	kindNATDst
	kindNATDst6
	kindSrcPrefix
	kindSrcPrefix6
	kindDstPrefix
	kindDstPrefix6

	kindSrcPort
	kindDstPort
	kindNATSrcPort
	kindNATDstPort
	kindProto
	kindToS
	kindDSCP
	kindInIf
	kindOutIf
	kindSrcAS
	kindDstAS
	kindBytes
	kindPackets
	kindRevBytes
	kindRevPackets
	kindFrameBytes
	kindRevFrameBytes
	kindOutBytes // beside kindBytes, see OutBytes
	kindOutPackets
	kindTCPFlags
	kindRevTCPFlags
	kindICMP
	kindICMPType
	kindICMPCode
	kindFirewall
	kindFirewallExt
	kindDirection

	// A sampled packet: what is there of it, and what is said of it.
	kindIPSection
	kindPayloadSection
	kindFrameSection
	kindLabelSection
	kindFrameSize
	kindFrameType
	kindSectionOffset

	// Structured data.
	kindBasicList
	kindSubList
	kindMultiList
	kindSubRecords // no element: a part of kindMultiList

	// Times.
	kindStarted // when the exporter started, Unix ms
	kindEndSecond
	kindEndMilli
	kindEndNTP
	kindEndDelta
	kindEndUptime
	kindStartSecond
	kindStartMilli
	kindStartNTP
	kindStartDelta
	kindStartUptime
	kindDurationMilli
	kindDurationMicro

	// What goes to extras.
	kindSampler
	kindSequence
	kindLineCard
	kindInterval
	kindSampled
	kindSkipped
	kindPopulation
	kindProbability
	kindProbability4 // in 4 bytes
	kindSrcMask
	kindDstMask

	// What counts in options records only, and goes to told.
	kindTemplate
	kindDomain
	kindScopeInterface
	kindHashMin
	kindHashMax
	kindChosenMin
	kindChosenMax
	kindObserved
	kindSelected
	numKinds = iota
)

func (k kind) isAddress() bool { return k >= kindSrc && k <= kindDstPrefix6 }

// isPrefix reports whether the field is a network's address, which needs its mask.
func (k kind) isPrefix() bool { return k >= kindSrcPrefix && k <= kindDstPrefix6 }

// isHeader reports whether the field stands in the headers of a packet, of which a
// tunnel has several.
func (k kind) isHeader() bool {
	return k.isAddress() || k >= kindSrcPort && k <= kindDSCP || k >= kindTCPFlags && k <= kindICMPCode
}

// isSection reports whether the field is a piece of a packet, isPacket whether it
// speaks of one.
func (k kind) isSection() bool { return k >= kindIPSection && k <= kindLabelSection }
func (k kind) isPacket() bool  { return k >= kindIPSection && k <= kindSectionOffset }

// isList reports whether the field is a list.
func (k kind) isList() bool { return k >= kindBasicList && k <= kindMultiList }

// inOptions reports whether the field counts in options records only.
func (k kind) inOptions() bool { return k >= kindTemplate }

// isRare reports whether the field is one of rarities.
func (k kind) isRare() bool {
	return k == kindSequence || k == kindLineCard || k == kindProbability || k == kindSrcMask || k == kindDstMask
}

// isExtra reports whether the field is no part of a flow.
func (k kind) isExtra() bool { return k >= kindSampler || k == kindStarted }

// IANA protocol numbers.
const (
	protoICMP   = 1
	protoICMPv6 = 58
)
