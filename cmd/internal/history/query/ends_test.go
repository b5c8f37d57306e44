package query

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/dataset"
)

// crowd makes four hours around midnight, with a large country and small ones. Few of its
// ends are busy all the time, thousands are seen once, some of these with as much; many
// have the same.
func crowd(rnd *rand.Rand, first time.Time, sampled bool) (out []flow.Record) {
	out = traffic(rnd, 2000)
	shift := first.UnixNano() - out[0].Start/1e9*1e9
	for i := range out {
		r := &out[i]
		if r.Start != 0 {
			r.Start, r.End = r.Start+shift, r.End+shift
		}
		r.Received += shift
		if !sampled {
			r.Sampling = 1
		}
	}
	end := func(n int) (flow.Addr, uint16) {
		if rnd.IntN(3) == 0 { // a server
			return flow.Addr4(20<<24 | uint32(n+4*rnd.IntN(1+rnd.IntN(40)))), []uint16{80, 443, 22}[rnd.IntN(3)]
		}
		return flow.Addr4(20<<24 | uint32(n+4*rnd.IntN(400))), uint16(1024 + rnd.IntN(30000))
	}
	for hour := range 4 {
		for range 20_000 + 4000*hour {
			var country [2]int
			for i := range country {
				country[i] = []int{0, 0, 0, 0, 0, 1, 1, 1, 1, 2}[rnd.IntN(10)]
			}
			at := first.Add(time.Duration(hour)*time.Hour + time.Duration(rnd.Int64N(int64(time.Hour)))).UnixNano()
			r := flow.Record{Received: at + rnd.Int64N(90e9), Start: at, End: at + rnd.Int64N(30e9), Packets: 1 + rnd.Uint64N(9), Sampling: 1, Proto: 6, Exporter: flow.Addr4(1), Version: 10,
				Has: flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets}
			r.Src, r.SrcPort = end(country[0])
			r.Dst, r.DstPort = end(country[1])
			switch r.Bytes = uint64(40 * rnd.IntN(40)); rnd.IntN(400) {
			case 0:
				r.Bytes = uint64(1000 * rnd.IntN(300))
			case 1:
				r.Dst, r.DstPort = r.Src, r.SrcPort
			}
			if out = append(out, r); rnd.IntN(2) == 0 {
				a := r
				a.Src, a.SrcPort, a.Dst, a.DstPort, a.Bytes, a.Start = r.Dst, r.DstPort, r.Src, r.SrcPort, uint64(100*rnd.IntN(60)), r.Start+1e6
				out = append(out, a)
			}
		}
	}
	return out
}

// moving are places some of which are in another country by turns.
func moving(a flow.Addr, at int64) (cc [2]byte, as uint32) {
	if a.Lo%32 == 4 && at/int64(20*time.Minute)%2 == 0 {
		a.Lo++
	}
	return places(a, at)
}

// TestEndsAgree: lists answer as the files would, whatever the range; where they cannot,
// the files answer.
func TestEndsAgree(t *testing.T) {
	rnd := rand.New(rand.NewPCG(31, 32))
	first := time.Date(2026, 6, 1, 22, 0, 0, 0, time.UTC)
	dir := keptAt(t, crowd(rnd, first, false), moving)
	d, closed, err := Open(dir, time.Time{}, time.Time{}, moving)
	if err != nil {
		t.Fatal(err)
	}
	defer closed()
	recent := crowd(rnd, first.Add(3*time.Hour), false)[2000:3000]
	d.Recent = func(_ context.Context, each func([]flow.Record) error) error { return each(slices.Clone(recent)) }
	plain := *d
	plain.Largest, plain.Countries, plain.Services = nil, nil, nil

	hours := func(from, to float64) (q Question) {
		q.Start, q.End = first.Add(time.Duration(from*float64(time.Hour))), first.Add(time.Duration(to*float64(time.Hour)))
		return q
	}
	options := []TopOptions{{Count: 5}, {Count: 40}, {Count: 3, Threshold: 50_000}, {Threshold: 200_000}, {Percent: 0.5}, {Count: 200}, {Count: 4, Value: SumPackets}, {Count: 4, Bottom: true}}
	for _, of := range []struct {
		fields, filter string
		listed         bool // in some file
	}{
		{"sip,sport", "src country NO", true}, {"dport,dip", "dst country NO", true}, {"ip,port", "country NO", true}, {"port,ip", "country NL", true},
		{"sip,sport", "src country NO,NL", true}, {"sip,sport", "", false}, {"dip,dport", "not dst country NO", false}, {"ip,port", "country private", false}, {"sip,sport", "src country SE", false},
	} {
		answered := 0
		for _, q := range []Question{{}, hours(0, 4), hours(1, 3), hours(0.3, 3.9), hours(2, 2.5), hours(-1, 1.01)} {
			rnd.Shuffle(len(options), func(i, j int) { options[i], options[j] = options[j], options[i] })
			for _, o := range options[:2] {
				o.Keys, _ = ParseKeys(of.fields)
				q.Filter, _ = Parse(of.filter, Env{})
				q.Raw = rnd.IntN(2) == 0
				want, err := plain.Top(context.Background(), q, o)
				if err != nil {
					t.Fatal(err)
				}
				got, err := d.Top(context.Background(), q, o)
				if err != nil {
					t.Fatal(err)
				}
				if got.Estimated {
					answered++
				}
				if err := sameAnswer(got, want); err != nil {
					t.Errorf("%+v from %s to %s, %+v, raw %v: %v", of, q.Start, q.End, o, q.Raw, err)
				}
			}
		}
		if (answered > 0) != of.listed {
			t.Errorf("%+v: lists answered %d questions", of, answered)
		}
	}
}

