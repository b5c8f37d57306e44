package column

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// The names of the columns, their order and encodings are what readers of all kinds
// rely on.
func TestColumns(t *testing.T) {
	if len(specs) != int(Columns) {
		t.Fatalf("Row has %d fields, there are %d columns", len(specs), Columns)
	}
	for id, want := range map[ID]string{
		Start: "start", Dur: "dur", Src: "src", Packets: "packets", SrcCC: "scc", DstAS: "das", Has: "has", RevPackets: "rev_packets",
	} {
		if id.String() != want {
			t.Errorf("column %d is %s, want %s", id, id, want)
		}
	}
	schema := parquet.SchemaOf(Row{})
	for i, c := range schema.Columns() {
		if c[0] != ID(i).String() {
			t.Errorf("column %d of the schema is %s, want %s", i, c[0], ID(i))
		}
		leaf, _ := schema.Lookup(c...)
		if lt := leaf.Node.Type().LogicalType(); lt != nil && reflect.ValueOf(lt).Elem().FieldByName("Integer").IsValid() {
			if integer := reflect.ValueOf(lt).Elem().FieldByName("Integer"); !integer.IsZero() {
				t.Errorf("%s is annotated as an integer", c[0])
			}
		}
		if dict := leaf.Node.Encoding() == &parquet.RLEDictionary; dict != ID(i).Dict() {
			t.Errorf("%s: dictionary %v", c[0], dict)
		}
	}
}

// random makes a record of any content: often small numbers, so that pairs are found,
// and sometimes the extremes.
func random(r *rand.Rand) flow.Record {
	u := func(n int) uint64 {
		switch r.IntN(8) {
		case 0:
			return 0
		case 1:
			return ^uint64(0)
		case 2:
			return r.Uint64()
		}
		return r.Uint64N(uint64(n))
	}
	addr := func() flow.Addr {
		switch r.IntN(6) {
		case 0:
			return flow.Addr{}
		case 1:
			return flow.Addr{Hi: r.Uint64(), Lo: r.Uint64()}
		}
		return flow.Addr4(0x0a000000 | r.Uint32N(4))
	}
	rec := flow.Record{
		Src: addr(), Dst: addr(), NATSrc: addr(), NATDst: addr(), Exporter: addr(),
		Received: 1_780_000_000e9 + int64(r.IntN(50))*1e8, Start: int64(u(2e18)), End: int64(u(2e18)),
		Bytes: u(5000), Packets: u(50), RevBytes: u(3), RevPackets: u(3), Has: flow.Fields(u(1 << 22)),
		Domain: uint32(u(3)), Sampling: uint32(u(3)), InIf: uint32(u(3)), OutIf: uint32(u(3)),
		SrcAS: uint32(u(3)), DstAS: uint32(u(3)), SrcPort: uint16(u(3)), DstPort: uint16(u(3)),
		NATSrcPort: uint16(u(3)), NATDstPort: uint16(u(3)), TCPFlags: uint16(u(64)), RevTCPFlags: uint16(u(2)),
		Version: uint8(u(11)), Proto: uint8(u(3)), ToS: uint8(u(3)), ICMPType: uint8(u(9)), ICMPCode: uint8(u(2)),
		Firewall: flow.FirewallEvent(u(3)), Direction: flow.BiflowDirection(u(3)),
	}
	if r.IntN(50) == 0 {
		rec.Received = int64(r.Uint64())
	}
	return rec
}

// conversationOf makes two records that belong together.
func conversationOf(r *rand.Rand) [2]flow.Record {
	f := random(r)
	f.RevBytes, f.RevPackets, f.RevTCPFlags, f.Has = 0, 0, 0, f.Has&^flow.HasReverse|flow.HasBytes
	f.Start, f.End = f.Received-int64(r.IntN(1e10)), f.Received
	f.Packets = max(f.Packets, 1)
	if r.IntN(2) == 0 {
		f.NATSrc, f.NATDst = flow.Addr{}, flow.Addr{}
	}
	b := mirror(&f)
	b.Received, b.Start, b.End = f.Received+int64(r.IntN(3)), f.Start+int64(r.IntN(3))*1e6+int64(r.IntN(2)), f.End
	b.Bytes, b.Packets, b.TCPFlags, b.ToS, b.Has = r.Uint64(), 1+r.Uint64N(9), 24, 4, f.Has
	return [2]flow.Record{f, b}
}

