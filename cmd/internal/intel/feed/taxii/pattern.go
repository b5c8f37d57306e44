package taxii

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

const (
	// maxPattern bounds a pattern, in bytes, and maxAlternatives what it may name.
	maxPattern      = 1 << 20
	maxAlternatives = 20_000
	maxParentheses  = 32
	// maxTerms bounds the comparisons joined by AND: nothing longer is understood.
	maxTerms = 16
)

// comparison is one test of a pattern: path op value, or, for IN, any of values.
type comparison struct {
	path, op string
	values   []string
	kind     kind // of the values: text, word (a number or truth value), moment or binary
	not      bool
}

// way is one way in which a pattern can match: all comparisons hold in one observation.
type way struct {
	all []comparison
	// several: it takes more than this observation (AND, FOLLOWEDBY).
	several bool
	// start and stop bound when (START STOP); zero: they do not.
	start, stop time.Time
}

// errDeep and errTooMany are returned for patterns beyond our bounds.
var (
	errDeep    = fmt.Errorf("parentheses deeper than %d", maxParentheses)
	errTooMany = fmt.Errorf("more than %d alternatives, or %d comparisons joined by AND", maxAlternatives, maxTerms)
)

// alternatives reads a pattern by the grammar of STIX 2.1, section 9.4, into the
// ways in which it can match.
func alternatives(pattern string) ([]way, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("longer than %d bytes", maxPattern)
	}
	p := &patternParser{lexer: lexer{in: pattern}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	out, err := p.observations(0)
	if err == nil && p.now.kind != end {
		err = fmt.Errorf("%q follows the end", p.now.text)
	}
	return out, err
}

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

// take advances over a keyword and reports whether it was there.
func (p *patternParser) take(keyword string) (bool, error) {
	if !p.keyword(keyword) {
		return false, nil
	}
	return true, p.advance()
}

func (p *patternParser) expect(s string) error {
	if !p.symbol(s) && !p.keyword(s) {
		return fmt.Errorf("%s expected, not %q", s, p.now.text)
	}
	return p.advance()
}

// observations reads observation expressions joined by FOLLOWEDBY, which binds
// loosest, then OR, then AND.
func (p *patternParser) observations(depth int) ([]way, error) {
	out, err := p.anyObservation(depth)
	for err == nil {
		more, next := false, []way(nil)
		if more, err = p.take("FOLLOWEDBY"); err != nil || !more {
			break
		}
		if next, err = p.anyObservation(depth); err == nil {
			out, err = joined(out, next)
		}
	}
	return out, err
}

func (p *patternParser) anyObservation(depth int) ([]way, error) {
	out, err := p.allObservations(depth)
	for err == nil {
		more, next := false, []way(nil)
		if more, err = p.take("OR"); err != nil || !more {
			break
		}
		next, err = p.allObservations(depth)
		if out = append(out, next...); len(out) > maxAlternatives {
			return nil, errTooMany
		}
	}
	return out, err
}

func (p *patternParser) allObservations(depth int) ([]way, error) {
	out, err := p.observation(depth)
	for err == nil {
		more, next := false, []way(nil)
		if more, err = p.take("AND"); err != nil || !more {
			break
		}
		if next, err = p.observation(depth); err == nil {
			out, err = joined(out, next)
		}
	}
	return out, err
}

// joined returns the ways of two expressions that have to be observed both: none of
// them matches alone.
func joined(a, b []way) ([]way, error) {
	if len(a)+len(b) > maxAlternatives {
		return nil, errTooMany
	}
	out := slices.Concat(a, b)
	for i := range out {
		out[i].several = true
	}
	return out, nil
}

// observation reads a bracket or a parenthesis with its qualifiers.
func (p *patternParser) observation(depth int) (out []way, err error) {
	if p.symbol("(") {
		if depth >= maxParentheses {
			return nil, errDeep
		}
		if err = p.advance(); err == nil {
			if out, err = p.observations(depth + 1); err == nil {
				err = p.expect(")")
			}
		}
	} else if err = p.expect("["); err == nil {
		if out, err = p.any(0); err == nil {
			err = p.expect("]")
		}
	}
	for err == nil {
		var found bool
		if found, err = p.qualifier(out); err != nil || !found {
			break
		}
	}
	return out, err
}

