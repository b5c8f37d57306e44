package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/flowhound/flowhound/plugin/nearest"
)

// document is a configuration on its way from YAML nodes to a Config. The
// library's own decoding is not used: it stops at the first value that refuses
// itself, follows aliases, and forgets the lines that validation needs.
type document struct {
	report
	config *Config
	places map[string]place // of every key in the file, dotted
}

// place is where a key stands and, when its value is a scalar, how it is written.
type place struct {
	line int
	text string
}

func newDocument(name string) *document {
	return &document{
		report: report{file: name, bad: map[string]bool{}},
		config: Default(),
		places: map[string]place{},
	}
}

// line returns the line of key, or of the nearest section that is in the file.
func (d *document) line(key string) int {
	for ; key != ""; key = parent(key) {
		if p, ok := d.places[key]; ok {
			return p.line
		}
	}
	return 1
}

// text returns the value of key as the file has it, quoted: a value from the
// environment shows as the name of its variable.
func (d *document) text(key string) string { return quote(d.places[key].text) }

// has reports whether the file sets key.
func (d *document) has(key string) bool {
	_, ok := d.places[key]
	return ok
}

func (d *document) decodeRoot(root *yaml.Node) {
	if root != nil {
		d.decode("", root.Line, root, reflect.ValueOf(d.config).Elem())
	}
}

// decode sets v from n, the value of key, which stands on line.
func (d *document) decode(key string, line int, n *yaml.Node, v reflect.Value) {
	if key != "" {
		d.places[key] = place{line, n.Value}
	}
	switch t, scalar := scalarOf(v.Type()); {
	case n.Kind == yaml.AliasNode:
		d.errorf(line, key, "YAML aliases (*%s) are not supported; write the value itself", n.Value)
	case n.Style&yaml.TaggedStyle != 0:
		d.errorf(line, key, "YAML tags (%s) are not supported; write the value alone", quote(n.Tag))
	case scalar && (n.Kind != yaml.MappingNode || !t.section):
		d.decodeScalar(key, line, n, v, t)
	case n.ShortTag() == "!!null":
		// A section or list whose every line is commented out: the defaults.
	case v.Type() == settingsType:
		d.decodeSettings(key, line, n, v)
	case v.Kind() == reflect.Slice:
		d.decodeList(key, line, n, v)
	case v.Kind() == reflect.Map:
		d.decodeMap(key, line, n, v)
	default:
		d.decodeSection(key, line, n, v)
	}
}

func (d *document) decodeScalar(key string, line int, n *yaml.Node, v reflect.Value, t scalarType) {
	if n.Kind != yaml.ScalarNode {
		d.errorf(line, key, "want %s, not %s", t.want, kindName(n))
		return
	}
	if n.ShortTag() == "!!null" {
		d.errorf(line, key, "has no value; write %s, or remove the line", t.want)
		return
	}
	text, fromEnv := d.expand(key, line, n.Value)
	if d.bad[key] || t.set(v, text) {
		return
	}
	if fromEnv {
		d.errorf(line, key, "what %s stands for is not %s", quote(n.Value), t.want)
		return
	}
	d.errorf(line, key, "%s is not %s%s", quote(text), t.want, didYouMean(t.suggest(text)))
}

func (d *document) decodeList(key string, line int, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.errorf(line, key, "want a list, as in [a, b], not %s", kindName(n))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		v := list.Index(i)
		if def, ok := v.Addr().Interface().(interface{ setDefaults() }); ok {
			def.setDefaults()
		}
		d.decode(fmt.Sprintf("%s[%d]", key, i), item.Line, item, v)
	}
	v.Set(list)
}

func (d *document) decodeMap(key string, line int, n *yaml.Node, v reflect.Value) {
	keyType, _ := scalarOf(v.Type().Key())
	out := reflect.MakeMap(v.Type())
	d.eachPair(key, line, n, func(name string, line int, value *yaml.Node) {
		k := reflect.New(v.Type().Key()).Elem()
		if !keyType.set(k, name) {
			d.errorf(line, key, "%s is not %s%s", quote(name), keyType.want, didYouMean(keyType.suggest(name)))
			return
		}
		key := fmt.Sprintf("%s[%v]", key, k)
		if out.MapIndex(k).IsValid() {
			d.errorf(line, key, "is given twice, first on line %d; remove one", d.line(key))
			return
		}
		e := reflect.New(v.Type().Elem()).Elem()
		d.decode(key, line, value, e)
		out.SetMapIndex(k, e)
	})
	v.Set(out)
}

func (d *document) decodeSection(key string, line int, n *yaml.Node, v reflect.Value) {
	fields := fieldsOf(v)
	d.eachPair(key, line, n, func(name string, line int, value *yaml.Node) {
		key := join(key, name)
		field, known := fields[name]
		switch {
		case !known:
			d.unknown(key, line, name, slices.Sorted(maps.Keys(fields)))
		case d.has(key):
			d.errorf(line, key, "is given twice, first on line %d; remove one", d.line(key))
		default:
			d.decode(key, line, value, field)
		}
	})
}

func (d *document) unknown(key string, line int, name string, known []string) {
	if near := nearest.Word(name, known); near != "" {
		d.errorf(line, key, "unknown key%s", didYouMean(near))
		d.bad[join(parent(key), near)] = true // not also: "is missing"
		return
	}
	d.errorf(line, key, "unknown key; those known here are %s", strings.Join(known, ", "))
}

// eachPair calls f for each key of the mapping n and its value.
func (d *document) eachPair(key string, line int, n *yaml.Node, f func(name string, line int, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.errorf(line, key, "want a section of \"key: value\" lines, not %s", kindName(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode {
			d.errorf(k.Line, key, "a key must be a word, not %s", kindName(k))
			continue
		}
		f(k.Value, k.Line, n.Content[i+1])
	}
}

// fieldsOf returns the fields of the struct v by their YAML names.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for f, field := range v.Fields() {
		if name := yamlName(f); name != "" {
			fields[name] = field
		}
	}
	return fields
}

// yamlName returns the key that sets field f, "" when none does.
func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" {
		return ""
	}
	return name
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,60}$`)

// join returns the dotted key of name within section. What cannot be a key is
// quoted, so that it neither poses as one nor reaches a terminal raw.
func join(section, name string) string {
	if !plainKey.MatchString(name) {
		name = quote(name)
	}
	if section == "" {
		return name
	}
	return section + "." + name
}

// kindName says with its article what n is.
func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	default:
		return "a single value"
	}
}
