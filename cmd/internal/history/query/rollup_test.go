package query

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// TestRollupsAgree: sums of hours answer what they can as the records would, without a
// file being read; other questions go past them.
func TestRollupsAgree(t *testing.T) {
	rnd := rand.New(rand.NewPCG(21, 22))
	dir := kept(t, traffic(rnd, 4000))
	d, closed, err := Open(dir, time.Time{}, time.Time{}, places)
	if err != nil {
		t.Fatal(err)
	}
	defer closed()
	all := everything(t, d)
	var read atomic.Int64
	for i := range d.Files {
		open := d.Files[i].Open
		d.Files[i].Open = func() (*column.File, error) { read.Add(1); return open() }
	}
	hour := time.UnixMilli(floorMillis(all[0].Begin())).UTC().Truncate(time.Hour)
	for _, c := range []struct {
		fields, filter string
		value          Value
		from, to       time.Time
		rolled         bool
	}{
		{"hour,scc", "", SumBytes, time.Time{}, time.Time{}, true},
		{"scc,dcc", "not dst country NO", SumPackets, time.Time{}, time.Time{}, true},
		{"day", "country NO,private", CountFlows, hour, hour.Add(time.Hour), true},
		{"cc", "", SumBytes, hour.Add(time.Hour), time.Time{}, true},
		{"cc", "", SumBytes, hour.Add(time.Minute), time.Time{}, false},
		{"scc", "port 443", SumBytes, time.Time{}, time.Time{}, false},
		{"scc,proto", "", SumBytes, time.Time{}, time.Time{}, true},
		{"hour,service", "", SumBytes, time.Time{}, time.Time{}, true},
		{"day", "service tcp/443 or service udp", SumPackets, time.Time{}, time.Time{}, true},
		{"service,day,hour", "not country NO and not proto icmp", CountFlows, hour, hour.Add(2 * time.Hour), true},
		{"proto,dcc", "service 443", CountFlows, time.Time{}, time.Time{}, true},
		{"cc", "service 443 or service tcp/other", CountFlows, time.Time{}, time.Time{}, true},
		{"service", "dst port 443", SumBytes, time.Time{}, time.Time{}, false},
		{"service", "proto 0", SumBytes, time.Time{}, time.Time{}, false},
		{"service,dport", "", SumBytes, time.Time{}, time.Time{}, false},
		{"service", "", CountTargets, time.Time{}, time.Time{}, false},
		{"minute", "", SumBytes, time.Time{}, time.Time{}, false},
		{"scc", "", CountSources, time.Time{}, time.Time{}, false},
	} {
		for _, raw := range []bool{false, true} {
			keys, err := ParseKeys(c.fields)
			if err != nil {
				t.Fatal(err)
			}
			q := Question{Start: c.from, End: c.to, Raw: raw}
			if q.Filter, err = Parse(c.filter, Env{}); err != nil {
				t.Fatal(err)
			}
			o := TopOptions{Keys: keys, Value: c.value}
			read.Store(0)
			got, err := d.Top(context.Background(), q, o)
			if err != nil {
				t.Fatal(err)
			}
			if err := sameTop(got, naive(all, q, o), o); err != nil {
				t.Errorf("%+v, raw %v: %v", c, raw, err)
			}
			if (read.Load() == 0) != c.rolled {
				t.Errorf("%+v: %d files were read", c, read.Load())
			}
		}
	}
	if !strings.Contains(d.Files[0].Path, dir) {
		t.Errorf("%s", d.Files[0].Path)
	}
}
