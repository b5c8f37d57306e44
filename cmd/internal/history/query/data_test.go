package query

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// stored is a history of some files in memory and of records that are in no file yet.
func stored(t testing.TB, files [][]flow.Record, recent []flow.Record) *Data {
	t.Helper()
	d := &Data{Places: places}
	for i, records := range files {
		var b bytes.Buffer
		var w column.Writer
		info, err := w.Write(&b, records, column.Options{Places: places})
		if err != nil {
			t.Fatal(err)
		}
		d.Files = append(d.Files, Part{Path: fmt.Sprint("file", i), Info: info, Open: func() (*column.File, error) { return column.Read(bytes.NewReader(b.Bytes()), int64(b.Len())) }})
	}
	if recent != nil {
		d.Recent = func(_ context.Context, each func([]flow.Record) error) error { return each(recent) }
	}
	return d
}

// everything returns all records of a history, each direction its own.
func everything(t testing.TB, d *Data) (all []Record) {
	t.Helper()
	if _, err := d.Records(context.Background(), Question{}, RecordOptions{}, func(f *Found) error {
		all = append(all, f.Record)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// naive groups records one by one, with maps: what Top must agree with.
func naive(all []Record, q Question, o TopOptions) *Top {
	type group struct {
		key  []any
		sum  uint64
		seen map[flow.Addr]bool
	}
	groups := map[string]*group{}
	out := &Top{}
	from, to := q.bounds()
	for i := range all {
		r := &all[i]
		if at := floorMillis(r.Begin()); at < from || at >= to || !q.Filter.Match(r, q.Raw) {
			continue
		}
		v := uint64(1)
		switch o.Value {
		case SumBytes:
			v, _ = r.Number(Bytes, q.Raw)
		case SumPackets:
			v, _ = r.Number(Packets, q.Raw)
		}
		out.Records++
		out.Total += v
		sides := map[string][]any{}
		for _, other := range []bool{false, true} {
			var key []any
			for _, k := range o.Keys {
				f := k.Field
				if other && k.Either {
					f = k.Other
				}
				switch {
				case k.Step > 0:
					key = append(key, time.UnixMilli(floorMillis(r.Begin())).UTC().Truncate(k.Step))
				case fields[f].form == formAddress && k.Bits4 > 0:
					bits := k.Bits6
					if r.Address(f).Is4() {
						bits = k.Bits4
					}
					p, _ := r.Address(f).IP().Prefix(bits)
					key = append(key, p)
				case fields[f].form == formAddress:
					key = append(key, r.Address(f).IP())
				case fields[f].form == formCountry:
					key = append(key, r.Country(f))
				case f == Service:
					key = append(key, serviceName(column.Service(r.Proto, r.SrcPort, r.DstPort)))
				default:
					n, _ := r.Number(f, q.Raw)
					key = append(key, n)
				}
			}
			sides[fmt.Sprint(key)] = key
		}
		for name, key := range sides {
			g := groups[name]
			if g == nil {
				g = &group{key: key, seen: map[flow.Addr]bool{}}
				groups[name] = g
			}
			g.sum += v
			g.seen[map[Value]flow.Addr{CountSources: r.Src, CountTargets: r.Dst}[o.Value]] = true
		}
	}
	out.Groups = len(groups)
	if o.Value.counts() {
		out.Total = 0
	}
	for _, g := range groups {
		if o.Value.counts() {
			g.sum = uint64(len(g.seen))
		}
		out.Rows = append(out.Rows, TopRow{Packed: []byte(fmt.Sprint(g.key)), Value: g.sum}) // not as Top packs it: compared by sameTop
	}
	return out
}

// sameTop compares answers whatever the order of equal values.
func sameTop(got, want *Top, o TopOptions) error {
	groups := got.Groups
	if off := math.Abs(float64(groups - want.Groups)); got.Estimated && off <= 3+0.03*float64(want.Groups) {
		groups = want.Groups
	}
	if got.Records != want.Records || groups != want.Groups || got.Total != want.Total {
		return fmt.Errorf("%d records, %d groups, total %d; want %d, %d, %d", got.Records, got.Groups, got.Total, want.Records, want.Groups, want.Total)
	}
	sums := map[string]uint64{}
	for _, r := range want.Rows {
		sums[string(r.Packed)] = r.Value
	}
	slices.SortFunc(want.Rows, func(a, b TopRow) int {
		if o.Bottom {
			return cmp.Compare(a.Value, b.Value)
		}
		return cmp.Compare(b.Value, a.Value)
	})
	n := len(want.Rows)
	if o.Count > 0 {
		n = min(n, o.Count)
	}
	if len(got.Rows) != n {
		return fmt.Errorf("%d rows, want %d", len(got.Rows), n)
	}
	for i, r := range got.Rows {
		key := fmt.Sprint(o.KeyOf(&r))
		if v, ok := sums[key]; !ok || v != r.Value || r.Value != want.Rows[i].Value {
			return fmt.Errorf("row %d: %s = %d; want %d, and the place has %d", i, key, r.Value, v, want.Rows[i].Value)
		}
	}
	return nil
}

func TestTopAgrees(t *testing.T) {
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 2))
	for range peer.Rounds(3, 12) {
		d := stored(t, [][]flow.Record{traffic(rnd, 700), traffic(rnd, 300)}, traffic(rnd, 100))
		all := everything(t, d)
		for range 40 {
			names := []string{"sip", "dip", "sip/24", "dip/31/127", "nat_src", "nat_dst", "sport", "dport", "nat_sport", "nat_dport", "proto", "flags", "tos", "icmp_type", "icmp_code", "scc", "dcc", "sas", "das",
				"in", "out", "exporter", "domain", "version", "sampling", "minute", "hour", "ip", "port", "cc", "as", "if", "service"}
			rnd.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			text := strings.Join(names[:1+rnd.IntN(9)], ",")
			keys, err := ParseKeys(text)
			if err != nil {
				t.Fatal(err)
			}
			o := TopOptions{Keys: keys, Value: Value(rnd.IntN(5)), Count: rnd.IntN(3) * 5, Bottom: rnd.IntN(4) == 0}
			expression := randomExpression(rnd, 2)
			q := Question{Raw: rnd.IntN(4) == 0, Workers: 1 + rnd.IntN(3)}
			if q.Filter, err = Parse(expression, Env{}); err != nil {
				t.Fatal(err)
			}
			if rnd.IntN(3) == 0 {
				q.Start = time.UnixMilli(floorMillis(all[rnd.IntN(len(all))].Begin()))
				q.End = q.Start.Add(time.Duration(rnd.Int64N(1e12)))
			}
			if o.Count > 0 && rnd.IntN(3) == 0 {
				o.Memory = 1 // several passes
			}
			got, err := d.Top(context.Background(), q, o)
			if err == nil {
				err = sameTop(got, naive(all, q, o), o)
			}
			if err != nil {
				t.Fatalf("--fields %s --value %s, %s: %v", text, o.Value, expression, err)
			}
		}
	}
}

// TestTopBeyondMemory: what does not fit into memory is answered all the same.
func TestTopBeyondMemory(t *testing.T) {
	peer.Long(t)
	rnd := rand.New(rand.NewPCG(5, 6))
	var records []flow.Record
	for i := range 20000 {
		r := flow.Record{Src: flow.Addr4(rnd.Uint32N(9000)), Dst: flow.Addr4(rnd.Uint32N(50)), Received: 1e18, Start: 1e18, End: 1e18, Bytes: rnd.Uint64N(1e6), Packets: uint64(i & 1), Sampling: 1,
			Has: flow.HasStart | flow.HasEnd | flow.HasBytes | flow.HasPackets}
		if i%1000 == 0 {
			r.Src = flow.Addr4(uint32(20_000 + i%3000))
		}
		records = append(records, r)
	}
	d := stored(t, [][]flow.Record{records[:12000], records[12000:19000]}, records[19000:])
	all := everything(t, d)
	for _, fields := range []string{"sip", "sip,dip", "ip", "sip/30,dip"} {
		keys, _ := ParseKeys(fields)
		for _, o := range []TopOptions{
			{Count: 10}, {Count: 1}, {Count: 5000}, {Value: CountTargets, Count: 10}, {Value: CountSources, Count: 3}, {Value: CountFlows, Count: 40}, {Value: SumPackets, Count: 7},
			{Count: 10, Bottom: true}, {Count: 10, Percent: 0.05}, {Count: 4000, Threshold: 2_000_000}, {Threshold: 2_500_000}, {Percent: 0.02}, {Value: CountTargets, Count: 10, Bottom: true},
		} {
			o.Keys, o.Memory = keys, 1
			got, err := d.Top(context.Background(), Question{}, o)
			if err != nil {
				t.Fatal(err)
			}
			want := naive(all, Question{}, o)
			want.Rows = slices.DeleteFunc(want.Rows, func(r TopRow) bool {
				return r.Value < o.Threshold || o.Percent > 0 && 100*float64(r.Value) < o.Percent*float64(want.Total)
			})
			if err := sameTop(got, want, o); err != nil {
				t.Errorf("%s %+v: %v", fields, o, err)
			}
		}
	}
	keys, _ := ParseKeys("sip")
	if _, err := d.Top(context.Background(), Question{}, TopOptions{Keys: keys, Memory: 1}); err == nil || !strings.Contains(err.Error(), "set a count") {
		t.Errorf("all groups in too little memory: %v", err)
	}
}

// TestTopOfNothingCounted: groups that all have nothing are ranked by their keys.
func TestTopOfNothingCounted(t *testing.T) {
	var records []flow.Record
	for i := range 5000 {
		records = append(records, flow.Record{Src: flow.Addr4(uint32(i)), Received: 1e18, Has: flow.HasBytes})
	}
	d := stored(t, [][]flow.Record{records}, nil)
	keys, _ := ParseKeys("sip")
	o := TopOptions{Keys: keys, Count: 3, Memory: 1}
	got, err := d.Top(context.Background(), Question{}, o)
	if err != nil || len(got.Rows) != 3 || fmt.Sprint(o.KeyOf(&got.Rows[2])) != "[0.0.0.2]" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestClasses: a larger sum is never in a lower class, and the largest one has a class.
func TestClasses(t *testing.T) {
	last := 0
	for n := uint64(0); ; n += n/40 + 1 {
		c := class(n)
		if c < last || c >= classes {
			t.Fatalf("%d is in class %d after %d, of %d", n, c, last, classes)
		}
		if last = c; n > math.MaxUint64-n/40-2 {
			break
		}
	}
	if c := class(math.MaxUint64); c != classes-1 {
		t.Errorf("the largest is in class %d of %d", c, classes)
	}
}

func TestShares(t *testing.T) {
	var records []flow.Record
	for i, n := range []uint64{50, 30, 15, 5} {
		records = append(records, flow.Record{Src: flow.Addr4(uint32(i + 1)), Received: 1e18, Start: 1e18, End: 1e18, Bytes: n, Packets: 1, Sampling: 1, Has: flow.HasStart | flow.HasEnd | flow.HasBytes | flow.HasPackets})
	}
	d := stored(t, [][]flow.Record{records}, nil)
	keys, _ := ParseKeys("sip")
	for _, c := range []struct {
		o    TopOptions
		want string
	}{
		{TopOptions{}, "50 50 50, 30 30 80, 15 15 95, 5 5 100, "},
		{TopOptions{Count: 2}, "50 50 50, 30 30 80, "},
		{TopOptions{Count: 3, Bottom: true}, "5 5 5, 15 15 20, 30 30 50, "},
		{TopOptions{Threshold: 15}, "50 50 50, 30 30 80, 15 15 95, "},
		{TopOptions{Percent: 30}, "50 50 50, 30 30 80, "},
		{TopOptions{Bottom: true, Percent: 15}, "5 5 5, 15 15 20, "},
	} {
		c.o.Keys = keys
		top, err := d.Top(context.Background(), Question{}, c.o)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, r := range top.Rows {
			got += fmt.Sprintf("%d %g %g, ", r.Value, r.Percent, r.Cumulative)
		}
		if got != c.want {
			t.Errorf("%+v: %s, want %s", c.o, got, c.want)
		}
	}
}

func TestKeyMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"sip,dprt": `--fields: "dprt" is not a field; did you mean dport?`, "srcport": "did you mean sport?", "src,dst": "did you mean sip?", "destination": "did you mean dip?", "SrcAddr": "did you mean sip?", "country": "did you mean cc?", "bytes": `"bytes" is counted, not grouped; did you mean --value bytes?`, "sport/8": "has no networks; did you mean sport?",
		"sip/33": "is not a length of networks; did you mean sip/24/64?", "sip,sip": "is there twice", "": "is not a field", "sip/": "is not a length",
	} {
		if _, err := ParseKeys(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestRecords: what is found, in every order and number, is what a plain sort finds.
func TestRecords(t *testing.T) {
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 3))
	for range peer.Rounds(3, 10) {
		d := stored(t, [][]flow.Record{traffic(rnd, 700), traffic(rnd, 300), traffic(rnd, 200)}, traffic(rnd, 100))
		all := everything(t, d)
		for range 30 {
			expression := randomExpression(rnd, 2)
			filter, err := Parse(expression, Env{})
			if err != nil {
				t.Fatal(err)
			}
			o := RecordOptions{Limit: rnd.IntN(3) * 20}
			name := []string{"", "start", "-start", "bytes", "+bytes", "duration", "sport", "bps"}[rnd.IntN(8)]
			if name != "" {
				if o.Sort, err = ParseSort(name); err != nil {
					t.Fatal(err)
				}
			}
			var want []Record
			for _, r := range all {
				if filter.Match(&r, false) {
					want = append(want, r)
				}
			}
			count := uint64(len(want))
			if o.Sort != nil {
				slices.SortStableFunc(want, func(a, b Record) int {
					c := cmp.Compare(o.Sort.key(&Found{Record: a}, false), o.Sort.key(&Found{Record: b}, false))
					if o.Sort.Down {
						c = -c
					}
					return cmp.Or(c, order(&a.Record, &b.Record))
				})
			}
			if o.Limit > 0 && len(want) > o.Limit {
				want = want[:o.Limit]
			}
			var got []Record
			n, err := d.Records(context.Background(), Question{Filter: filter}, o, func(f *Found) error {
				got = append(got, f.Record)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if o.Sort == nil {
				count = uint64(len(want))
			}
			if n != count || len(got) != len(want) {
				t.Fatalf("%s, sort %q, limit %d: %d of %d records, want %d of %d", expression, name, o.Limit, len(got), n, len(want), count)
			}
			for i := range got {
				if got[i] != want[i] && (o.Sort == nil || o.Sort.key(&Found{Record: got[i]}, false) != o.Sort.key(&Found{Record: want[i]}, false)) {
					t.Fatalf("%s, sort %q: record %d is\n%+v\nwant\n%+v", expression, name, i, got[i], want[i])
				}
			}
		}
	}
}

// TestConversations: with Biflow a conversation is found by either of its directions.
func TestConversations(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 9))
	d := stored(t, [][]flow.Record{traffic(rnd, 500)}, traffic(rnd, 100))
	filter, err := Parse("dst net 10.0.1.0/30", Env{}) // answers, mostly
	if err != nil {
		t.Fatal(err)
	}
	records, conversations, answered := 0, 0, 0
	q := Question{Filter: filter}
	if _, err := d.Records(context.Background(), q, RecordOptions{}, func(*Found) error { records++; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, sorted := range []*Sort{nil, {Start: true}, {Field: Bytes, Down: true}} {
		records, last := records, int64(1<<62)
		n, err := d.Records(context.Background(), q, RecordOptions{Biflow: true, Sort: sorted}, func(f *Found) error {
			c := f.Conversation
			conversations++
			for _, r := range []*Record{&c.Record, &c.Answer} {
				if (r != &c.Answer || c.Answered) && filter.Match(r, false) {
					records--
				}
			}
			if c.Answered {
				answered++
				if f.RevBytes != c.Answer.Bytes || f.Has&flow.HasReverse == 0 || f.Bytes != c.Bytes {
					t.Errorf("%+v of %+v", f.Record, c)
				}
			}
			if sorted != nil && sorted.Field == Bytes {
				key := sorted.key(f, false)
				if key > last {
					t.Errorf("%d bytes after %d", key, last)
				}
				last = key
			}
			return nil
		})
		if err != nil || records != 0 || answered == 0 || n != uint64(conversations) {
			t.Errorf("%v: %d records too few, %d of %d conversations answered, %d said", err, records, answered, conversations, n)
		}
		conversations = 0
	}
}

// TestIndexIsAsked: an address narrows a question to the row groups that can hold it.
func TestIndexIsAsked(t *testing.T) {
	for text, want := range map[string]string{
		"ip 192.0.2.1": "192.0.2.1-192.0.2.1", "src ip 192.0.2.1 and port 80": "192.0.2.1-192.0.2.1", "nat ip 192.0.2.1": "192.0.2.1-192.0.2.1", "src net 192.0.0.0/8 and dst ip 192.0.2.9": "192.0.2.9-192.0.2.9",
		"src ip 192.0.2.1 or dst ip 192.0.2.2": "192.0.2.1-192.0.2.2", "not ip 192.0.2.1": "", "ip 192.0.2.1 or port 80": "", "exporter 192.0.2.1": "", "net 10.0.0.0/5": "", "": "",
		"(ip 192.0.2.1 or ip 192.0.2.2) and not port 80": "192.0.2.1-192.0.2.2", "ip ::/0": "::1-::fffe:ffff:ffff",
	} {
		f, err := Parse(text, Env{})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if s := needed(f.root); s != nil {
			got = s.ranges[0].First.String() + "-" + s.ranges[0].Last.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	rnd := rand.New(rand.NewPCG(5, 5))
	d := stored(t, [][]flow.Record{traffic(rnd, 100), traffic(rnd, 100), traffic(rnd, 100)}, nil)
	opened := ""
	for i := range d.Files {
		open := d.Files[i].Open
		d.Files[i].Open = func() (*column.File, error) { opened += fmt.Sprint(i); return open() }
	}
	d.Select = func(*AddrSet, int) ([][]int, *AddrSet) { return [][]int{{}, nil, {0}}, nil }
	f, _ := Parse("ip 10.0.1.1", Env{})
	if _, err := d.Records(context.Background(), Question{Filter: f, Workers: 1}, RecordOptions{}, func(*Found) error { return nil }); err != nil || opened != "12" {
		t.Errorf("opened %s: %v", opened, err)
	}
}

// TestDamagedFiles: a file that cannot be read is named, and the others answer.
func TestDamagedFiles(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	d := stored(t, [][]flow.Record{traffic(rnd, 300), traffic(rnd, 300)}, nil)
	want := 0
	whole := everything(t, &Data{Files: d.Files[1:]})
	want = len(whole)
	d.Files[0].Open = func() (*column.File, error) { return nil, fmt.Errorf("%w: test", column.ErrDamaged) }
	var named []string
	got := 0
	q := Question{Damaged: func(path string, err error) {
		if errors.Is(err, column.ErrDamaged) {
			named = append(named, path)
		}
	}}
	if _, err := d.Records(context.Background(), q, RecordOptions{}, func(*Found) error { got++; return nil }); err != nil || got != want || fmt.Sprint(named) != "[file0]" {
		t.Errorf("%d records of %d, damaged %v: %v", got, want, named, err)
	}
	if _, err := d.Records(context.Background(), Question{}, RecordOptions{}, func(*Found) error { return nil }); !errors.Is(err, column.ErrDamaged) {
		t.Errorf("nobody is told of a damaged file: %v", err)
	}
}

// TestInterrupted: a question ends soon after its context, and with an error of whoever
// is given the records.
func TestInterrupted(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	var files [][]flow.Record
	for range 6 {
		files = append(files, traffic(rnd, 100))
	}
	d := stored(t, files, nil)
	for _, sorted := range []*Sort{nil, {Start: true}} {
		ctx, cancel := context.WithCancel(context.Background())
		d.Files[2].Open = func() (*column.File, error) { cancel(); return nil, io.ErrUnexpectedEOF }
		_, err := d.Records(ctx, Question{Damaged: func(string, error) {}}, RecordOptions{Sort: sorted}, func(*Found) error { return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		cancel()
	}
	n := 0
	_, err := d.Records(context.Background(), Question{Damaged: func(string, error) {}}, RecordOptions{}, func(*Found) error {
		if n++; n == 10 {
			return io.ErrClosedPipe
		}
		return nil
	})
	if !errors.Is(err, io.ErrClosedPipe) || n != 10 {
		t.Errorf("after %d records: %v", n, err)
	}
}

// TestInterruptedGroup: a row group of 65,536 rows can take a second and more. A question
// does not read it to its end once nobody waits.
func TestInterruptedGroup(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	d := stored(t, [][]flow.Record{traffic(rnd, 10*chunk)}, nil)
	for name, o := range map[string]RecordOptions{"records": {}, "conversations": {Biflow: true}} {
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		_, err := d.Records(ctx, Question{Workers: 1}, o, func(*Found) error { n++; cancel(); return nil })
		if !errors.Is(err, context.Canceled) || n > 3*chunk {
			t.Errorf("%s: %d records after the end: %v", name, n, err)
		}
		cancel()
	}
}

func TestProgress(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	d := stored(t, [][]flow.Record{traffic(rnd, 300), traffic(rnd, 300)}, nil)
	var last, all int64
	q := Question{Workers: 1, Progress: func(done, total int64) { last, all = done, total }}
	if _, err := d.Records(context.Background(), q, RecordOptions{}, func(*Found) error { return nil }); err != nil || last != all || all != d.Files[0].Info.Rows+d.Files[1].Info.Rows {
		t.Errorf("%d of %d: %v", last, all, err)
	}
}

// TestSameWhoeverReads: of as many groups as one worker cannot hold and two can, the answer
// is the same whether one found them all or each a half, and records come in the order of
// the files.
func TestSameWhoeverReads(t *testing.T) {
	var records []flow.Record
	for i := range 1500 {
		at := 1_780_000_000e9 + int64(i)*1e9
		records = append(records, flow.Record{
			Src: flow.Addr4(uint32(0x0a000000 + i)), Dst: flow.Addr4(9), Exporter: flow.Addr4(8), Received: at, Start: at, End: at,
			Bytes: uint64(i), Packets: 1, Sampling: 1, Has: flow.HasStart | flow.HasEnd | flow.HasBytes | flow.HasPackets,
		})
	}
	whole := stored(t, [][]flow.Record{records}, nil)
	files := slices.Collect(slices.Chunk(records, 30))
	halves := stored(t, files, nil)
	keys, err := ParseKeys("sip")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(d *Data) string {
		top, err := d.Top(t.Context(), Question{Workers: 2}, TopOptions{Keys: keys, Count: 3, Memory: 1})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(top.Records, top.Groups, top.Estimated, top.Total, top.Rows)
	}
	two := stored(t, [][]flow.Record{records[:750], records[750:]}, nil)
	var both sync.WaitGroup // the workers open a file each
	both.Add(2)
	for i := range two.Files {
		open, met := two.Files[i].Open, sync.OnceFunc(func() { both.Done(); both.Wait() })
		two.Files[i].Open = func() (*column.File, error) { met(); return open() }
	}
	if got, want := ask(two), ask(whole); got != want {
		t.Errorf("of two files: %s\nof one: %s", got, want)
	}
	n := 0
	_, err = halves.Records(t.Context(), Question{Workers: 4}, RecordOptions{}, func(f *Found) error {
		if f.Bytes != uint64(n) {
			return fmt.Errorf("record %d comes as number %d", f.Bytes, n)
		}
		n++
		return nil
	})
	if err != nil || n != len(records) {
		t.Errorf("%d records: %v", n, err)
	}
}
