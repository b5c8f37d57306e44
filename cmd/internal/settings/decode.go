package settings

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/flowhound/flowhound/plugin/nearest"
	"github.com/flowhound/flowhound/plugin/text"
)

// Document is a file on its way from YAML nodes to a struct. The
// library's own decoding is not used: it stops at the first value that rejects
// itself, follows aliases, and forgets the lines that validation needs.
type Document struct {
	report
	places  map[string]place  // of every key in the file, dotted
	written map[string]string // by dotted key, the values that name an environment variable
	types   map[reflect.Type]scalarType
}

// place is where a key stands and, when its value is a scalar, how it is written.
type place struct {
	line int
	text string
}

// New returns a Document for a file of that name; types are how values of the
// caller's own types are written.
func New(name string, types ...Type) *Document {
	d := &Document{
		report: report{file: name, bad: map[string]bool{}},
		places: map[string]place{}, written: map[string]string{}, types: maps.Clone(scalarTypes),
	}
	for _, t := range types {
		d.types[t.of] = t.scalarType
	}
	return d
}

// File is the name of the file.
func (d *Document) File() string { return d.file }

// Failed reports whether something is wrong that is no warning.
func (d *Document) Failed() bool { return d.failed }

// Written returns, by dotted key, the values that named an environment variable, as
// the file has them: what is printed in the place of a secret.
func (d *Document) Written() map[string]string { return d.written }

// NoteWritten has text printed in the place of key's value.
func (d *Document) NoteWritten(key, text string) { d.written[key] = text }

// FromEnv reports whether the value of key names an environment variable.
func (d *Document) FromEnv(key string) bool {
	_, ok := d.written[key]
	return ok
}

// Raw returns the value of key as the file has it.
func (d *Document) Raw(key string) string { return d.places[key].text }

// Lines returns the lines of the keys that begin with prefix.
func (d *Document) Lines(prefix string) map[string]int {
	lines := map[string]int{}
	for key, p := range d.places {
		if strings.HasPrefix(key, prefix) {
			lines[key] = p.line
		}
	}
	return lines
}

// Decode sets into, a pointer to a struct with yaml tags that holds the defaults,
// from data. Entries of lists get theirs from a method SetDefaults. It reports
// whether data was YAML; problems are in the Document.
func (d *Document) Decode(data []byte, into any) bool {
	root := d.readYAML(data)
	if d.failed {
		return false
	}
	if root != nil {
		d.decode("", root.Line, root, reflect.ValueOf(into).Elem())
	}
	return true
}

// Line returns the line of key, or of the nearest section that is in the file.
func (d *Document) Line(key string) int {
	for ; key != ""; key = Parent(key) {
		if p, ok := d.places[key]; ok {
			return p.line
		}
	}
	return 1
}

// Text returns the value of key as the file has it, quoted: a value from the
// environment shows as the name of its variable.
func (d *Document) Text(key string) string { return Quote(d.places[key].text) }

// Has reports whether the file sets key.
func (d *Document) Has(key string) bool {
	_, ok := d.places[key]
	return ok
}

// decode sets v from n, the value of key, which stands on line.
func (d *Document) decode(key string, line int, n *yaml.Node, v reflect.Value) {
	if key != "" {
		d.places[key] = place{line, n.Value}
	}
	switch t, scalar := d.scalarOf(v.Type()); {
	case n.Kind == yaml.AliasNode:
		d.Errorf(line, key, "YAML aliases (*%s) are not supported; write the value itself", n.Value)
	case n.Style&yaml.TaggedStyle != 0:
		d.Errorf(line, key, "YAML tags (%s) are not supported; write the value alone", Quote(n.Tag))
	case scalar && (n.Kind != yaml.MappingNode || !t.section):
		d.decodeScalar(key, line, n, v, t)
	case n.ShortTag() == "!!null":
		// A section or list whose every line is commented out: the defaults.
	case v.Type() == opaqueType:
		d.decodeOpaque(key, line, n, v)
	case v.Kind() == reflect.Slice:
		d.decodeList(key, line, n, v)
	case v.Kind() == reflect.Map:
		d.decodeMap(key, line, n, v)
	default:
		d.decodeSection(key, line, n, v)
	}
}

