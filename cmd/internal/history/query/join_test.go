package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
)

// pieces makes conversations that exporters cut every minute, with pauses in between;
// some directions are missing, and some conversations come again later.
func pieces(rnd *rand.Rand, conversations int) (out []flow.Record) {
	day := time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC).UnixNano()
	for range conversations {
		r := flow.Record{
			Src: flow.Addr4(0x0a000000 | rnd.Uint32N(4)), Dst: flow.Addr4(0xc6336400 | rnd.Uint32N(4)), SrcPort: uint16(40000 + rnd.UintN(3)), DstPort: 443, Proto: 6,
			Exporter: flow.Addr4(0xc0000201 + rnd.Uint32N(2)), Version: 10, Sampling: 1, TCPFlags: flow.ACK,
			Has: flow.HasStart | flow.HasEnd | flow.HasPorts | flow.HasProto | flow.HasBytes | flow.HasPackets | flow.HasTCPFlags,
		}
		if rnd.IntN(3) == 0 {
			r.NATSrc, r.NATSrcPort, r.Has = flow.Addr4(0xcb007101), uint16(50000+rnd.UintN(3)), r.Has|flow.HasNATSrc
		}
		if rnd.IntN(5) == 0 {
			r.Proto, r.SrcPort, r.DstPort, r.NATSrcPort, r.ICMPType, r.Has = 1, 0, 8<<8, 0, 8, r.Has&^flow.HasTCPFlags|flow.HasICMP
			r.TCPFlags = 0
		}
		at := day + rnd.Int64N(int64(20*time.Hour))
		for range 1 + rnd.IntN(90) {
			r.Start, r.End = at, at+int64(time.Minute)-1e6
			r.Received = r.End + 1e9
			r.Bytes, r.Packets = 1+rnd.Uint64N(10000), 1+rnd.Uint64N(10)
			if rnd.IntN(4) > 0 {
				out = append(out, r)
			}
			answer := column.Mirror(&r)
			answer.Received, answer.Start, answer.End, answer.Has, answer.TCPFlags = r.Received, r.Start+1e6, r.End, r.Has, r.TCPFlags
			if r.NATSrc != (flow.Addr{}) {
				answer.Has = answer.Has&^flow.HasNATSrc | flow.HasNATDst
			}
			if answer.Bytes, answer.Packets = 1+rnd.Uint64N(10000), 1; rnd.IntN(4) > 0 {
				out = append(out, answer)
			}
			at += int64(time.Minute)
			if rnd.IntN(20) == 0 {
				at += rnd.Int64N(int64(3 * time.Minute))
			}
		}
	}
	slices.SortFunc(out, func(a, b flow.Record) int { return cmp.Compare(a.Received, b.Received) })
	return out
}

// joined is what is compared of a conversation: its key, span and counters of either side.
func joined(c *Conversation) string {
	k, turned := keyOf(&c.Record)
	bytes, packets := [2]uint64{c.Bytes, c.Answer.Bytes}, [2]uint64{c.Packets, c.Answer.Packets}
	if turned {
		bytes[0], bytes[1], packets[0], packets[1] = bytes[1], bytes[0], packets[1], packets[0]
	}
	return fmt.Sprint(k, c.first(), c.last(), bytes, packets)
}

// joinNaively puts rows together one after another, sorted by time.
func joinNaively(rows []Conversation, gap time.Duration) map[string]int {
	byKey := map[joinKey][]Conversation{}
	for _, c := range rows {
		k, _ := keyOf(&c.Record)
		byKey[k] = append(byKey[k], c)
	}
	out := map[string]int{}
	for _, list := range byKey {
		slices.SortFunc(list, func(a, b Conversation) int { return cmp.Compare(a.first(), b.first()) })
		for len(list) > 0 {
			whole := waiting{Conversation: list[0]}
			n := 1
			for ; n < len(list) && list[n].first()-whole.last() <= int64(gap); n++ {
				whole.join(&waiting{Conversation: list[n]})
			}
			out[joined(&whole.Conversation)]++
			list = list[n:]
		}
	}
	return out
}

// TestJoin: the pieces of a conversation become one, whatever files they stand in, and no
// counter is lost.
func TestJoin(t *testing.T) {
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		records := pieces(rnd, 60)
		var files [][]flow.Record
		for len(records) > 300 {
			n := min(100+rnd.IntN(900), len(records)-200)
			files, records = append(files, records[:n]), records[n:]
		}
		d := stored(t, files, records)
		var rows []Conversation
		want := conversations(t, d, RecordOptions{Biflow: true}, func(c *Conversation) { rows = append(rows, *c) })
		for _, gap := range []time.Duration{0, time.Minute, time.Hour} {
			got := map[string]int{}
			o := RecordOptions{Biflow: true, Join: &Join{Gap: gap}}
			if sum := conversations(t, d, o, func(c *Conversation) { got[joined(c)]++ }); sum != want {
				t.Errorf("seed %d, gap %s: the sums are %v, want %v", seed, gap, sum, want)
			}
			if naive := joinNaively(rows, gap); !maps.Equal(got, naive) {
				t.Errorf("seed %d, gap %s: %d conversations, want %d", seed, gap, len(got), len(naive))
			}
			if o.Join.Early != 0 || len(got) >= len(rows) {
				t.Errorf("seed %d, gap %s: %d early, %d conversations of %d rows", seed, gap, o.Join.Early, len(got), len(rows))
			}
			few := RecordOptions{Biflow: true, Join: &Join{Gap: gap, Most: 3}}
			if sum := conversations(t, d, few, func(*Conversation) {}); sum != want || few.Join.Early == 0 {
				t.Errorf("seed %d, gap %s, in little memory: the sums are %v, want %v; %d early", seed, gap, sum, want, few.Join.Early)
			}
		}
	}
}

// conversations gives what is found to each and returns the sums of bytes and packets.
func conversations(t *testing.T, d *Data, o RecordOptions, each func(*Conversation)) (sum [2]uint64) {
	t.Helper()
	if _, err := d.Records(context.Background(), Question{}, o, func(f *Found) error {
		c := f.Conversation
		if c == nil {
			return errors.New("no conversation")
		}
		sum[0] += c.Bytes + c.Answer.Bytes
		sum[1] += c.Packets + c.Answer.Packets
		each(c)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestJoinSorted: order and limit hold for whole conversations.
func TestJoinSorted(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 3))
	records := pieces(rnd, 80)
	d := stored(t, [][]flow.Record{records[:len(records)/2], records[len(records)/2:]}, nil)
	var all, first []uint64
	bytes := func(c *Conversation) uint64 { return c.Bytes + c.Answer.Bytes }
	conversations(t, d, RecordOptions{Biflow: true, Join: &Join{Gap: time.Minute}}, func(c *Conversation) { all = append(all, bytes(c)) })
	conversations(t, d, RecordOptions{Biflow: true, Join: &Join{Gap: time.Minute}, Sort: &Sort{Field: Bytes, Down: true}, Limit: 5}, func(c *Conversation) { first = append(first, bytes(c)) })
	slices.Sort(all)
	slices.Reverse(all)
	if !slices.Equal(first, all[:5]) {
		t.Errorf("%v, want %v", first, all[:5])
	}
	n := 0
	conversations(t, d, RecordOptions{Biflow: true, Join: &Join{Gap: time.Minute}, Limit: 7}, func(*Conversation) { n++ })
	if n != 7 {
		t.Errorf("%d conversations, want 7", n)
	}
}
