package query

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
	switch len(kids) {
	case 0:
		return &node{op: opAll, negated: op == opOr}
	case 1:
		return kids[0]
	}
	return &node{op: op, kids: kids}
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