func (d *Document) decodeScalar(key string, line int, n *yaml.Node, v reflect.Value, t scalarType) {
	if n.Kind != yaml.ScalarNode {
		d.Errorf(line, key, "want %s, not %s", t.want, kindName(n))
		return
	}
	if n.ShortTag() == "!!null" {
		d.Errorf(line, key, "has no value; write %s, or remove the line", t.want)
		return
	}
	text, fromEnv := d.expand(key, line, n.Value)
	if d.bad[key] || t.set(v, text) {
		return
	}
	if fromEnv {
		d.Errorf(line, key, "the value of %s is not %s", Quote(n.Value), t.want)
		return
	}
	d.Errorf(line, key, "%s is not %s%s", Quote(text), t.want, DidYouMean(t.suggest(text)))
}

func (d *Document) decodeList(key string, line int, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.Errorf(line, key, "want a list, as in [a, b], not %s", kindName(n))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		v := list.Index(i)
		if def, ok := v.Addr().Interface().(interface{ SetDefaults() }); ok {
			def.SetDefaults()
		}
		d.decode(fmt.Sprintf("%s[%d]", key, i), item.Line, item, v)
	}
	v.Set(list)
}

func (d *Document) decodeMap(key string, line int, n *yaml.Node, v reflect.Value) {
	keyType, _ := d.scalarOf(v.Type().Key())
	out := reflect.MakeMap(v.Type())
	d.eachPair(key, line, n, func(name string, line int, value *yaml.Node) {
		k := reflect.New(v.Type().Key()).Elem()
		if !keyType.set(k, name) {
			d.Errorf(line, key, "%s is not %s%s", Quote(name), keyType.want, DidYouMean(keyType.suggest(name)))
			return
		}
		key := fmt.Sprintf("%s[%v]", key, k)
		if out.MapIndex(k).IsValid() {
			d.Errorf(line, key, "is given twice, first on line %d; remove one", d.Line(key))
			return
		}
		e := reflect.New(v.Type().Elem()).Elem()
		d.decode(key, line, value, e)
		out.SetMapIndex(k, e)
	})
	v.Set(out)
}

func (d *Document) decodeSection(key string, line int, n *yaml.Node, v reflect.Value) {
	fields := fieldsOf(v)
	d.eachPair(key, line, n, func(name string, line int, value *yaml.Node) {
		key := Join(key, name)
		field, known := fields[name]
		switch {
		case !known:
			d.unknown(key, line, name, slices.Sorted(maps.Keys(fields)))
		case d.Has(key):
			d.Errorf(line, key, "is given twice, first on line %d; remove one", d.Line(key))
		default:
			d.decode(key, line, value, field)
		}
	})
}

func (d *Document) unknown(key string, line int, name string, known []string) {
	if near := nearest.Word(name, known); near != "" {
		d.Errorf(line, key, "unknown key%s", DidYouMean(near))
		d.bad[Join(Parent(key), near)] = true // not also: "is missing"
		return
	}
	d.Errorf(line, key, "unknown key; those known here are %s", strings.Join(known, ", "))
}

// eachPair calls f for each key of the mapping n and its value.
func (d *Document) eachPair(key string, line int, n *yaml.Node, f func(name string, line int, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.Errorf(line, key, "want a section of \"key: value\" lines, not %s", kindName(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode {
			d.Errorf(k.Line, key, "a key must be a word, not %s", kindName(k))
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

var plainKey = text.Pattern(`^[A-Za-z0-9_-]{1,60}$`)

// Join returns the dotted key of name within section. What cannot be a key is
// quoted, so that it neither poses as one nor reaches a terminal raw.
func Join(section, name string) string {
	if !plainKey().MatchString(name) {
		name = Quote(name)
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
