package column

import (
	"bufio"
	"fmt"
	"io"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

const (
	// GroupRows is how many rows a row group has; the last of a file up to half as
	// many more, or fewer.
	GroupRows = 65536
	// PartRecords is how many records a part holds at most.
	PartRecords = 524288
	pageSize    = 64 << 10
	batchRows   = 512 // rows that are handed to the library at once
)

// Level is how hard the writer compresses.
type Level uint8

// The levels: of zstd. Better takes 12% less room and twice the time.
const (
	Fastest Level = iota
	Better
)

// Options of a file.
type Options struct {
	Level    Level
	Places   Places            // nil: no country and no AS but the exporter's
	Metadata map[string]string // what else stands in the file's metadata
}

// Info is what a file holds.
type Info struct {
	Size   int64 `json:"size"` // bytes of the file
	Rows   int64 `json:"rows"`
	Flows  int64 `json:"flows"` // records: Flows-Rows rows hold both directions
	Groups int   `json:"groups"`
	// Start and End span the flows, First and Last the arrivals: Unix nanoseconds,
	// Start and End by Times.
	Start int64 `json:"start"`
	End   int64 `json:"end"`
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// Names of what stands in a file's metadata.
const (
	metaVersion  = "flowhound.version"
	metaSums     = "flowhound.sums"
	metaArrivals = "flowhound.arrivals"
	metaInfo     = "flowhound.info"
	version      = "1"
)

// Writer writes files of records. It keeps its memory from file to file, up to 190 MB
// with 524,288 records, and is for one goroutine.
type Writer struct {
	stitcher stitcher
	sorter   sorter
	arrivals arrivals
	rank     []int32 // of each record's arrival
	nth      []int32 // and its place in its second
	rows     []Row
	file     *parquet.GenericWriter[Row] // of the last file
	level    Level                       // it compresses with
}

// Write writes records as one file to w: paired, sorted and in row groups. It changes
// nothing in records.
func (w *Writer) Write(to io.Writer, records []flow.Record, o Options) (Info, error) {
	if len(records) == 0 || len(records) > maxSorted {
		return Info{}, fmt.Errorf("a file holds 1 to %d records, not %d", maxSorted, len(records))
	}
	pairs := w.stitcher.pair(records)
	w.sorter.sort(records, pairs)
	w.arrivals = w.arrivals.collect(records)
	w.rank, w.nth = grow(w.rank, len(records)), grow(w.nth, len(records))
	w.arrivals.places(records, w.rank, w.nth)
	info := Info{Rows: int64(len(pairs)), Flows: int64(len(records)), First: w.arrivals[0], Last: w.arrivals[len(w.arrivals)-1]}
	info.Start, info.End = Times(&records[0])
	for i := range records {
		start, end := Times(&records[i])
		info.Start, info.End = min(info.Start, start), max(info.End, end, start)
	}
	out := w.output(to, o)
	w.rows = grow(w.rows, batchRows)
	for i := 0; i < len(pairs); {
		n := groupAt(len(pairs) - i)
		for _, p := range chunks(pairs[i:i+n], batchRows) {
			for j, q := range p {
				var reverse *flow.Record
				step := int32(0)
				if q.r >= 0 {
					reverse, step = &records[q.r], w.rank[q.r]-w.rank[q.f]
				}
				fill(&w.rows[j], &records[q.f], reverse, w.nth[q.f], step, o.Places)
			}
			if err := out.rows(w.rows[:len(p)]); err != nil {
				return Info{}, err
			}
		}
		if err := out.endGroup(); err != nil {
			return Info{}, err
		}
		i += n
		info.Groups++
	}
	return out.close(info, w.arrivals)
}

// groupAt returns how many of the rows that are left make the next row group.
func groupAt(left int) int {
	if left < GroupRows+GroupRows/2 {
		return left
	}
	return GroupRows
}

func chunks(p []pair, n int) (out [][]pair) {
	for ; len(p) > n; p = p[n:] {
		out = append(out, p[:n])
	}
	return append(out, p)
}

// output is a file that is being written.
type output struct {
	buffer *bufio.Writer
	sums   *summing
	file   *parquet.GenericWriter[Row]
	meta   map[string]string
}

// output is newOutput with the memory of the last file, which saves 1 ms a file.
func (w *Writer) output(to io.Writer, o Options) *output {
	if len(o.Metadata) > 0 { // which the library would keep for the next file
		return newOutput(to, o)
	}
	if w.file == nil || w.level != o.Level {
		out := newOutput(to, o)
		w.file, w.level = out.file, o.Level
		return out
	}
	out := &output{buffer: bufio.NewWriterSize(to, 256<<10), file: w.file, meta: o.Metadata}
	out.sums = &summing{w: out.buffer}
	w.file.Reset(out.sums)
	return out
}

func newOutput(to io.Writer, o Options) *output {
	out := &output{buffer: bufio.NewWriterSize(to, 256<<10), meta: o.Metadata}
	out.sums = &summing{w: out.buffer}
	level := zstd.SpeedFastest
	if o.Level == Better {
		level = zstd.SpeedBetterCompression
	}
	out.file = parquet.NewGenericWriter[Row](out.sums, schema, parquet.Compression(&zstd.Codec{Level: level}),
		parquet.PageBufferSize(pageSize), parquet.WriteBufferSize(0), parquet.MaxRowsPerRowGroup(2*GroupRows),
		parquet.CreatedBy("flowhound", version, ""))
	return out
}

func (out *output) rows(rows []Row) error {
	_, err := out.file.Write(rows)
	return err
}

func (out *output) endGroup() error { return out.file.Flush() }

func (out *output) close(info Info, at arrivals) (Info, error) {
	for key, value := range out.meta {
		out.file.SetKeyValueMetadata(key, value)
	}
	out.file.SetKeyValueMetadata(metaVersion, version)
	out.file.SetKeyValueMetadata(metaArrivals, at.encode())
	out.file.SetKeyValueMetadata(metaInfo, info.text())
	out.file.SetKeyValueMetadata(metaSums, out.sums.seal())
	if err := out.file.Close(); err != nil {
		return Info{}, err
	}
	var err error
	if info.Size, err = out.sums.finish(); err != nil {
		return Info{}, err
	}
	return info, out.buffer.Flush()
}

func (i *Info) text() string {
	b := []byte{}
	for _, v := range []int64{i.Rows, i.Flows, i.Start, i.End, i.First, i.Last} {
		b = append(strconv.AppendInt(b, v, 10), ' ')
	}
	return string(b[:len(b)-1])
}

func (i *Info) parse(s string) error {
	if _, err := fmt.Sscan(s, &i.Rows, &i.Flows, &i.Start, &i.End, &i.First, &i.Last); err != nil {
		return fmt.Errorf("%w: its metadata does not say what it holds", ErrDamaged)
	}
	return nil
}
