package query

import (
	"strings"
)

// Option is one of the options that filter, as users of rwfilter know them. Each has a
// form with --not-* before its name.
type Option struct {
	Name   string
	Fields []Field // any of which must have the value
	Help   string
}

// Options are all options that filter, in the order of help texts.
var Options = []Option{
	{"sip", []Field{SrcIP}, "source `address`es: 192.0.2.1, 10.0.0.0/8, 10.0.0.1-10.0.0.9, @FILE; with commas"},
	{"dip", []Field{DstIP}, "destination `address`es"},
	{"any-ip", []Field{SrcIP, DstIP}, "`address`es of either side"},
	{"nat-ip", []Field{NATSrcIP, NATDstIP}, "`address`es of either side after translation"},
	{"sport", []Field{SrcPort}, "source `port`s: 443, 8000-8100, 1024-"},
	{"dport", []Field{DstPort}, "destination `port`s"},
	{"any-port", []Field{SrcPort, DstPort}, "`port`s of either side"},
	{"proto", []Field{Proto}, "`protocol`s by name or number"},
	{"service", []Field{Service}, "`service`s: tcp/443, 53 (of any protocol), icmp; of either direction"},
	{"flags", []Field{Flags}, "TCP `flags`: S (set), S/SA (SYN without ACK), =S, none"},
	{"tos", []Field{ToS}, "`type`s of service, 0 to 255"},
	{"icmp-type", []Field{ICMPType}, "ICMP `type`s"},
	{"icmp-code", []Field{ICMPCode}, "ICMP `code`s"},
	{"scc", []Field{SrcCountry}, "`countries` of the source: NO,SE, private, -- (unknown)"},
	{"dcc", []Field{DstCountry}, "`countries` of the destination"},
	{"any-cc", []Field{SrcCountry, DstCountry}, "`countries` of either side"},
	{"sas", []Field{SrcAS}, "`AS` numbers of the source"},
	{"das", []Field{DstAS}, "`AS` numbers of the destination"},
	{"any-as", []Field{SrcAS, DstAS}, "`AS` numbers of either side"},
	{"exporter", []Field{Exporter}, "`address`es of exporters"},
	{"in", []Field{InIf}, "input `interface`s by SNMP index"},
	{"out", []Field{OutIf}, "output `interface`s"},
	{"bytes", []Field{Bytes}, "`number`s of bytes: 1m-, 10k-1m, '>1m'"},
	{"packets", []Field{Packets}, "`number`s of packets"},
	{"duration", []Field{Duration}, "`time`s from first packet to last: 10s-, 500ms-5m"},
}

// OptionValue is an option as given, without the dashes: {"not-sip", "10.0.0.0/8"}.
type OptionValue struct{ Name, Value string }

// ParseOptions reads options: all of them must hold. An option that is given twice
// accepts the values of both.
func ParseOptions(given []OptionValue, env Env) (Filter, error) {
	merged := map[string]*collector{}
	var order []string
	for _, g := range given {
		c := merged[g.Name]
		if c == nil {
			o, _, ok := optionNamed(g.Name)
			if !ok {
				return Filter{}, &Error{Option: "--" + g.Name, Message: "there is no such option"}
			}
			c = &collector{field: o.Fields[0]}
			merged[g.Name] = c
			order = append(order, g.Name)
		}
		p := &parser{text: g.Value, option: "--" + g.Name, env: env}
		if err := p.optionValue(c); err != nil {
			return Filter{}, err
		}
	}
	var all Filter
	for _, name := range order {
		o, negated, _ := optionNamed(name)
		vals := merged[name].values()
		if letters, ok := vals.several(); ok && negated && o.Fields[0] == Flags {
			return Filter{}, &Error{Option: "--" + name, Message: severalFlags, Suggestion: "--flags /" + letters}
		}
		var any []*node
		for _, f := range o.Fields {
			any = append(any, &node{op: opLeaf, field: f, vals: vals})
		}
		n := join(opOr, any...)
		if negated {
			n = n.negate()
		}
		all = all.And(Filter{n})
	}
	return all, nil
}

// optionNamed returns the option of a name, which may start with not-.
func optionNamed(name string) (o Option, negated, ok bool) {
	name, negated = strings.CutPrefix(name, "not-")
	for _, o := range Options {
		if o.Name == name {
			return o, negated, true
		}
	}
	return Option{}, false, false
}

// optionValue adds the values of an option: pieces with commas between them.
func (p *parser) optionValue(c *collector) error {
	at := 0
	for piece := range strings.SplitSeq(p.text, ",") {
		text := strings.TrimSpace(piece)
		t := token{kind: word, text: text, pos: at + strings.Index(piece, text)}
		t.end = t.pos + len(text)
		at += len(piece) + 1
		if text == "" {
			return p.fail(t, "a value is missing: "+fields[c.field].want, "")
		}
		op, rest := comparison(text)
		if op == "" {
			if err := p.value(c, t); err != nil {
				return err
			}
			continue
		}
		if op == "!=" {
			return p.fail(t, "!= does not apply here", "--not-"+strings.TrimPrefix(p.option, "--")+" "+rest)
		}
		if m := c.addCompared(op, rest); m != nil {
			return p.fail(t, m.message, m.suggestion)
		}
	}
	return nil
}

// comparison cuts the sign from the start of a value.
func comparison(text string) (op, rest string) {
	for _, s := range signs {
		if s.kind == compare && strings.HasPrefix(text, s.text) {
			return s.means, strings.TrimSpace(text[len(s.text):])
		}
	}
	return "", text
}
