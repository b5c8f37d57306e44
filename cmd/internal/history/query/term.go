package query

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/flowhound/flowhound/plugin/nearest"
)

// side is which side of a record a term is about.
type side uint8

const (
	either side = iota
	source
	target
	both
)

// noun is what a term asks for: one field, or one of each side.
type noun struct {
	src, dst       Field
	natSrc, natDst Field
	paired, nat    bool
}

var nouns = sync.OnceValue(makeNouns)

func makeNouns() map[string]noun {
	ip := noun{SrcIP, DstIP, NATSrcIP, NATDstIP, true, true}
	port := noun{SrcPort, DstPort, NATSrcPort, NATDstPort, true, true}
	country, as, interfaces := pair(SrcCountry, DstCountry), pair(SrcAS, DstAS), pair(InIf, OutIf)
	m := map[string]noun{
		"ip": ip, "host": ip, "addr": ip, "net": ip, "port": port, "country": country, "cc": country, "as": as, "if": interfaces,
		"geo": country, "nip": pair(NATSrcIP, NATDstIP), "nport": pair(NATSrcPort, NATDstPort),
		"xip": pair(NATSrcIP, NATDstIP), "xnet": pair(NATSrcIP, NATDstIP), "xport": pair(NATSrcPort, NATDstPort),
		"protocol": {src: Proto}, "router": {src: Exporter}, "octets": {src: Bytes}, "pkts": {src: Packets},
		"icmp-type": {src: ICMPType}, "icmp-code": {src: ICMPCode},
	}
	for f := range fieldCount {
		if f != InIf && f != OutIf { // in and out are words of their own
			m[f.String()] = noun{src: f}
		}
	}
	return m
}

func (n noun) form() form { return fields[n.src].form }

func pair(src, dst Field) noun { return noun{src: src, dst: dst, paired: true} }

// term reads one condition.
func (p *parser) term() (*node, error) {
	start, sided := p.look(0), p.sided
	p.sided = false
	switch {
	case p.is(0, "any", "all"):
		p.at++
		return &node{op: opAll}, nil
	case p.is(0, "ipv4", "inet", "inet4"):
		p.at++
		return network("0.0.0.0/0"), nil
	case p.is(0, "ipv6", "inet6") && !isCompare(p.look(1)):
		p.at++
		return network("::/0"), nil
	case p.is(0, "direction"):
		p.at++
		return p.direction(start)
	}
	on := p.side()
	nat := p.is(0, "nat")
	if nat {
		p.at++
		if on == either {
			on = p.side()
		}
	}
	t := p.look(0)
	n, ok := nouns()[strings.ToLower(t.text)]
	switch {
	case t.kind == word && ok:
		p.at++
	case t.kind == word && looksLikeAddress(t.text):
		if on == either && !nat && sided && p.look(-1).kind != open {
			return nil, p.fail(t, strconv.Quote(t.text)+" alone is of either side", p.said+" "+t.text)
		}
		n = nouns()["ip"]
	default:
		return nil, p.unknown(t, on != either || nat)
	}
	if nat && !n.nat {
		return nil, p.fail(t, "nat goes with ip, net and port", "")
	}
	if nat {
		n = pair(n.natSrc, n.natDst)
	}
	if has := p.env.Has; has != nil && !has(n.src) {
		return nil, p.fail(t, p.env.Of+" has no "+n.src.String(), "")
	}
	if on != either && !n.paired {
		counted := n.src == Bytes || n.src == Packets
		switch lower := strings.ToLower(start.text); {
		case counted && lower == "in": // in bytes is bytes
		case counted && lower == "out":
			return nil, p.fail(t, "the answer is a record of its own, with src and dst the other way round", t.text)
		default:
			return nil, p.fail(t, strconv.Quote(t.text)+" has no source and destination", t.text)
		}
	}
	if n.src == Exporter && p.is(0, "ip", "host", "addr") {
		p.at++
	}
	p.said = strings.Join(strings.Fields(p.text[start.pos:p.look(0).pos]), " ")
	p.sided = n.form() == formAddress && n.src != Exporter && (on == source || on == target || !n.paired)
	return p.condition(n, on)
}

func isCompare(t token) bool { return t.kind == compare }

func network(text string) *node {
	c := collector{field: SrcIP}
	c.addNetwork(netip.MustParsePrefix(text))
	return &node{op: opLeaf, field: SrcIP, vals: c.values()}
}

// looksLikeAddress reports whether a word is meant as an address: ip may be left out.
func looksLikeAddress(text string) bool {
	return strings.HasPrefix(text, "@") || (&collector{field: SrcIP}).try(text)
}

// side reads src, dst, "src or dst", "src and dst", and in and out of interfaces.
func (p *parser) side() side {
	first, ok := sideNames[strings.ToLower(p.look(0).text)]
	if !ok || p.look(0).kind != word {
		return either
	}
	p.at++
	second, ok := sideNames[strings.ToLower(p.look(1).text)]
	if !ok || p.look(1).kind != word || second == first {
		return first
	}
	switch {
	case p.look(0).kind == or || p.is(0, "or"):
		p.at += 2
		return either
	case p.look(0).kind == and || p.is(0, "and"):
		p.at += 2
		return both
	}
	return first
}

// condition reads the values of a noun and puts the sides together.
func (p *parser) condition(n noun, on side) (*node, error) {
	p.last = n.src
	vals, negated, err := p.valuesOf(n.src)
	if err != nil {
		return nil, err
	}
	src := &node{op: opLeaf, field: n.src, vals: vals}
	out := src
	if n.paired {
		dst := &node{op: opLeaf, field: n.dst, vals: vals}
		switch on {
		case target:
			out = dst
		case either:
			out = join(opOr, src, dst)
		case both:
			out = join(opAnd, src, dst)
		}
	}
	if negated { // not port = 80: neither port is
		out = out.negate()
	}
	return out, nil
}