// sameAnswer compares answers, to the order of equal values.
func sameAnswer(got, want *Top) error {
	if off := float64(got.Groups - want.Groups); got.Groups != want.Groups && (!got.Estimated || off*off > (0.08*float64(want.Groups)+3)*(0.08*float64(want.Groups)+3)) {
		return fmt.Errorf("%d groups, want %d", got.Groups, want.Groups)
	}
	if got.Records != want.Records || got.Total != want.Total || len(got.Rows) != len(want.Rows) {
		return fmt.Errorf("%d records, total %d, %d rows; want %d, %d, %d", got.Records, got.Total, len(got.Rows), want.Records, want.Total, len(want.Rows))
	}
	for i := range got.Rows {
		if !reflect.DeepEqual(got.Rows[i], want.Rows[i]) {
			return fmt.Errorf("row %d is %+v, want %+v", i, got.Rows[i], want.Rows[i])
		}
	}
	return nil
}

// TestEndsOfSampled: counts as exported are in no list; those of questions that multiply
// are.
func TestEndsOfSampled(t *testing.T) {
	first := time.Date(2026, 6, 1, 22, 0, 0, 0, time.UTC)
	d, closed, err := Open(kept(t, crowd(rand.New(rand.NewPCG(33, 34)), first, true)), time.Time{}, time.Time{}, places)
	if err != nil {
		t.Fatal(err)
	}
	defer closed()
	plain := *d
	plain.Largest = nil
	for _, raw := range []bool{false, true} {
		q := Question{Raw: raw}
		q.Filter, _ = Parse("dst country NO", Env{})
		o := TopOptions{Count: 5}
		o.Keys, _ = ParseKeys("dip,dport")
		got, err := d.Top(context.Background(), q, o)
		if err != nil {
			t.Fatal(err)
		}
		want, err := plain.Top(context.Background(), q, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := sameAnswer(got, want); err != nil || got.Estimated == raw && got.Groups == want.Groups {
			t.Errorf("raw %v: estimated %v, %v", raw, got.Estimated, err)
		}
	}
}

// TestEndQuestions: lists are asked only for what they hold.
func TestEndQuestions(t *testing.T) {
	for _, c := range []struct {
		fields, filter string
		side           dataset.Side
		ok             bool
	}{
		{"sip,sport", "src country CH", dataset.Sent, true},
		{"sport,sip", "not src country CH,DE", dataset.Sent, true},
		{"dip,dport", "dst country CH", dataset.Received, true},
		{"ip,port", "country CH", dataset.Either, true},
		{"ip,port", "country CH,DE", dataset.Either, false},
		{"ip,port", "not country CH", dataset.Either, false},
		{"ip,port", "src country CH or dst country DE", dataset.Either, false},
		{"ip,port", "src country CH", dataset.Either, false},
		{"ip,port", "", dataset.Either, false},
		{"sip,sport", "dst country CH", dataset.Sent, false},
		{"sip,dport", "src country CH", dataset.Sent, false},
		{"sip,port", "src country CH", dataset.Sent, false},
		{"sip", "src country CH", dataset.Sent, false},
		{"sip,sport,proto", "src country CH", dataset.Sent, false},
		{"sip/24,sport", "src country CH", dataset.Sent, false},
		{"sip,sport", "src country CH and proto tcp", dataset.Sent, false},
	} {
		q, o := Question{}, TopOptions{Count: 5}
		o.Keys, _ = ParseKeys(c.fields)
		q.Filter, _ = Parse(c.filter, Env{})
		if e, ok := endQuestionOf(&q, &o); ok != c.ok || ok && e.side != c.side {
			t.Errorf("%s of %q: side %d, %v", c.fields, c.filter, e.side, ok)
		}
	}
}
