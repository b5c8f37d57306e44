package query

import (
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// Filter is what a question asks of each record: a parsed expression, options, or both.
// It is immutable and may be used concurrently. The zero Filter accepts everything.
type Filter struct{ root *node }

type nodeOp uint8

const (
	opAll  nodeOp = iota // every record; negated: none
	opAnd                // all of kids
	opOr                 // any of kids
	opLeaf               // one of vals in field
)

// node is a part of a filter. Only opAll and opLeaf are ever negated, and the kids of
// an opAnd or opOr are of another op.
type node struct {
	op      nodeOp
	negated bool
	kids    []*node
	field   Field
	vals    *values
}

// And returns a filter of what both accept.
func (f Filter) And(g Filter) Filter {
	if f.root == nil {
		return g
	} else if g.root == nil {
		return f
	}
	return Filter{join(opAnd, f.root, g.root)}
}

// All reports whether f accepts every record, whatever it holds.
func (f Filter) All() bool { return f.root == nil || f.root.op == opAll && !f.root.negated }

// AddressIn returns a filter of the records whose field is in set.
func AddressIn(f Field, set *AddrSet) Filter {
	return Filter{&node{op: opLeaf, field: f, vals: &values{addrs: set}}}
}

// AnyOf returns a filter of what any of fs accepts; of no filters, nothing.
func AnyOf(fs ...Filter) Filter {
	var kids []*node
	for _, f := range fs {
		if f.root == nil {
			return Filter{}
		}
		kids = append(kids, f.root)
	}
	return Filter{join(opOr, kids...)}
}

// join makes one node of several.
func join(op nodeOp, nodes ...*node) *node {
	var kids []*node
	for _, n := range nodes {
		switch {
		case n.op == op:
			kids = append(kids, n.kids...)
		case n.op == opAll && n.negated == (op == opOr): // changes nothing
		case n.op == opAll: // decides
			return n
		default:
			kids = append(kids, n)
		}
	}
	kids = together(op, kids)
	switch len(kids) {
	case 0:
		return &node{op: opAll, negated: op == opOr}
	case 1:
		return kids[0]
	}
	return &node{op: op, kids: kids}
}

// together makes one condition of those that ask the same field for sets of values: "ip A
// or ip B" is true of the addresses in one set, "not ip A and not ip B" of those that are not
// in it. A set of a thousand costs a question what one value does; a thousand conditions
// cost a thousand times that.
func together(op nodeOp, kids []*node) []*node {
	var of [fieldCount][]*values
	for _, k := range kids {
		if k.isSet(op) {
			of[k.field] = append(of[k.field], k.vals)
		}
	}
	if !slices.ContainsFunc(of[:], func(sets []*values) bool { return len(sets) > 1 }) {
		return kids
	}
	out := make([]*node, 0, len(kids))
	var unions [fieldCount]*values
	for _, k := range kids {
		switch sets := of[k.field]; {
		case !k.isSet(op) || len(sets) == 1:
			out = append(out, k)
		case unions[k.field] == nil: // the first of its field
			for f, u := range unions { // both sides often have the same
				if u != nil && slices.Equal(of[f], sets) {
					unions[k.field] = u
				}
			}
			if unions[k.field] == nil {
				unions[k.field] = unionOf(sets)
			}
			out = append(out, &node{op: opLeaf, negated: k.negated, field: k.field, vals: unions[k.field]})
		}
	}
	return out
}

// isSet reports whether n is a condition that together can join with others of its field
// below an op.
func (n *node) isSet(op nodeOp) bool {
	if n.op != opLeaf || n.negated != (op == opAnd) {
		return false
	}
	switch fields[n.field].form {
	case formAddress, formNumber, formProto, formAS:
		return true
	}
	return false
}

func unionOf(sets []*values) *values {
	var addrs []flow.Range
	var nums []numRange
	for _, v := range sets {
		if v.addrs != nil {
			addrs = append(addrs, v.addrs.ranges...)
		}
		nums = append(nums, v.nums...)
	}
	if sets[0].addrs != nil {
		return &values{addrs: NewAddrSet(addrs)}
	}
	return &values{nums: newNumSet(nums)}
}

func (n *node) negate() *node {
	switch n.op {
	case opAnd, opOr:
		kids := make([]*node, len(n.kids))
		for i, k := range n.kids {
			kids[i] = k.negate()
		}
		return join(opAnd+opOr-n.op, kids...)
	default:
		c := *n
		c.negated = !n.negated
		return &c
	}
}
