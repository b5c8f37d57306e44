package netflow

import (
	"cmp"
	"slices"
	"unsafe"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// program turns one data record into a flow.Record: one op for each field of
// its template that is used, in the order of elements.
type program []op

// op loads one field and puts it in its place. Every integer, of 1 to 8 bytes,
// is loaded the same way: the 8 bytes that end where the field ends, masked. The
// bytes before a record are always there, a set header at least.
type op struct {
	mask uint64
	end  uint32 // offset of the field's end from the record's start
	kind kind
}

// slot is one field of a template with variable-length fields, where offsets are
// known only when a record is seen.
type slot struct {
	length uint16
	op     int16 // index of its op, or noOp
	kind   kind
}

const noOp = -1

const (
	opSize   = int(unsafe.Sizeof(op{}))
	slotSize = int(unsafe.Sizeof(slot{}))
)

// compile makes a template of a template record whose length is checked.
func compile(v version, options bool, wire []byte) *template {
	t := &template{version: v, options: options, id: uint16(wire[0])<<8 | uint16(wire[1]), wire: wire}
	list := fields(v, options, wire)
	ranked := rank(list, v, options)

	t.layout = make([]slot, len(list))
	variable := false
	for i, f := range list {
		t.layout[i] = slot{length: f.length, op: noOp}
		if f.length == variableLength {
			variable = true
			t.length++ // its length byte
		} else {
			t.length += int(f.length)
		}
	}
	twice := countsTwice(ranked)
	for i, r := range ranked {
		e := elements[r.rank]
		if twice {
			e.kind = outKind(e)
			t.out = true
		}
		t.layout[r.field].op, t.layout[r.field].kind = int16(i), e.kind
		t.has |= e.has
		t.extras = t.extras || e.kind.isExtra()
		t.rare = t.rare || e.kind.isRare()
		t.sections = t.sections || e.kind.isPacket()
		t.lists = t.lists || e.kind.isList()
		t.sides |= e.kind.sides()
	}
	t.rare = t.rare || t.sections || t.out
	t.special = t.extras || t.rare
	t.hasICMP = t.has&flow.HasICMP != 0
	t.ops = make(program, len(ranked))
	if !variable && !t.lists {
		t.ops.place(t.layout)
		t.ops = slices.DeleteFunc(t.ops, func(o op) bool { return o.kind == kindNone })
		t.layout = nil
	}
	return t
}

// countsTwice reports whether the counters after the device stand beside those before
// it.
func countsTwice(ranked []rankedField) bool {
	before, after := false, false
	for _, r := range ranked {
		e := elements[r.rank]
		before = before || e.pen == 0 && (e.id == 1 || e.id == 85)
		after = after || outKind(e) != e.kind
	}
	return before && after
}

// outKind is the kind that an element has beside the counters before the device.
func outKind(e element) kind {
	if e.pen == 0 {
		switch e.id {
		case 23, 171:
			return kindOutBytes
		case 24, 172:
			return kindOutPackets
		}
	}
	return e.kind
}

type rankedField struct{ rank, field int }

// rank picks the fields that are used, in the order of elements. Of an element
// that stands there several times one counts, so that the number of ops stays
// bounded. Of a packet's headers that is the last: of a tunnel the outer header
// comes first (RFC 7011 section 8), and inside are those who talk; routers with
// SRv6 send an outer IPv6 header and an inner one of either family. Of anything
// else it is the first: counters of the input come before those of the output.
func rank(list []field, v version, options bool) []rankedField {
	var ranked []rankedField
	var at [512]int16 // 1 + the place in ranked
	prefixes, lists := false, 0
	for i, f := range list {
		key := elementKey{f.pen, f.id}
		if f.scope && v == v9 && f.id <= v9MaxScope {
			key.pen = penScope
		}
		r, ok := ranks[key]
		if !ok || f.length == 0 {
			continue
		}
		k := elements[r].kind
		if k.inOptions() && !options {
			continue
		}
		prefixes = prefixes || k.isPrefix()
		switch {
		case k.isList() && lists == maxLists:
		case k.isList(): // each is another one
			lists++
			ranked = append(ranked, rankedField{r, i})
		case at[r] == 0:
			ranked = append(ranked, rankedField{r, i})
			at[r] = int16(len(ranked))
		case k.isHeader():
			ranked[at[r]-1].field = i
		}
	}
	if !prefixes { // most routers send masks, which nothing else needs
		ranked = slices.DeleteFunc(ranked, func(r rankedField) bool {
			k := elements[r.rank].kind
			return k == kindSrcMask || k == kindDstMask
		})
	}
	slices.SortStableFunc(ranked, func(a, b rankedField) int { return cmp.Compare(a.rank, b.rank) })
	return ranked
}

// place points the ops at a record whose fields all have a fixed length.
func (p program) place(layout []slot) {
	end := 0
	for _, s := range layout {
		end += int(s.length)
		if s.op != noOp {
			p[s.op] = s.kind.op(int(s.length), end)
		}
	}
}

// form is what the fields of a kind look like.
type form uint8

const (
	formInteger form = iota // of 1 to 8 bytes
	formAddress
	formFloat // of 4 or 8 bytes
	formSpan  // of any length, not loaded: the op's mask is the length
)

// forms holds each kind's form, for op runs for every field of variable length.
var forms = func() (f [numKinds]form) {
	for k := range kind(numKinds) {
		switch {
		case k.isAddress():
			f[k] = formAddress
		case k == kindProbability:
			f[k] = formFloat
		case k.isSection(), k.isList():
			f[k] = formSpan
		}
	}
	return f
}()

// op makes the op for a field of this kind with the given length and end. It
// does nothing where the kind cannot have that length.
func (k kind) op(length, end int) op {
	switch f := forms[k]; {
	case f == formInteger && uint(length-1) < 8:
		return op{mask: ^uint64(0) >> (64 - 8*length), end: uint32(end), kind: k}
	case f == formAddress && length == 4:
		return op{mask: 1<<32 - 1, end: uint32(end), kind: k}
	case f == formAddress && length == 16:
		return op{end: uint32(end), kind: k + 1} // the IPv6 form
	case f == formSpan && length > 0:
		return op{mask: uint64(length), end: uint32(end), kind: k}
	case f == formFloat && length == 8:
		return op{mask: ^uint64(0), end: uint32(end), kind: k}
	case f == formFloat && length == 4:
		return op{mask: 1<<32 - 1, end: uint32(end), kind: kindProbability4}
	}
	return op{end: uint32(end), kind: kindNone}
}
