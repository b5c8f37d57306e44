// Package column is the file format of history: Parquet files with one row for each
// conversation, in which both directions that one exporter reported stand side by
// side. It turns flow records into rows and back, exactly, and writes and reads the
// files column by column. Which files belong to a data set is history/dataset.
//
// Any reader of Parquet understands the files. They use no unsigned annotation, no
// Bloom filter and no encoding beyond dictionary, plain and DELTA_BINARY_PACKED:
// DuckDB, ClickHouse and Spark each fail on one of those.
//
// Footers and headers of pages are read here (compact.go, footer.go, page.go), the values
// in pages by libraries. A question opens thousands of files and looks at the headers of
// up to 17 pages in each of 45 columns; of what stands there it wants offsets and lengths.
// Measured: the footer of an hour of 20 MB, in which the list of arrivals no longer stands,
// takes 0.16 ms here and 0.67 ms and 1,500 pieces of memory with parquet-go's thrift, the
// header of a page 0.06 us and 0.37 us.
package column

// Row is one row of a file: a flow record, and the record of the opposite direction
// when there is one (RevHas != 0). RevPackets is 0 when nothing is known of the
// opposite direction.
//
// Rows of a row group are sorted by Src, Dst, DstPort. Addresses are 16 bytes, IPv4
// v4-mapped, so that a CIDR is a range of bytes.
type Row struct {
	// Start is the flow's first packet in Unix milliseconds; StartNS the nanoseconds
	// to add. Where the exporter sent no start it is the end, else the time of
	// arrival, and StartNS is Unset.
	Start   int64 `parquet:"start,timestamp(millisecond),delta"`
	StartNS int64 `parquet:"start_ns,dict"`
	// Dur is End-Start in milliseconds, DurNS the nanoseconds to add: Unset when the
	// exporter sent no end.
	Dur   int32 `parquet:"dur,plain"`
	DurNS int64 `parquet:"dur_ns,dict"`
	// ReceivedLag is how many whole seconds of the clock after the end the record
	// arrived; ReceivedNth which of the arrivals within that second (see
	// File.Received).
	ReceivedLag int64 `parquet:"received_lag_s,dict"`
	ReceivedNth int32 `parquet:"received_nth,dict"`

	Src     [16]byte `parquet:"src,dict"`
	Dst     [16]byte `parquet:"dst,dict"`
	SrcPort int32    `parquet:"sport,delta"`
	DstPort int32    `parquet:"dport,dict"`
	Proto   int32    `parquet:"proto,dict"`
	Bytes   int64    `parquet:"bytes,dict"`   // as exported: multiply by Sampling
	Packets int64    `parquet:"packets,dict"` // as exported
	Flags   int32    `parquet:"tcp_flags,dict"`
	ToS     int32    `parquet:"tos,dict"`
	InIf    int64    `parquet:"in_if,dict"`
	OutIf   int64    `parquet:"out_if,dict"`

	ICMPType int32 `parquet:"icmp_type,dict"`
	ICMPCode int32 `parquet:"icmp_code,dict"`

	NATSrc     [16]byte `parquet:"nat_src,dict"`
	NATDst     [16]byte `parquet:"nat_dst,dict"`
	NATSrcPort int32    `parquet:"nat_sport,dict"` // -1: the same as SrcPort
	NATDstPort int32    `parquet:"nat_dport,dict"` // -1: the same as DstPort

	// Country and AS of both sides when the flow was written; "--" and 0 are
	// unknown. ASFrom says whose word the AS is: bit 0 the exporter's for SrcAS,
	// bit 1 for DstAS, else a database's.
	SrcCC  string `parquet:"scc,dict"`
	DstCC  string `parquet:"dcc,dict"`
	SrcAS  int64  `parquet:"sas,dict"`
	DstAS  int64  `parquet:"das,dict"`
	ASFrom int32  `parquet:"as_from,dict"`

	Exporter  [16]byte `parquet:"exporter,dict"`
	Domain    int64    `parquet:"domain,dict"`
	Version   int32    `parquet:"version,dict"`
	Sampling  int64    `parquet:"sampling,dict"`
	Firewall  int32    `parquet:"firewall_event,dict"`
	Direction int32    `parquet:"biflow_direction,dict"`
	Has       int64    `parquet:"has,dict"` // flow.Fields

	// The opposite direction. RevDelay is its start after Start and RevDDur its
	// duration less Dur, both in milliseconds, with nanoseconds to add; RevReceived
	// how many arrivals of the file later it came. RevHas is 0 when there was no
	// record of its own: then RevBytes, RevPackets and RevFlags are what the one
	// record said of both directions (RFC 5103, firewalls).
	RevDelay    int32 `parquet:"rev_delay,dict"`
	RevDelayNS  int64 `parquet:"rev_delay_ns,dict"`
	RevDDur     int32 `parquet:"rev_ddur,dict"`
	RevDDurNS   int64 `parquet:"rev_ddur_ns,dict"`
	RevReceived int32 `parquet:"rev_received,dict"`
	RevFlags    int32 `parquet:"rev_tcp_flags,dict"`
	RevToS      int32 `parquet:"rev_tos,dict"`
	RevHas      int64 `parquet:"rev_has,dict"`
	RevBytes    int64 `parquet:"rev_bytes,dict"`
	RevPackets  int64 `parquet:"rev_packets,dict"`
}

// Unset in StartNS or DurNS: the record has no such time.
const Unset = -1 << 63

// ID names a column: its place in Row and in the files.
type ID int

// The columns in their order.
const (
	Start ID = iota
	StartNS
	Dur
	DurNS
	ReceivedLag
	ReceivedNth
	Src
	Dst
	SrcPort
	DstPort
	Proto
	Bytes
	Packets
	Flags
	ToS
	InIf
	OutIf
	ICMPType
	ICMPCode
	NATSrc
	NATDst
	NATSrcPort
	NATDstPort
	SrcCC
	DstCC
	SrcAS
	DstAS
	ASFrom
	Exporter
	Domain
	Version
	Sampling
	Firewall
	Direction
	Has
	RevDelay
	RevDelayNS
	RevDDur
	RevDDurNS
	RevReceived
	RevFlags
	RevToS
	RevHas
	RevBytes
	RevPackets
	Columns // how many there are
)

// Kind is the type of a column's values.
type Kind uint8

// The kinds: INT32, INT64, FIXED_LEN_BYTE_ARRAY(16), a string of two letters.
const (
	Int32 Kind = iota
	Int64
	Address
	Country
)

type spec struct {
	name   string
	kind   Kind
	dict   bool
	delta  bool    // without a dictionary: as differences
	offset uintptr // in Row
}

var specs = specsOf()

func (id ID) String() string { return specs[id].name }

// Kind returns the type of the column's values.
func (id ID) Kind() Kind { return specs[id].kind }

// Dict reports whether flowhound writes the column with a dictionary.
func (id ID) Dict() bool { return specs[id].dict }

// Lookup returns the column of a name.
func Lookup(name string) (ID, bool) {
	for i, s := range specs {
		if s.name == name {
			return ID(i), true
		}
	}
	return 0, false
}
