package query

// Field is one fact about a flow record that can be asked for, grouped by, sorted by or
// printed. Of a conversation both directions have each Field: the record of the answer
// has the answering side as its source.
type Field uint8

// The fields. What an exporter did not send matches nothing that is asked about it.
const (
	SrcIP Field = iota
	DstIP
	NATSrcIP
	NATDstIP
	Exporter
	SrcPort
	DstPort
	NATSrcPort
	NATDstPort
	Proto
	Flags
	ToS
	ICMPType
	ICMPCode
	InIf
	OutIf
	SrcAS
	DstAS
	Domain
	Sampling
	Version
	Firewall
	Bytes
	Packets
	Duration // milliseconds from the first packet to the last
	BitRate
	PacketRate
	PacketSize
	SrcCountry
	DstCountry
	Service // column.Service: a protocol and the port of its servers
	fieldCount
)

// form is how the values of a field are written.
type form uint8

const (
	formAddress form = iota
	formNumber
	formCount // with k, m, g and t
	formProto
	formFlags
	formAS
	formDuration
	formCountry
	formService
)

// fields is what is known of each field. Its name is that of the JSON form and of
// options; want says in a message what a value is.
var fields = [fieldCount]struct {
	name string
	form form
	most uint64 // of numbers
	want string
}{
	SrcIP:      {"sip", formAddress, 0, wantAddress},
	DstIP:      {"dip", formAddress, 0, wantAddress},
	NATSrcIP:   {"nat_src", formAddress, 0, wantAddress},
	NATDstIP:   {"nat_dst", formAddress, 0, wantAddress},
	Exporter:   {"exporter", formAddress, 0, wantAddress},
	SrcPort:    {"sport", formNumber, 1<<16 - 1, wantPort},
	DstPort:    {"dport", formNumber, 1<<16 - 1, wantPort},
	NATSrcPort: {"nat_sport", formNumber, 1<<16 - 1, wantPort},
	NATDstPort: {"nat_dport", formNumber, 1<<16 - 1, wantPort},
	Proto:      {"proto", formProto, 1<<8 - 1, "a protocol, such as tcp, udp, icmp or 47"},
	Flags:      {"flags", formFlags, 0, "TCP flags: S (set), S/SA (of SYN and ACK only SYN), =S (only SYN), none; letters FSRPAUEC"},
	ToS:        {"tos", formNumber, 1<<8 - 1, "a number from 0 to 255"},
	ICMPType:   {"icmp_type", formNumber, 1<<8 - 1, "a number from 0 to 255"},
	ICMPCode:   {"icmp_code", formNumber, 1<<8 - 1, "a number from 0 to 255"},
	InIf:       {"in", formNumber, 1<<32 - 1, "an interface's SNMP index, such as 3"},
	OutIf:      {"out", formNumber, 1<<32 - 1, "an interface's SNMP index, such as 3"},
	SrcAS:      {"sas", formAS, 1<<32 - 1, "an AS number, such as 64500"},
	DstAS:      {"das", formAS, 1<<32 - 1, "an AS number, such as 64500"},
	Domain:     {"domain", formNumber, 1<<32 - 1, "an observation domain's number"},
	Sampling:   {"sampling", formNumber, 1<<32 - 1, "a number: 100 is one packet of 100"},
	Version:    {"version", formNumber, 1<<8 - 1, "5, 9 or 10 (IPFIX)"},
	Firewall:   {"firewall", formNumber, 1<<8 - 1, "a firewall event's number: 1 created, 2 deleted, 3 denied"},
	Bytes:      {"bytes", formCount, 1<<63 - 1, "a number of bytes, such as 500, 10k, 1m or 2g"},
	Packets:    {"packets", formCount, 1<<63 - 1, "a number of packets, such as 5 or 10k"},
	Duration:   {"duration", formDuration, 1<<63 - 1, "a time with its unit, such as 500ms, 10s, 5m or 1h"},
	BitRate:    {"bps", formCount, 1<<63 - 1, "a number of bits a second, such as 10m"},
	PacketRate: {"pps", formCount, 1<<63 - 1, "a number of packets a second, such as 1k"},
	PacketSize: {"bpp", formCount, 1<<63 - 1, "a number of bytes a packet, such as 100"},
	SrcCountry: {"scc", formCountry, 0, wantCountry},
	DstCountry: {"dcc", formCountry, 0, wantCountry},
	Service:    {"service", formService, 1<<24 - 1, "a service: tcp/443, udp/53, 443 (of any protocol), tcp/other, icmp"},
}

const (
	wantAddress = "an address, a network, a range or @FILE, such as 10.0.0.0/8"
	wantPort    = "a port from 0 to 65535 or a range, such as 443 or 8000-8100"
	wantCountry = "a country's two letters, such as NO, or private, multicast, -- (unknown)"
)

// String returns the field's name.
func (f Field) String() string { return fields[f].name }

// FieldNamed returns the field of a name.
func FieldNamed(name string) (Field, bool) {
	for f := range fieldCount {
		if fields[f].name == name {
			return f, true
		}
	}
	return 0, false
}
