package taxii

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// maxPattern bounds a pattern, in bytes, and maxAlternatives what it may name.
	maxPattern      = 1 << 20
	maxAlternatives = 20_000
	maxParentheses  = 32
)

// comparison is one test of a pattern: path op value, or, for IN, any of values.
type comparison struct {
	path, op string
	values   []string
	number   bool // the value was written without quotes
	not      bool
}

// errUnsupported is returned for patterns of a shape that no indicator can be
// made of.
var errUnsupported = errors.New("more than comparisons with AND and OR")

// alternatives reads a pattern into the ways in which it can match: each is a
// list of comparisons all of which must hold. Observation expressions may be
// joined by OR only: AND and FOLLOWEDBY speak of several observations, WITHIN,
// REPEATS and START of more than one in time.
func alternatives(pattern string) ([][]comparison, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("longer than %d bytes", maxPattern)
	}
	p := &patternParser{lexer: lexer{in: pattern}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	var out [][]comparison
	for {
		if err := p.expect("["); err != nil {
			return nil, err
		}
		more, err := p.any(0)
		if err != nil {
			return nil, err
		}
		if out = append(out, more...); len(out) > maxAlternatives {
			return nil, errTooMany
		}
		if err := p.expect("]"); err != nil {
			return nil, err
		}
		switch {
		case p.now.kind == end:
			return out, nil
		case !p.keyword("OR"):
			return nil, fmt.Errorf("%w: %s", errUnsupported, p.now.text)
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

var errTooMany = fmt.Errorf("more than %d alternatives", maxAlternatives)

type patternParser struct {
	lexer lexer
	now   token
}

func (p *patternParser) advance() (err error) {
	p.now, err = p.lexer.next()
	return err
}

func (p *patternParser) symbol(s string) bool  { return p.now.kind == symbol && p.now.text == s }
func (p *patternParser) keyword(s string) bool { return p.now.kind == word && p.now.text == s }

func (p *patternParser) expect(s string) error {
	if !p.symbol(s) {
		return fmt.Errorf("%s expected, not %q", s, p.now.text)
	}
	return p.advance()
}

// any reads comparisons joined by OR.
func (p *patternParser) any(depth int) ([][]comparison, error) {
	out, err := p.all(depth)
	for err == nil && p.keyword("OR") {
		if err = p.advance(); err != nil {
			break
		}
		var more [][]comparison
		more, err = p.all(depth)
		if out = append(out, more...); len(out) > maxAlternatives {
			return nil, errTooMany
		}
	}
	return out, err
}

// all reads comparisons joined by AND, which binds closer.
func (p *patternParser) all(depth int) ([][]comparison, error) {
	out, err := p.term(depth)
	for err == nil && p.keyword("AND") {
		if err = p.advance(); err != nil {
			break
		}
		var more [][]comparison
		if more, err = p.term(depth); err == nil {
			out, err = product(out, more)
		}
	}
	return out, err
}

// product returns each of a joined with each of b.
func product(a, b [][]comparison) ([][]comparison, error) {
	if len(a)*len(b) > maxAlternatives {
		return nil, errTooMany
	}
	var out [][]comparison
	for _, x := range a {
		for _, y := range b {
			if len(x)+len(y) > maxTerms {
				return nil, fmt.Errorf("%w: more than %d terms joined by AND", errUnsupported, maxTerms)
			}
			out = append(out, append(x[:len(x):len(x)], y...))
		}
	}
	return out, nil
}

// maxTerms bounds the comparisons joined by AND: nothing longer is understood.
const maxTerms = 16

// term reads one comparison or what stands in parentheses.
func (p *patternParser) term(depth int) ([][]comparison, error) {
	if p.symbol("(") {
		if depth >= maxParentheses {
			return nil, fmt.Errorf("%w: parentheses deeper than %d", errUnsupported, maxParentheses)
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		out, err := p.any(depth + 1)
		if err != nil {
			return nil, err
		}
		return out, p.expect(")")
	}
	c, err := p.comparison()
	return [][]comparison{{c}}, err
}

func (p *patternParser) comparison() (c comparison, err error) {
	if p.now.kind != word || !strings.Contains(p.now.text, ":") {
		return c, fmt.Errorf("object path expected, not %q", p.now.text)
	}
	c.path = p.now.text
	if err := p.advance(); err != nil {
		return c, err
	}
	if p.keyword("NOT") {
		c.not = true
		if err := p.advance(); err != nil {
			return c, err
		}
	}
	if p.now.kind != word && p.now.kind != symbol {
		return c, fmt.Errorf("comparison expected, not %q", p.now.text)
	}
	c.op = p.now.text
	if err := p.advance(); err != nil {
		return c, err
	}
	if c.op != "IN" {
		return c, p.value(&c)
	}
	return c, p.list(&c)
}

// list reads the values of IN.
func (p *patternParser) list(c *comparison) error {
	if err := p.expect("("); err != nil {
		return err
	}
	for {
		if err := p.value(c); err != nil {
			return err
		}
		if len(c.values) > maxAlternatives {
			return errTooMany
		}
		if p.symbol(")") {
			return p.advance()
		}
		if err := p.expect(","); err != nil {
			return err
		}
	}
}

// value reads a string, number or truth value. A string with a letter before it
// (t'...', b'...', h'...') is none of ours and cannot be read.
func (p *patternParser) value(c *comparison) error {
	if p.now.kind != text && p.now.kind != word {
		return fmt.Errorf("value expected, not %q", p.now.text)
	}
	c.number = p.now.kind == word
	c.values = append(c.values, p.now.text)
	return p.advance()
}