// same reports what differs between records, whatever their order.
func same(t *testing.T, what string, got, want []flow.Record) {
	t.Helper()
	count := map[flow.Record]int{}
	for _, r := range want {
		count[r]++
	}
	for _, r := range got {
		count[r]--
	}
	for r, n := range count {
		if n != 0 {
			t.Fatalf("%s: %d of %d records came back; %d times fewer than written: %+v", what, len(got), len(want), n, r)
		}
	}
}

func write(t testing.TB, records []flow.Record, o Options) ([]byte, Info) {
	t.Helper()
	var w Writer
	var b bytes.Buffer
	info, err := w.Write(&b, records, o)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size != int64(b.Len()) {
		t.Errorf("the size is %d, %d were written", info.Size, b.Len())
	}
	return b.Bytes(), info
}

func readAll(t testing.TB, b []byte) []flow.Record {
	t.Helper()
	f, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out []flow.Record
	for g := range f.Groups {
		if out, err = f.Records(g, out); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// Every field of every record survives, whatever it holds, alone or as one half of a
// row.
func TestRecordsSurvive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	paired := int64(0)
	for round := range 40 {
		var records []flow.Record
		for range 1 + r.IntN(400) {
			if r.IntN(2) == 0 {
				records = append(records, random(r))
			} else {
				c := conversationOf(r)
				records = append(records, c[:]...)
			}
		}
		r.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		b, info := write(t, records, Options{Places: func(a flow.Addr, _ int64) ([2]byte, uint32) { return [2]byte{'N', 'O'}, uint32(a.Lo) }})
		paired += info.Flows - info.Rows
		if int64(len(records)) != info.Flows {
			t.Errorf("%d flows are told of %d", info.Flows, len(records))
		}
		same(t, "round "+strconv.Itoa(round), readAll(t, b), records)
	}
	if paired < 1000 {
		t.Errorf("%d were paired", paired)
	}
}

// Files that are merged hold the same records, in order, also when they were merged
// before.
func TestMerge(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var want []flow.Record
	var files []*File
	for range 5 {
		var records []flow.Record
		for range 1 + r.IntN(30_000) {
			if c := conversationOf(r); r.IntN(2) == 0 {
				records = append(records, c[:]...)
			} else {
				records = append(records, random(r))
			}
		}
		want = append(want, records...)
		b, _ := write(t, records, Options{})
		f, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	var b bytes.Buffer
	for round := range 2 {
		b.Reset()
		info, err := Merge(t.Context(), &b, files, Options{Level: Better})
		if err != nil {
			t.Fatal(err)
		}
		if info.Flows != int64(len(want)) || info.Size != int64(b.Len()) {
			t.Errorf("%+v of %d flows and %d bytes", info, len(want), b.Len())
		}
		data := bytes.Clone(b.Bytes())
		same(t, "round "+strconv.Itoa(round), readAll(t, data), want)
		f, err := Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		inOrder(t, f)
		files = []*File{f}
	}
}

// inOrder checks that rows are sorted by source, destination and port, over the whole
// file.
func inOrder(t *testing.T, f *File) {
	t.Helper()
	var before []byte
	for g := range f.Groups {
		var src, dst, port Column
		for id, c := range map[ID]*Column{Src: &src, Dst: &dst, DstPort: &port} {
			if err := f.Column(g, id, c); err != nil {
				t.Fatal(err)
			}
		}
		for row := range f.GroupLen(g) {
			s, d := src.Address(src.Index[row]), dst.Address(dst.Index[row])
			key := binary.BigEndian.AppendUint16(append(s[:], d[:]...), uint16(port.Value(row)))
			if bytes.Compare(before, key) > 0 {
				t.Fatalf("group %d row %d is out of order", g, row)
			}
			before = key
		}
	}
}

// TestSomeColumns: rows that are read with some columns have those, and zeros elsewhere.
func TestSomeColumns(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	var records []flow.Record
	for range 3000 {
		c := conversationOf(r)
		records = append(records, c[:]...)
	}
	b, _ := write(t, records, Options{})
	f, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	some := []int32{0, 1, 700, 701, int32(f.GroupLen(0)) - 1}
	whole, err := f.Rows(0, some, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Rows(0, some, nil, Src, DstPort, Packets, RevBytes, SrcCC)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range whole {
		want := Row{Src: w.Src, DstPort: w.DstPort, Packets: w.Packets, RevBytes: w.RevBytes, SrcCC: w.SrcCC}
		if got[i] != want {
			t.Errorf("row %d: %+v, want %+v", some[i], got[i], want)
		}
	}
	if none, err := f.Rows(0, nil, nil); err != nil || len(none) != 0 {
		t.Error(none, err)
	}
}
