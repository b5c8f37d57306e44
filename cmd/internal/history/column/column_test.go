package column

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"slices"
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

// sorted returns records in an order of their whole content.
func sorted(records []flow.Record) []flow.Record {
	records = slices.Clone(records)
	key := func(r *flow.Record) []byte {
		var b bytes.Buffer
		_ = binary.Write(&b, binary.BigEndian, r)
		return b.Bytes()
	}
	slices.SortFunc(records, func(a, b flow.Record) int { return bytes.Compare(key(&a), key(&b)) })
	return records
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
		got, want := sorted(readAll(t, b)), sorted(records)
		if len(got) != len(want) || int64(len(want)) != info.Flows {
			t.Fatalf("round %d: %d records came back of %d", round, len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("round %d: record %d:\n%+v\nwant\n%+v", round, i, got[i], want[i])
			}
		}
	}
	if paired < 1000 {
		t.Errorf("%d were paired", paired)
	}
}
