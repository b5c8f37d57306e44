package column

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/flowhound/flowhound/cmd/internal/bounded"
	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// contents are files of all kinds: of an earlier version, of today, merged, large and small.
func contents(t testing.TB) [][]byte {
	t.Helper()
	old, err := os.ReadFile("testdata/version1.parquet")
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 3))
	all := [][]byte{old}
	var files []*File
	for _, n := range []int{1, 40, 20_000} {
		var records []flow.Record
		for range n {
			c := conversationOf(r)
			records = append(records, c[:]...)
		}
		b, _ := write(t, records, Options{Places: func(a flow.Addr, _ int64) ([2]byte, uint32) {
			return [2]byte{'A' + byte(a.Lo%26), 'A'}, uint32(a.Lo % 5)
		}})
		f, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		all, files = append(all, b), append(files, f)
	}
	var b bytes.Buffer
	if _, err := Merge(t.Context(), &b, files, Options{Level: Better}); err != nil {
		t.Fatal(err)
	}
	return append(all, b.Bytes())
}

// Every value of every column is what a library for Parquet reads, whether a column is read
// whole or, in any order, some rows of it.
func TestReadAsTheLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for n, b := range contents(t) {
		f, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		lib := library(t, b)
		if len(lib.RowGroups()) != f.Groups {
			t.Fatalf("file %d: %d row groups, the library says %d", n, f.Groups, len(lib.RowGroups()))
		}
		var whole, some Column
		for g, group := range lib.RowGroups() {
			for id := range Columns {
				leaf, ok := lib.Schema().Lookup(id.String())
				if !ok {
					t.Fatalf("file %d: no column %s", n, id)
				}
				want := values(t, group.ColumnChunks()[leaf.ColumnIndex])
				if len(want) != f.GroupLen(g) {
					t.Fatalf("file %d: %s has %d rows of %d", n, id, f.GroupLen(g), len(want))
				}
				if err := f.Column(g, id, &whole); err != nil {
					t.Fatal(err)
				}
				for row := range want {
					checkValue(t, id, &whole, row, want[row])
				}
				if err := f.Begin(g, id, &some); err != nil {
					t.Fatal(err)
				}
				for range 3 {
					rows := chosen(r, len(want))
					if err := some.Need(rows); err != nil {
						t.Fatal(err)
					}
					for _, row := range rows {
						checkValue(t, id, &some, int(row), want[row])
					}
				}
			}
		}
	}
}

// chosen returns some of n rows: few, those of a place, or all.
func chosen(r *rand.Rand, n int) (rows []int32) {
	from, to, step := r.IntN(n), n, 1+r.IntN(n)
	switch r.IntN(4) {
	case 0:
		from, step = 0, 1
	case 1:
		to, step = min(from+1+r.IntN(50), n), 1
	}
	for row := from; row < to; row += step {
		rows = append(rows, int32(row))
	}
	return rows
}

func values(t *testing.T, chunk parquet.ColumnChunk) (out []parquet.Value) {
	t.Helper()
	pages := chunk.Pages()
	defer pages.Close()
	for {
		page, err := pages.ReadPage()
		if err != nil {
			return out
		}
		some := make([]parquet.Value, page.NumValues())
		n, _ := page.Values().ReadValues(some)
		for _, v := range some[:n] {
			out = append(out, v.Clone())
		}
	}
}

func checkValue(t *testing.T, id ID, c *Column, row int, want parquet.Value) {
	t.Helper()
	ok := false
	switch id.Kind() {
	case Address:
		got := c.Address(c.Index[row])
		ok = bytes.Equal(got[:], want.ByteArray())
	case Country:
		got := c.Country(c.Index[row])
		ok = bytes.Equal(got[:], want.ByteArray())
	case Int32:
		ok = c.Value(row) == int64(want.Int32())
	default:
		ok = c.Value(row) == want.Int64()
	}
	if !ok {
		t.Fatalf("%s, row %d: not %s", id, row, want)
	}
}