// qualifier reads WITHIN, REPEATS or START and STOP. How often and how closely
// together something is seen makes it no other thing.
func (p *patternParser) qualifier(ways []way) (found bool, err error) {
	switch {
	case p.keyword("WITHIN"), p.keyword("REPEATS"):
		repeats := p.keyword("REPEATS")
		if err := p.advance(); err != nil {
			return true, err
		}
		if n, err := strconv.ParseFloat(p.now.text, 64); p.now.kind != word || err != nil || n <= 0 {
			return true, fmt.Errorf("number expected, not %q", p.now.text)
		}
		if err := p.advance(); err != nil {
			return true, err
		}
		if repeats {
			return true, p.expect("TIMES")
		}
		if p.keyword("MINUTES") || p.keyword("HOURS") || p.keyword("DAYS") { // none of the standard's
			return true, p.advance()
		}
		return true, p.expect("SECONDS")
	case p.keyword("START"):
		start, err := p.moment()
		if err != nil {
			return true, err
		}
		if !p.keyword("STOP") {
			return true, fmt.Errorf("STOP expected, not %q", p.now.text)
		}
		stop, err := p.moment()
		for i := range ways {
			ways[i].start, ways[i].stop = start, stop
		}
		return true, err
	}
	return false, nil
}

// moment reads the keyword that is there and the time behind it.
func (p *patternParser) moment() (time.Time, error) {
	if err := p.advance(); err != nil {
		return time.Time{}, err
	}
	t, ok := ingest.Time(p.now.text, time.Time{})
	if !ok || t.IsZero() || p.now.kind != moment && p.now.kind != text {
		return t, fmt.Errorf("time expected, not %q", p.now.text)
	}
	return t, p.advance()
}

// any reads comparisons joined by OR.
func (p *patternParser) any(depth int) ([]way, error) {
	out, err := p.all(depth)
	for err == nil {
		more, next := false, []way(nil)
		if more, err = p.take("OR"); err != nil || !more {
			break
		}
		next, err = p.all(depth)
		if out = append(out, next...); len(out) > maxAlternatives {
			return nil, errTooMany
		}
	}
	return out, err
}

// all reads comparisons joined by AND, which binds closer.
func (p *patternParser) all(depth int) ([]way, error) {
	out, err := p.term(depth)
	for err == nil {
		more, next := false, []way(nil)
		if more, err = p.take("AND"); err != nil || !more {
			break
		}
		if next, err = p.term(depth); err == nil {
			out, err = product(out, next)
		}
	}
	return out, err
}

// product returns each of a joined with each of b.
func product(a, b []way) ([]way, error) {
	if len(a)*len(b) > maxAlternatives {
		return nil, errTooMany
	}
	var out []way
	for _, x := range a {
		for _, y := range b {
			if len(x.all)+len(y.all) > maxTerms {
				return nil, errTooMany
			}
			out = append(out, way{all: append(x.all[:len(x.all):len(x.all)], y.all...)})
		}
	}
	return out, nil
}

// term reads one comparison or what stands in parentheses.
func (p *patternParser) term(depth int) ([]way, error) {
	if p.symbol("(") {
		if depth >= maxParentheses {
			return nil, errDeep
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
	return []way{{all: []comparison{c}}}, err
}

// operators are those of section 9.6.
var operators = []string{"=", "==", "!=", "<>", "<", ">", "<=", ">=", "IN", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"}

func (p *patternParser) comparison() (c comparison, err error) {
	if p.keyword("NOT") { // before EXISTS
		c.not = true
		if err := p.advance(); err != nil {
			return c, err
		}
	}
	exists, err := p.take("EXISTS")
	if err != nil {
		return c, err
	}
	if p.now.kind != word || !strings.Contains(p.now.text, ":") {
		return c, fmt.Errorf("object path expected, not %q", p.now.text)
	}
	c.path, c.op = p.now.text, "EXISTS"
	if err := p.advance(); err != nil || exists {
		return c, err
	}
	not, err := p.take("NOT")
	if err != nil {
		return c, err
	}
	c.not = c.not != not
	if c.op = p.now.text; p.now.kind != word && p.now.kind != symbol || !slices.Contains(operators, c.op) {
		return c, fmt.Errorf("comparison expected, not %q", p.now.text)
	}
	if c.op == "==" {
		c.op = "="
	}
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

var errValue = errors.New("value expected")

// value reads a string, number, truth value, time or binary.
func (p *patternParser) value(c *comparison) error {
	switch p.now.kind {
	case text, moment, binary:
	case word:
		if _, err := strconv.ParseFloat(p.now.text, 64); err != nil && !slices.Contains([]string{"true", "false"}, p.now.text) {
			return fmt.Errorf("%w, not %q", errValue, p.now.text)
		}
	default:
		return fmt.Errorf("%w, not %q", errValue, p.now.text)
	}
	c.kind = p.now.kind
	c.values = append(c.values, p.now.text)
	return p.advance()
}
