package column

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Files that earlier versions wrote are read, and merged with those of today:
// testdata/version1.parquet, made of the project's captures by a library for Parquet, with
// the list of arrivals in its footer, and its records as they were written when that list was
// one piece.
func TestFilesOfEarlierVersions(t *testing.T) {
	var first []flow.Record
	for _, name := range []string{"testdata/version1.parquet", "testdata/version1-arrived.parquet"} {
		old, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		if err := old.Verify(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var want []flow.Record
		for g := range old.Groups {
			if want, err = old.Records(g, want); err != nil {
				t.Fatal(err)
			}
		}
		var octets, packets uint64
		for i := range want {
			octets += want[i].Bytes + want[i].RevBytes
			packets += want[i].Packets + want[i].RevPackets
		}
		if len(want) != 903+555 || octets != 1_337_818 || packets != 4994 {
			t.Fatalf("%s: %d records with %d bytes and %d packets", name, len(want), octets, packets)
		}
		if first == nil {
			first = want
		}
		same(t, name, want, first)
		b, _ := write(t, want, Options{})
		same(t, "written anew", readAll(t, b), want)
		today, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		var both bytes.Buffer
		if _, err := Merge(t.Context(), &both, []*File{old, today}, Options{Level: Better}); err != nil {
			t.Fatal(err)
		}
		same(t, "merged", readAll(t, both.Bytes()), append(want, want...))
	}
}

// Several row groups, with columns of many values and of one alone, in files of both
// levels: the records come back, and what the footer says of each column is true of it.
func TestManyGroups(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var files []*File
	var contents [][]byte
	var want []flow.Record
	for part := range 2 {
		var records []flow.Record
		for i := range 90_000 {
			at := 1_780_000_000e9 + int64(i/20)*1e7
			records = append(records, flow.Record{
				Src: flow.Addr4(0x0a000000 | r.Uint32N(3000)), Dst: flow.Addr4(r.Uint32N(200_000)), Exporter: flow.Addr4(9), Received: at, Start: at - 5e9, End: at,
				SrcPort: uint16(r.Uint32()), DstPort: uint16(r.Uint32N(100)), Bytes: r.Uint64N(1 << 20), Packets: uint64(part), Sampling: 1,
				Has: flow.HasStart | flow.HasEnd | flow.HasBytes | flow.HasPackets,
			})
		}
		b, _ := write(t, records, Options{Places: func(a flow.Addr, _ int64) ([2]byte, uint32) {
			return [2]byte{'A' + byte(a.Lo%26), 'A'}, uint32(a.Lo % 5)
		}})
		f, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		files, contents, want = append(files, f), append(contents, b), append(want, records...)
	}
	var b bytes.Buffer
	if _, err := Merge(t.Context(), &b, files, Options{Level: Better}); err != nil {
		t.Fatal(err)
	}
	same(t, "merged", readAll(t, b.Bytes()), want)
	merged, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if merged.Groups < 3 {
		t.Errorf("%d row groups", merged.Groups)
	}
	inOrder(t, merged)
	for i, f := range append(files, merged) {
		lib := library(t, append(contents, b.Bytes())[i])
		for g, group := range lib.Metadata().RowGroups {
			for id := range group.Columns {
				checkFooterOf(t, lib, f, g, ID(id), &group.Columns[id].MetaData)
			}
		}
	}
}

// library opens a file with a library for Parquet, which knows nothing of our reader.
func library(t testing.TB, b []byte) *parquet.File {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// checkFooterOf compares what the footer says of a column with its pages.
func checkFooterOf(t *testing.T, lib *parquet.File, f *File, group int, id ID, meta *format.ColumnMetaData) {
	t.Helper()
	name := lib.Schema().Columns()[id]
	if meta.PathInSchema[0] != name[0] || meta.NumValues != int64(f.GroupLen(group)) {
		t.Errorf("group %d: %s has %d values of %d", group, meta.PathInSchema[0], meta.NumValues, f.GroupLen(group))
	}
	var c Column
	if err := f.Column(group, id, &c); err != nil {
		t.Fatal(err)
	}
	typ := lib.RowGroups()[group].ColumnChunks()[id].Type()
	var least, most parquet.Value
	for row := range f.GroupLen(group) {
		var v parquet.Value
		switch id.Kind() {
		case Address:
			a := c.Address(c.Index[row])
			v = parquet.FixedLenByteArrayValue(a[:])
		case Country:
			cc := c.Country(c.Index[row])
			v = parquet.ByteArrayValue(cc[:])
		case Int32:
			v = parquet.Int32Value(int32(c.Value(row)))
		default:
			v = parquet.Int64Value(c.Value(row))
		}
		if row == 0 || typ.Compare(v, least) < 0 {
			least = v.Clone()
		}
		if row == 0 || typ.Compare(v, most) > 0 {
			most = v.Clone()
		}
	}
	if !bytes.Equal(least.Bytes(), meta.Statistics.MinValue) || !bytes.Equal(most.Bytes(), meta.Statistics.MaxValue) {
		t.Errorf("group %d: %s is %x to %x, the footer says %x to %x", group, id, least.Bytes(), most.Bytes(), meta.Statistics.MinValue, meta.Statistics.MaxValue)
	}
}
