package column

import (
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// All conversations of a full part are found, whatever the seed of the hashes: where a
// direction waited that has its opposite, another one can wait.
func TestStitchAFullPart(t *testing.T) {
	t.Parallel()
	const late = 5000 // conversations that begin before the answer to one comes
	var records []flow.Record
	one := func(i int) flow.Record {
		return flow.Record{
			Src: flow.Addr4(0x0a000000 + uint32(i/500)), Dst: flow.Addr4(0xc0000200 + uint32(i%7)), SrcPort: uint16(1024 + i%50000), DstPort: 443, Proto: 6,
			Start: int64(i+1) * 1e6, End: int64(i+2) * 1e6, Received: int64(i+3) * 1e6, Bytes: 40, Packets: 1, Has: flow.HasStart | flow.HasEnd | flow.HasBytes | flow.HasPackets,
		}
	}
	const conversations = PartRecords / 2
	for i := range conversations + late {
		if i < conversations {
			records = append(records, one(i))
		}
		if i >= late {
			f := one(i - late)
			r := Mirror(&f)
			r.Start, r.End, r.Received, r.Bytes, r.Packets, r.Has = f.Start+5e5, f.End, f.Received, f.Bytes, f.Packets, f.Has
			records = append(records, r)
		}
	}
	var s stitcher
	s.begin(len(records))
	for i := range records {
		s.add(records, int32(i))
	}
	if len(s.pairs) != conversations {
		t.Errorf("%d rows of %d conversations", len(s.pairs), conversations)
	}
}