// The footer's numbers are what the library reads in it.
func TestFooterAsTheLibrary(t *testing.T) {
	for n, b := range contents(t) {
		f, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		meta := library(t, b).Metadata()
		for _, kv := range meta.KeyValueMetadata {
			if got, ok := f.Lookup(kv.Key); !ok || got != kv.Value {
				t.Errorf("file %d: %s is %q, want %q", n, kv.Key, got, kv.Value)
			}
		}
		for g, group := range meta.RowGroups {
			for i, want := range group.Columns {
				got := f.layout.groups[g].chunks[i]
				first := want.MetaData.DataPageOffset
				if d := want.MetaData.DictionaryPageOffset; d > 0 {
					first = d
				}
				if got.offset != first || got.size != want.MetaData.TotalCompressedSize || format.CompressionCodec(got.codec) != want.MetaData.Codec {
					t.Errorf("file %d, column %d: %+v", n, i, got)
				}
			}
		}
	}
}

// Anything that the format allows is read over: fields that we do not know, of every kind.
func TestCompactSkips(t *testing.T) {
	type inner struct {
		A int64    `thrift:"1"`
		B []string `thrift:"2"`
	}
	type all struct {
		Bool   bool            `thrift:"1"`
		No     bool            `thrift:"2"`
		I8     int8            `thrift:"3"`
		I16    int16           `thrift:"4"`
		I64    int64           `thrift:"5"`
		F      float64         `thrift:"6"`
		S      string          `thrift:"7"`
		L      []inner         `thrift:"8"`
		M      map[string]bool `thrift:"9"`
		In     inner           `thrift:"10"`
		Bools  []bool          `thrift:"11"`
		Number int32           `thrift:"300"`
	}
	in := inner{-7, []string{"x", "", string(make([]byte, 300))}}
	many := make([]inner, 20)
	for i := range many {
		many[i] = in
	}
	b, err := thrift.Marshal(new(thrift.CompactProtocol), all{true, false, -1, -300, 1 << 62, 1.5, "text", many, map[string]bool{"a": true, "b": false}, in, []bool{true, false, true}, -12345})
	if err != nil {
		t.Fatal(err)
	}
	c := &compact{bounded.Reader{B: b}}
	got := int64(0)
	for id, kind := range c.fields() {
		if id == 300 && kind == compactInt32 {
			got = c.number()
		} else {
			c.skip(kind)
		}
	}
	if c.Bad || got != -12345 || len(c.B) != 0 {
		t.Errorf("number %d, %d bytes are left, bad %v", got, len(c.B), c.Bad)
	}
	for n := range b { // cut off anywhere it is bad, and ends
		c := &compact{bounded.Reader{B: b[:n]}}
		for _, kind := range c.fields() {
			c.skip(kind)
		}
		if !c.Bad {
			t.Errorf("cut off after %d of %d bytes it is read", n, len(b))
		}
	}
	deep := &compact{bounded.Reader{B: slices.Repeat([]byte{0x1c}, 1000)}} // structures in structures
	if deep.skip(compactStruct); !deep.Bad {
		t.Error("a thousand structures in each other are read")
	}
}

// A footer or a chunk of any bytes is read or rejected, and takes no memory to speak of.
// Checksums keep such bytes from readers of files, so that this is the parsers alone.
func FuzzFooter(f *testing.F) {
	for _, b := range contents(f)[:3] {
		footer, _, err := readFooter(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(footer)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseFooter(b)
		if err != nil {
			return
		}
		for _, g := range l.groups {
			for id := range Columns {
				if at := l.place[id]; at >= len(g.chunks) {
					t.Errorf("column %s would be %d of %d", id, at, len(g.chunks))
				}
			}
		}
	})
}

func FuzzChunk(f *testing.F) {
	b := contents(f)[2]
	file, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		f.Fatal(err)
	}
	for _, id := range []ID{Start, Dur, Src, SrcCC, Bytes, Packets} {
		at := file.layout.groups[0].chunks[id]
		f.Add(uint8(id), uint16(file.GroupLen(0)), b[at.offset:at.offset+at.size])
	}
	f.Fuzz(func(t *testing.T, of uint8, rows uint16, b []byte) {
		id := ID(of) % Columns
		var c Column
		c.reset(id)
		c.codec = zstded
		err := func() (err error) {
			defer recovered(&err)
			if err := c.begin(id, b, int(rows)); err != nil {
				return err
			}
			return c.dictionary()
		}()
		if err != nil || c.All() != nil {
			return
		}
		for _, at := range c.Index {
			if int(at) >= c.values() || at < 0 {
				t.Fatalf("place %d of %d", at, c.values())
			}
		}
		if n := max(len(c.Index), len(c.Int32), len(c.Int64)); n < int(rows) {
			t.Fatalf("%d rows of %d", n, rows)
		}
	})
}
