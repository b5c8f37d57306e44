package show

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/query"
)

// TestPercentAsStrconv: shares are rounded as strconv rounds them.
func TestPercentAsStrconv(t *testing.T) {
	check := func(p float64) {
		if got, want := string(appendPercent(nil, p)), strconv.FormatFloat(p, 'f', 2, 64); got != want {
			t.Errorf("%v is printed as %s, want %s", p, got, want)
		}
	}
	for n := range 20001 { // what lies half way, and beside it
		p := float64(n) / 200
		check(p)
		check(math.Nextafter(p, 0))
		check(math.Nextafter(p, 200))
	}
	for range 100_000 {
		total := rand.Uint64N(1<<50) + 1
		check(100 * float64(rand.Uint64N(total+1)) / float64(total))
	}
	check(100.00000000000001)
	check(math.NaN())
}

// TestLongAnswers: a long answer says in each row what a short one with that row says.
func TestLongAnswers(t *testing.T) {
	var records []flow.Record
	first := time.Date(2026, 6, 1, 23, 0, 0, 0, time.UTC).UnixNano()
	for i := range 3000 {
		at := first + int64(i%40)*3600e9
		records = append(records, flow.Record{
			Src: flow.Addr4(uint32(0x0a000000 + i)), Dst: flow.Addr4(9), Received: at, Start: at, End: at, Proto: uint8([]int{6, 17, 200}[i%3]), DstPort: 443, SrcPort: uint16(50000 + i%7),
			Bytes: uint64(i) * uint64(i), Packets: 1, Sampling: 1, Has: flow.HasStart | flow.HasEnd | flow.HasBytes | flow.HasPackets | flow.HasProto | flow.HasPorts,
		})
	}
	d := &query.Data{Recent: func(_ context.Context, each func([]flow.Record) error) error { return each(records) }}
	for _, fields := range []string{"hour,sip", "proto,hour,sport", "service,day", "sip/24,flags", "sip"} {
		keys, err := query.ParseKeys(fields)
		if err != nil {
			t.Fatal(err)
		}
		o := query.TopOptions{Keys: keys, ByKey: true}
		all, err := d.Top(t.Context(), query.Question{}, o)
		if err != nil {
			t.Fatal(err)
		}
		forms := map[string]func(*bytes.Buffer, *query.Top) error{
			"JSON":  func(b *bytes.Buffer, t *query.Top) error { return TopJSON(b, t, &o) },
			"CSV":   func(b *bytes.Buffer, t *query.Top) error { return TopCSV(b, t, &o) },
			"table": func(b *bytes.Buffer, t *query.Top) error { return TopTable(b, t, &o, time.UTC, 0) },
		}
		for name, form := range forms {
			lines := func(t2 *query.Top) []string {
				var b bytes.Buffer
				if err := form(&b, t2); err != nil {
					t.Fatal(err)
				}
				return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
			}
			long := lines(all)
			long = long[len(long)-len(all.Rows):]
			for i := 0; i < len(all.Rows); i += 37 {
				one := *all
				one.Rows = all.Rows[i : i+1]
				short := lines(&one)
				got, want := long[i], short[len(short)-1]
				if name == "table" { // columns are as wide as the widest
					got, want = strings.Join(strings.Fields(got), " "), strings.Join(strings.Fields(want), " ")
				}
				if got != want {
					t.Errorf("%s of %s, row %d: %s, want %s", name, fields, i, got, want)
				}
				for _, v := range o.KeyOf(&all.Rows[i]) {
					if n, ok := v.(uint64); ok && name == "CSV" && !strings.Contains(","+got, ","+fmt.Sprint(n)+",") {
						t.Errorf("%s is not in %s", fmt.Sprint(n), got)
					}
				}
			}
		}
	}
}
