package query

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// TestFilesGoMeanwhile: after the question began, files are removed, cut, emptied and
// replaced by others. The rest answers, and each that is lost is told, once.
func TestFilesGoMeanwhile(t *testing.T) {
	const hours, each = 6, 500
	noon := time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)
	var records []flow.Record
	for h := range hours {
		for i := range each {
			at := noon.Add(time.Duration(h)*time.Hour + time.Duration(i)*time.Second).UnixNano()
			records = append(records, flow.Record{
				Src: flow.Addr4(uint32(0x0a000000 + i)), Dst: flow.Addr4(0xc6336407), Start: at, End: at + 1e9, Received: at + 2e9, Bytes: uint64(h), Packets: 1, Proto: 6,
				Has: flow.HasStart | flow.HasEnd | flow.HasBytes | flow.HasPackets | flow.HasProto, Sampling: 1,
			})
		}
	}
	dir := kept(t, records)
	d, closed, err := Open(dir, time.Time{}, time.Time{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closed()
	if len(d.Files) != hours {
		t.Fatalf("%d files", len(d.Files))
	}
	path := func(h int) string { return d.Files[h].Path }
	other, err := os.ReadFile(path(3))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Remove(path(0)), os.Truncate(path(1), int64(len(other)/2)), os.Truncate(path(2), 0), os.WriteFile(path(4), other, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var told []string
	q := Question{Workers: 1, Damaged: func(path string, err error) { told = append(told, path+" "+err.Error()) }}
	n, err := d.Records(context.Background(), q, RecordOptions{}, func(f *Found) error {
		if f.Bytes != 3 && f.Bytes != 5 {
			t.Fatalf("a record of hour %d", f.Bytes)
		}
		return nil
	})
	if err != nil || n != 2*each {
		t.Errorf("%d records, %v", n, err)
	}
	slices.Sort(told)
	want := []string{"it has expired, or was removed, since the question began", "damaged", "damaged", "another file than the day's manifest says"}
	if len(told) != len(want) {
		t.Fatalf("told of %q", told)
	}
	for i, h := range []int{0, 1, 2, 4} {
		if !strings.HasPrefix(told[i], path(h)+" ") || !strings.Contains(told[i], want[i]) {
			t.Errorf("told %q, want %s: %s", told[i], path(h), want[i])
		}
	}
	told = nil
	keys, _ := ParseKeys("dport") // which no roll-up answers
	top, err := d.Top(context.Background(), q, TopOptions{Keys: keys, Value: CountFlows})
	if err != nil || top.Total != 2*each || len(told) != 4 {
		t.Errorf("top: %+v, %v, told of %q", top, err, told)
	}
	q.Damaged = nil
	if _, err := d.Top(context.Background(), q, TopOptions{Keys: keys}); err == nil {
		t.Error("what nobody is told of is no error")
	}
}
