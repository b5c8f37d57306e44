package query

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

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

var nouns = makeNouns()

func makeNouns() map[string]noun {
	ip := noun{SrcIP, DstIP, NATSrcIP, NATDstIP, true, true}
	port := noun{SrcPort, DstPort, NATSrcPort, NATDstPort, true, true}
	country, as, interfaces := pair(SrcCountry, DstCountry), pair(SrcAS, DstAS), pair(InIf, OutIf)
	m := map[string]noun{
		"ip": ip, "host": ip, "addr": ip, "net": ip, "port": port, "country": country, "cc": country, "as": as, "if": interfaces,
		"nip": pair(NATSrcIP, NATDstIP), "nport": pair(NATSrcPort, NATDstPort),
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

func pair(src, dst Field) noun { return noun{src: src, dst: dst, paired: true} }

// term reads one condition.
func (p *parser) term() (*node, error) {
	switch start := p.look(0); {
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
	n, ok := nouns[strings.ToLower(t.text)]
	switch {
	case t.kind == word && ok:
		p.at++
	case t.kind == word && (looksLikeAddress(t.text)):
		n = nouns["ip"]
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
		return nil, p.fail(t, strconv.Quote(t.text)+" has no source and destination", t.text)
	}
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
	c := collector{field: SrcIP}
	return strings.HasPrefix(text, "@") || c.add(text) == nil
}

// side reads src, dst, "src or dst", "src and dst", and in and out of interfaces.
func (p *parser) side() side {
	names := map[string]side{"src": source, "source": source, "in": source, "input": source, "dst": target, "dest": target, "destination": target, "out": target, "output": target}
	first, ok := names[strings.ToLower(p.look(0).text)]
	if !ok || p.look(0).kind != word {
		return either
	}
	p.at++
	second, ok := names[strings.ToLower(p.look(1).text)]
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

// unknown says that a word is none of the language's.
func (p *parser) unknown(t token, afterSide bool) error {
	if t.kind != word {
		return p.fail(t, "ip, net, port, country, as or if must follow", "")
	}
	if _, ok := protocols[strings.ToLower(t.text)]; ok && !afterSide {
		return p.fail(t, strconv.Quote(t.text)+" is a protocol", "proto "+t.text)
	}
	if s := suggestAddress(t.text); s != "" && strings.Contains(t.text, ".") {
		return p.fail(t, strconv.Quote(t.text)+" is not "+wantAddress, s)
	}
	words := []string{"src", "dst", "not", "any", "nat", "in", "out", "direction"}
	if afterSide {
		words = nil
	}
	for w, n := range nouns {
		if !afterSide || n.paired {
			words = append(words, w)
		}
	}
	slices.Sort(words)
	return p.fail(t, "unknown word "+strconv.Quote(t.text), nearest.Word(strings.ToLower(t.text), words))
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
	t := p.look(0)
	if t.kind == compare {
		p.at++
		v := p.look(0)
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
	if p.is(0, "in") && (fields[f].form != formCountry || p.look(1).kind == listed || strings.HasPrefix(p.look(1).text, "@")) {
		p.at++
	}
	err = p.list(c)
	return c.values(), false, err
}

// list reads a value, some with commas between them, or [some].
func (p *parser) list(c *collector) error {
	bracket := p.look(0)
	if bracket.kind == listed {
		p.at++
	}
	for n := 0; ; n++ {
		t := p.look(0)
		if bracket.kind == listed && t.kind == unlist {
			if n == 0 {
				return p.fail(t, "the list is empty", "")
			}
			p.at++
			return nil
		}
		if t.kind != word {
			if bracket.kind == listed && t.kind == end {
				return p.fail(bracket, "this [ is never closed", "")
			}
			return p.fail(t, "a value must follow: "+fields[c.field].want, "")
		}
		if err := p.value(c, t); err != nil {
			return err
		}
		p.at++
		switch {
		case p.look(0).kind == comma:
			p.at++
		case bracket.kind != listed:
			return nil
		}
	}
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
		return nil, p.fail(t, "direction is outbound, inbound, internal or transit", nearest.Word(t.text, names))
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
