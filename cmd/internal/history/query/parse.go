package query

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/plugin/nearest"
)

// Env is what an expression may refer to.
type Env struct {
	// Local are the own networks, for the word direction.
	Local []netip.Prefix
	// ReadList reads the file of an @FILE; nil rejects such lists, as it must where
	// the question comes over a network.
	ReadList func(name string) ([]byte, error)
	// Has reports whether what is asked has a field; nil: it is flows, which have all.
	// Of names it in the message that it has not: "a hit".
	Has func(Field) bool
	Of  string
}

// maxExpression and maxDepth bound an expression: a question over the network
// may not cost more memory than that.
const (
	maxExpression = 1 << 20
	maxDepth      = 200
	maxFronts     = 16 // 2 MiB each
)

// Parse reads an expression, such as "src net 10.0.0.0/8 and not dst port 443". The
// empty expression accepts everything. An error of the expression is an *Error.
func Parse(text string, env Env) (Filter, error) {
	if len(text) > maxExpression {
		return Filter{}, &Error{Message: "the expression is longer than 1 MiB; put long lists into a file and write @FILE"}
	}
	tokens, err := lex(text)
	if err != nil {
		return Filter{}, err
	}
	p := &parser{text: text, tokens: tokens, env: env}
	if p.look(0).kind == end {
		return Filter{}, nil
	}
	n, err := p.or()
	if err != nil {
		return Filter{}, err
	}
	if p.look(0).kind != end {
		return Filter{}, p.trailing()
	}
	n.boundFronts(map[*AddrSet]bool{})
	return Filter{n}, nil
}

// boundFronts takes the fronts of all but the first sets of addresses, which are slower then.
func (n *node) boundFronts(seen map[*AddrSet]bool) {
	for _, k := range n.kids {
		k.boundFronts(seen)
	}
	if n.op != opLeaf || n.vals.addrs == nil || n.vals.addrs.front == nil || seen[n.vals.addrs] {
		return
	}
	if len(seen) == maxFronts {
		n.vals.addrs = &AddrSet{ranges: n.vals.addrs.ranges}
		return
	}
	seen[n.vals.addrs] = true
}

type parser struct {
	text   string
	option string // the option whose value is read, "" in an expression
	tokens []token
	at     int
	depth  int
	env    Env
	last   Field  // of the last term, for suggestions
	said   string // how it began: "dst port"
	sided  bool   // it is about addresses of one side
}

// look returns the token n places on.
func (p *parser) look(n int) token { return p.tokens[max(0, min(p.at+n, len(p.tokens)-1))] }

// is reports whether the token n places on is one of the words.
func (p *parser) is(n int, words ...string) bool {
	t := p.look(n)
	if t.kind != word {
		return false
	}
	for _, w := range words {
		if strings.EqualFold(t.text, w) {
			return true
		}
	}
	return false
}

func (p *parser) fail(t token, message, suggestion string) error {
	return &Error{Text: p.text, Option: p.option, Pos: t.pos, End: t.end, Message: message, Suggestion: suggestion}
}

func (p *parser) or() (*node, error) {
	return p.chain(opOr, or, "or", p.and)
}

func (p *parser) and() (*node, error) {
	return p.chain(opAnd, and, "and", p.not)
}

// chain reads parts that a sign or a word joins.
func (p *parser) chain(op nodeOp, sign kind, name string, part func() (*node, error)) (*node, error) {
	n, err := part()
	if err != nil {
		return nil, err
	}
	nodes := []*node{n}
	for p.look(0).kind == sign || p.is(0, name) {
		p.at++
		if n, err = part(); err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return join(op, nodes...), nil
}

func (p *parser) not() (*node, error) {
	negate := false
	for p.look(0).kind == not || p.is(0, "not") {
		p.at++
		negate = !negate
	}
	start := p.look(0)
	n, err := p.primary()
	if err == nil && negate && n.op == opLeaf && n.field == Flags && start.kind == word {
		if letters, ok := n.vals.several(); ok { // nfdump's manual has "flags S and not flags AFRPU"
			return nil, p.fail(token{pos: start.pos, end: p.look(-1).end}, severalFlags, "flags /"+letters)
		}
	}
	if err == nil && negate {
		n = n.negate()
	}
	return n, err
}

func (p *parser) primary() (*node, error) {
	t := p.look(0)
	switch t.kind {
	case open:
		if p.depth++; p.depth > maxDepth {
			return nil, p.fail(t, "more than "+strconv.Itoa(maxDepth)+" brackets within each other", "")
		}
		p.at++
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		if p.look(0).kind == end {
			return nil, p.fail(t, "this ( is never closed", "")
		} else if p.look(0).kind != shut {
			return nil, p.trailing()
		}
		p.at++
		p.depth--
		return n, nil
	case word:
		return p.term()
	case end:
		return nil, p.fail(t, "the expression ends where a condition must follow, such as dst port 443", "")
	}
	return nil, p.fail(t, strconv.Quote(p.text[t.pos:t.end])+" is where a condition should be, such as dst port 443", "")
}

// trailing says what is wrong with a token that follows a whole condition.
func (p *parser) trailing() error {
	t := p.look(0)
	switch t.kind {
	case shut:
		return p.fail(t, "this ) closes nothing", "")
	case word:
		if s := nearest.Word(t.text, []string{"and", "or"}); s != "" && len(t.text) < 5 {
			return p.fail(t, strconv.Quote(t.text)+" is where and or or should be", s)
		}
		if p.at > 0 {
			c, before := &collector{field: p.last}, p.look(-1).text
			split := token{pos: p.look(-1).pos, end: t.end}
			switch next := p.look(1); {
			case (t.text == "-" || t.text == "/") && next.kind == word && c.try(before+t.text+next.text):
				return p.fail(token{pos: split.pos, end: next.end}, "a value has no space in it", before+t.text+next.text)
			case (strings.HasPrefix(t.text, "-") || strings.HasSuffix(before, "-") || p.last.ordered() && !c.try(t.text)) && c.try(before+t.text):
				return p.fail(split, "a value has no space in it", before+t.text)
			case c.try(t.text):
				return p.fail(t, "two values need a comma between them", before+","+t.text)
			}
		}
		return p.fail(t, "and or or is missing before "+strconv.Quote(t.text), "and "+t.text)
	}
	if t.kind == comma && p.last.ordered() && p.look(1).kind == word {
		return p.thousands(p.at - 1)
	}
	return p.fail(t, strconv.Quote(p.text[t.pos:t.end])+" is where and or or should be", "")
}