// valuesOf reads what follows a noun: a value, some, a comparison, in [list].
func (p *parser) valuesOf(f Field) (vals *values, negated bool, err error) {
	c := &collector{field: f}
	t := p.comparison(f)
	if t.kind == compare {
		p.at++
		v := p.look(0)
		if err := p.misplaced(c, v); err != nil {
			return nil, false, err
		}
		if v.kind != word {
			return nil, false, p.fail(v, "a value must follow "+t.text+": "+fields[f].want, "")
		}
		if (t.text == "=" || t.text == "!=") && fields[f].form != formFlags {
			err = p.list(c)
			return c.values(), t.text == "!=", err
		}
		p.at++
		if m := c.addCompared(t.text, v.text); m != nil {
			return nil, false, p.fail(v, m.message, m.suggestion)
		}
		return c.values(), t.text == "!=", nil
	}
	if (p.look(0).kind == not || p.is(0, "not")) && p.is(1, "in") {
		p.at++
		negated = true
	}
	if next := p.look(1); p.is(0, "in") && (fields[f].form != formCountry || next.kind == listed || next.kind == open || strings.HasPrefix(next.text, "@")) {
		p.at++
		c.in = true
	}
	err = p.list(c)
	return c.values(), negated, err
}

// comparison returns the next token, of a word that compares the sign that it stands
// for. Some of these words are also countries: country LT is Lithuania.
func (p *parser) comparison(f Field) token {
	t := p.look(0)
	sign := comparisons[strings.ToLower(t.text)]
	if t.kind != word || sign == "" || fields[f].form == formCountry && (p.look(1).kind != word || p.is(1, "and", "or")) {
		return t
	}
	return token{compare, sign, t.pos, t.end}
}

// list reads a value, some with commas between them, or [some].
func (p *parser) list(c *collector) error {
	bracket, closing := p.look(0), end
	switch {
	case bracket.kind == listed:
		closing = unlist
	case bracket.kind == open && c.in: // in (80, 443), as SQL has it
		closing = shut
	}
	if closing != end {
		p.at++
	}
	for n := 0; ; n++ {
		t := p.look(0)
		if closing != end && t.kind == closing {
			if n == 0 {
				return p.fail(t, "the list is empty", "")
			}
			p.at++
			return nil
		}
		if err := p.misplaced(c, t); err != nil {
			return err
		}
		if t.kind != word {
			if closing != end && t.kind == end {
				return p.fail(bracket, "this "+p.text[bracket.pos:bracket.end]+" is never closed", "")
			}
			return p.fail(t, "a value must follow: "+fields[c.field].want, "")
		}
		if closing == end && p.masked(c, t) {
			return nil
		}
		if err := p.value(c, t); err != nil {
			return err
		}
		p.at++
		switch {
		case p.look(0).kind == comma:
			p.at++
			if next := p.look(0); fields[c.field].form == formCount && len(next.text) == 3 && next.text[0] == '0' { // 1,000
				return p.thousands(p.at - 2)
			}
		case closing == end:
			return nil
		}
	}
}

// masked reads "10.0.0.0 255.0.0.0", a network as nfdump has it too.
func (p *parser) masked(c *collector, t token) bool {
	a, err := netip.ParseAddr(t.text)
	mask := p.look(1)
	if err != nil || !a.Is4() || fields[c.field].form != formAddress || mask.kind != word || !strings.HasPrefix(mask.text, "255.") {
		return false
	}
	ones := netmask(mask.text)
	if ones < 0 {
		return false
	}
	c.addNetwork(netip.PrefixFrom(a, ones))
	p.at += 2
	return true
}

// value reads one value or a file of them.
func (p *parser) value(c *collector, t token) error {
	if name, ok := strings.CutPrefix(t.text, "@"); ok {
		return p.file(c, t, name)
	}
	if m := c.add(t.text); m != nil {
		return p.fail(t, m.message, m.suggestion)
	}
	return nil
}

// direction reads out, in, internal or transit: which way the sender's record goes.
func (p *parser) direction(start token) (*node, error) {
	if len(p.env.Local) == 0 {
		return nil, p.fail(start, "direction needs networks.local of the configuration", "")
	}
	if p.look(0).kind == compare && p.look(0).text == "=" {
		p.at++
	}
	t := p.look(0)
	names := []string{"outbound", "inbound", "internal", "transit", "out", "in"}
	i := slices.Index(names, strings.ToLower(t.text))
	if t.kind != word || i < 0 {
		meant := map[string]string{"egress": "outbound", "outgoing": "outbound", "ingress": "inbound", "incoming": "inbound", "local": "internal", "external": "transit"}[strings.ToLower(t.text)]
		if meant == "" {
			meant = nearest.Word(t.text, names)
		}
		return nil, p.fail(t, "direction is outbound, inbound, internal or transit", meant)
	}
	p.at++
	c := collector{field: SrcIP}
	for _, n := range p.env.Local {
		c.addNetwork(n)
	}
	vals := c.values()
	src, dst := &node{op: opLeaf, field: SrcIP, vals: vals}, &node{op: opLeaf, field: DstIP, vals: vals}
	switch names[i][0:2] {
	case "ou":
		return join(opAnd, src, dst.negate()), nil
	case "in":
		if names[i] == "internal" {
			return join(opAnd, src, dst), nil
		}
		return join(opAnd, src.negate(), dst), nil
	}
	return join(opAnd, src.negate(), dst.negate()), nil
}
