package query

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// leaves returns how many conditions a filter asks.
func leaves(n *node) (count int) {
	if n.op == opLeaf {
		return 1
	}
	for _, k := range n.kids {
		count += leaves(k)
	}
	return count
}

// TestTogether: conditions that ask one field for values become one with all values, which
// accepts what they did.
func TestTogether(t *testing.T) {
	var records []*Record
	for i := range 256 {
		r := &Record{Record: flow.Record{Src: flow.Addr4(uint32(i % 4)), Dst: flow.Addr4(uint32(i / 4 % 4)), SrcPort: uint16(i / 16 % 4), DstPort: uint16(i / 64), Proto: uint8(6 + 11*(i%2)), Has: flow.HasProto}}
		if i%3 > 0 {
			r.Has |= flow.HasPorts
		}
		records = append(records, r)
	}
	src := func(r *Record, last uint32) bool { return r.Src.V4() == last }
	dst := func(r *Record, last uint32) bool { return r.Dst.V4() == last }
	ports := func(r *Record) bool { return r.Has&flow.HasPorts != 0 }
	for _, c := range []struct {
		text string
		asks int
		want func(r *Record) bool
	}{
		{"ip 0.0.0.1 or ip 0.0.0.2 or ip 0.0.0.2/31", 2, func(r *Record) bool { return !src(r, 0) || !dst(r, 0) }},
		{"not ip 0.0.0.1 and not ip 0.0.0.2", 2, func(r *Record) bool { return (src(r, 0) || src(r, 3)) && (dst(r, 0) || dst(r, 3)) }},
		{"not (src ip 0.0.0.1 or src ip 0.0.0.2)", 1, func(r *Record) bool { return src(r, 0) || src(r, 3) }},
		{"src ip 0.0.0.1 or dst ip 0.0.0.2 or src ip 0.0.0.3", 2, func(r *Record) bool { return src(r, 1) || dst(r, 2) || src(r, 3) }},
		{"src ip 0.0.0.1 or not src ip 0.0.0.2 or src ip 0.0.0.3", 2, func(r *Record) bool { return !src(r, 2) }},
		{"ip 0.0.0.1 and ip 0.0.0.2", 4, func(r *Record) bool { return src(r, 1) && dst(r, 2) || src(r, 2) && dst(r, 1) }},
		{"src ip 0.0.0.1 and src ip 0.0.0.2", 2, func(*Record) bool { return false }},
		{"port 0 or port 2 or proto udp or proto 6", 3, func(*Record) bool { return true }},
		{"src port 0 or src port 2", 1, func(r *Record) bool { return ports(r) && r.SrcPort%2 == 0 }},
		{"not src port 0 and not src port > 1", 1, func(r *Record) bool { return !ports(r) || r.SrcPort == 1 }},
		{"(src ip 0.0.0.1 or src ip 0.0.0.3) and (src port 1 or src port 3)", 2, func(r *Record) bool { return (src(r, 1) || src(r, 3)) && ports(r) && r.SrcPort%2 == 1 }},
	} {
		f, err := Parse(c.text, Env{})
		if err != nil {
			t.Fatal(err)
		}
		if n := leaves(f.root); n != c.asks {
			t.Errorf("%s: asks %d conditions, want %d", c.text, n, c.asks)
		}
		for _, r := range records {
			if got, want := f.Match(r, false), c.want(r); got != want {
				t.Errorf("%s: %v, want %v: %s", c.text, got, want, r.AppendJSON(nil))
			}
		}
	}
	f, err := Parse("ip 10.0.0.1 or port 3 or ip 10.0.0.2 or port 4", Env{})
	if err != nil {
		t.Fatal(err)
	}
	if k := f.root.kids; k[0].vals != k[1].vals || k[2].vals != k[3].vals {
		t.Error("each side has a set of its own")
	}
}

// TestBoundFronts: an expression with many long lists answers the same with little memory.
func TestBoundFronts(t *testing.T) {
	var parts []string
	for list := range 3 * maxFronts {
		var addrs []string
		for i := range frontFrom {
			addrs = append(addrs, fmt.Sprintf("10.%d.%d.1", list, 2*i))
		}
		parts = append(parts, fmt.Sprintf("(src ip in [%s] and bytes %d)", strings.Join(addrs, " "), list))
	}
	f, err := Parse(strings.Join(parts, " or "), Env{})
	if err != nil {
		t.Fatal(err)
	}
	fronts := 0
	for list, k := range f.root.kids {
		if k.kids[0].vals.addrs.front != nil {
			fronts++
		}
		r := &Record{Record: flow.Record{Src: addr(fmt.Sprintf("10.%d.126.1", list)), Bytes: uint64(list), Has: flow.HasBytes}}
		if !f.Match(r, false) {
			t.Errorf("list %d does not match", list)
		}
		if r.Src = addr(fmt.Sprintf("10.%d.127.1", list)); f.Match(r, false) {
			t.Errorf("list %d matches what it does not hold", list)
		}
	}
	if fronts != maxFronts {
		t.Errorf("%d fronts", fronts)
	}
}
