// Package flow holds flow records: what an exporter said of one unidirectional
// flow (or, with RFC 5103 and firewall events, of both directions of one).
//
// It is pure data and imports the standard library only. Reading datagrams is
// flow/netflow; receiving them is flow/udp and flow/pcap.
package flow

// Record is one flow as its exporter sent it. It has a fixed size and no
// pointers, so that a batch of records is one block of memory that the garbage
// collector skips. Which fields the exporter sent stands in Has; a field that it
// did not send is zero (Sampling: 1).
type Record struct {
	Src, Dst       Addr
	NATSrc, NATDst Addr // elements 225-228, 281, 282: the addresses after translation
	Exporter       Addr // where the datagram came from

	Received   int64 // Unix nanoseconds: when the datagram arrived
	Start, End int64 // Unix nanoseconds: first and last packet, clamped to a sane window around Received

	// Bytes and Packets count from Src to Dst as the exporter sent them:
	// multiply by Sampling for an estimate of what the wire carried.
	Bytes, Packets uint64
	// RevBytes and RevPackets count from Dst to Src: RFC 5103 biflow and
	// firewall (responder) counters. Meaningful when Has(HasReverse).
	RevBytes, RevPackets uint64

	Has      Fields
	Domain   uint32 // observation domain (IPFIX), source id (v9), engine type<<8 | id (v5)
	Sampling uint32 // packets on the wire for one that was counted: 1 is unsampled or unknown

	InIf, OutIf uint32 // SNMP interface indexes

	// SrcAS and DstAS are the autonomous systems as the router's routing table had
	// them: of the origin, or of the neighbour where it is set so.
	SrcAS, DstAS uint32

	SrcPort, DstPort       uint16
	NATSrcPort, NATDstPort uint16
	TCPFlags, RevTCPFlags  uint16 // cumulative OR; the low byte is the classic FIN SYN RST PSH ACK URG ECE CWR

	Version            uint8 // 5, 9 or 10 (IPFIX)
	Proto              uint8 // IANA protocol number
	ToS                uint8
	ICMPType, ICMPCode uint8
	Firewall           FirewallEvent
	Direction          BiflowDirection

	_ [8]byte // 192 bytes are quicker to walk than 184: three whole cache lines
}

// Fields says which fields of a Record its exporter sent.
type Fields uint32

// The bits of Fields.
const (
	HasStart Fields = 1 << iota
	HasEnd
	HasPorts
	HasProto
	HasBytes
	HasPackets
	HasReverse // RevBytes, RevPackets: one record speaks of both directions
	HasSampling
	HasTCPFlags
	HasRevTCPFlags
	HasToS
	HasInIf
	HasOutIf
	HasICMP // ICMPType and ICMPCode, from their own elements or from the port fields
	HasNATSrc
	HasNATDst
	HasFirewall
	HasDirection
	HasSrcAS
	HasDstAS
	HasLayer2 // Bytes or RevBytes count octets of layer 2: a bare TCP segment takes 64
)

// TCP flags as they stand in the low byte of Record.TCPFlags (RFC 9293).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// FirewallEvent is IPFIX element 233 (Cisco ASA NSEL and others).
type FirewallEvent uint8

// The values of element 233 that the IANA registry names.
const (
	FirewallIgnore FirewallEvent = iota
	FirewallCreated
	FirewallDeleted
	FirewallDenied
	FirewallAlert
	FirewallUpdate
)

// BiflowDirection is IPFIX element 239 (RFC 5103 section 6.3).
type BiflowDirection uint8

// The values of element 239.
const (
	BiflowArbitrary        BiflowDirection = iota
	BiflowInitiator                        // Src opened the flow
	BiflowReverseInitiator                 // Dst opened the flow
	BiflowPerimeter                        // Src lies outside the perimeter
)

// Batch is a reusable block of records. The zero value is empty and ready.
type Batch struct {
	Records []Record
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { b.Records = b.Records[:0] }
