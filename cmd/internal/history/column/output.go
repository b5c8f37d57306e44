package column

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const parquetMagic = "PAR1"

// output is a file that is being written, row group by row group.
type output struct {
	buffer  *bufio.Writer
	sums    *summing
	groups  []format.RowGroup
	lengths []byte // of pages
	rows    int64
	meta    map[string]string
}

func newOutput(to io.Writer, o Options) (*output, error) {
	out := &output{buffer: bufio.NewWriterSize(to, 256<<10), meta: o.Metadata}
	out.sums = &summing{w: out.buffer}
	_, err := io.WriteString(out.sums, parquetMagic)
	return out, err
}

// begin begins a row group, to which all columns are added in their order.
func (out *output) begin(rows int) {
	out.groups = append(out.groups, format.RowGroup{
		NumRows: int64(rows), FileOffset: out.sums.size, Ordinal: int16(len(out.groups)), Columns: make(thrift.Slice[format.ColumnChunk], 0, Columns),
	})
	out.rows += int64(rows)
}

// add writes the next column of the row group.
func (out *output) add(c chunk) error {
	g := &out.groups[len(out.groups)-1]
	if ID(len(g.Columns)).Dict() {
		c.meta.DictionaryPageOffset = out.sums.size
	}
	c.meta.DataPageOffset += out.sums.size
	g.Columns = append(g.Columns, format.ColumnChunk{MetaData: c.meta})
	g.TotalByteSize += c.meta.TotalUncompressedSize
	g.TotalCompressedSize += c.meta.TotalCompressedSize
	out.lengths = appendLengths(out.lengths, c.pages)
	_, err := out.sums.Write(c.pages)
	return err
}

// footer is what all files have in common there.
var footer = sync.OnceValue(func() *format.FileMetaData {
	var b bytes.Buffer
	if err := parquet.NewGenericWriter[Row](&b, parquet.SchemaOf(Row{})).Close(); err != nil {
		panic(err) // the schema is wrong
	}
	f, err := parquet.OpenFile(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		panic(err)
	}
	return f.Metadata()
})

// close writes the footer.
func (out *output) close(info Info, at arrivals) (Info, error) {
	place := out.sums.size
	list, directory := at.pack()
	if _, err := out.sums.Write(slices.Concat(list, directory, out.lengths)); err != nil {
		return Info{}, err
	}
	meta := map[string]string{metaVersion: version, metaTimes: fmt.Sprint(place, len(list), len(directory)),
		metaLengths: fmt.Sprint(place+int64(len(list)+len(directory)), len(out.lengths)),
		metaInfo:    info.text(), metaSums: out.sums.seal()}
	for key, value := range out.meta {
		meta[key] = value
	}
	f := *footer()
	f.RowGroups, f.NumRows, f.CreatedBy, f.KeyValueMetadata = out.groups, out.rows, "flowhound version "+version, nil
	for key, value := range meta {
		f.KeyValueMetadata = append(f.KeyValueMetadata, format.KeyValue{Key: key, Value: value})
	}
	slices.SortFunc(f.KeyValueMetadata, func(a, b format.KeyValue) int { return strings.Compare(a.Key, b.Key) })
	b := marshal(&f)
	b = append(binary.LittleEndian.AppendUint32(b, uint32(len(b))), parquetMagic...)
	if _, err := out.sums.Write(b); err != nil {
		return Info{}, err
	}
	var err error
	if info.Size, err = out.sums.finish(); err != nil {
		return Info{}, err
	}
	return info, out.buffer.Flush()
}
