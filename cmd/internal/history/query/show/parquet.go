package show

import (
	"io"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
)

// Row is one flow record of a Parquet file that is handed on: plain columns, with
// addresses as text. What the exporter did not send is null.
type Row struct {
	Start      *time.Time `parquet:"start,timestamp(millisecond),optional"`
	End        *time.Time `parquet:"end,timestamp(millisecond),optional"`
	Received   time.Time  `parquet:"received,timestamp(millisecond)"`
	Src        string     `parquet:"src,dict"`
	Dst        string     `parquet:"dst,dict"`
	SrcPort    *int32     `parquet:"sport,optional"`
	DstPort    *int32     `parquet:"dport,optional,dict"`
	Proto      *int32     `parquet:"proto,optional,dict"`
	Bytes      *int64     `parquet:"bytes,optional"`
	Packets    *int64     `parquet:"packets,optional"`
	RevBytes   *int64     `parquet:"rev_bytes,optional"`
	RevPackets *int64     `parquet:"rev_packets,optional"`
	Sampling   int64      `parquet:"sampling,dict"`
	Flags      *int32     `parquet:"tcp_flags,optional,dict"`
	ToS        *int32     `parquet:"tos,optional,dict"`
	InIf       *int64     `parquet:"in_if,optional,dict"`
	OutIf      *int64     `parquet:"out_if,optional,dict"`
	ICMPType   *int32     `parquet:"icmp_type,optional,dict"`
	ICMPCode   *int32     `parquet:"icmp_code,optional,dict"`
	NATSrc     *string    `parquet:"nat_src,optional,dict"`
	NATSrcPort *int32     `parquet:"nat_sport,optional"`
	NATDst     *string    `parquet:"nat_dst,optional,dict"`
	NATDstPort *int32     `parquet:"nat_dport,optional"`
	SrcCC      string     `parquet:"scc,dict"`
	DstCC      string     `parquet:"dcc,dict"`
	SrcAS      int64      `parquet:"sas,dict"`
	DstAS      int64      `parquet:"das,dict"`
	Exporter   string     `parquet:"exporter,dict"`
	Domain     int64      `parquet:"domain,dict"`
	Version    int32      `parquet:"version,dict"`
}

// NewParquet returns a Writer of a Parquet file with a Row for each record, in row
// groups of 65,536.
func NewParquet(w io.Writer) Writer {
	return &parquetWriter{w: parquet.NewGenericWriter[Row](w, parquet.Compression(&zstd.Codec{}), parquet.MaxRowsPerRowGroup(1<<16), parquet.CreatedBy("flowhound", "1", ""))}
}

type parquetWriter struct {
	w    *parquet.GenericWriter[Row]
	rows []Row
}

// Flow is part of Writer.
func (p *parquetWriter) Flow(f *query.Found) error {
	if p.rows = append(p.rows, row(f)); len(p.rows) < 256 {
		return nil
	}
	return p.flush()
}

func (p *parquetWriter) flush() error {
	_, err := p.w.Write(p.rows)
	p.rows = p.rows[:0]
	return err
}

// Close is part of Writer.
func (p *parquetWriter) Close() error {
	if err := p.flush(); err != nil {
		return err
	}
	return p.w.Close()
}

// sent returns a value, or nil when the exporter did not send it.
func sent[T any](has, need flow.Fields, v T) *T {
	if has&need != need {
		return nil
	}
	return &v
}

func row(f *query.Found) Row {
	r := &f.Record.Record
	h := r.Has
	return Row{
		Start: sent(h, flow.HasStart, stamp(r.Start, time.UTC)), End: sent(h, flow.HasEnd, stamp(r.End, time.UTC)), Received: stamp(r.Received, time.UTC),
		Src: r.Src.String(), Dst: r.Dst.String(), SrcPort: sent(h, flow.HasPorts, int32(r.SrcPort)), DstPort: sent(h, flow.HasPorts, int32(r.DstPort)),
		Proto: sent(h, flow.HasProto, int32(r.Proto)), Bytes: sent(h, flow.HasBytes, int64(r.Bytes)), Packets: sent(h, flow.HasPackets, int64(r.Packets)),
		RevBytes: sent(h, flow.HasReverse, int64(r.RevBytes)), RevPackets: sent(h, flow.HasReverse, int64(r.RevPackets)), Sampling: int64(r.Sampling),
		Flags: sent(h, flow.HasTCPFlags, int32(r.TCPFlags)), ToS: sent(h, flow.HasToS, int32(r.ToS)), InIf: sent(h, flow.HasInIf, int64(r.InIf)), OutIf: sent(h, flow.HasOutIf, int64(r.OutIf)),
		ICMPType: sent(h, flow.HasICMP, int32(r.ICMPType)), ICMPCode: sent(h, flow.HasICMP, int32(r.ICMPCode)),
		NATSrc: sent(h, flow.HasNATSrc, r.NATSrc.String()), NATSrcPort: sent(h, flow.HasNATSrc, int32(r.NATSrcPort)),
		NATDst: sent(h, flow.HasNATDst, r.NATDst.String()), NATDstPort: sent(h, flow.HasNATDst, int32(r.NATDstPort)),
		SrcCC: f.SrcCC, DstCC: f.DstCC, SrcAS: int64(f.SrcAS), DstAS: int64(f.DstAS), Exporter: r.Exporter.String(), Domain: int64(r.Domain), Version: int32(r.Version),
	}
}
