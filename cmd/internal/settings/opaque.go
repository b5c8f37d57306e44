package settings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Opaque are keys and values that somebody else knows the meaning of: a JSON
// object, nil when there are none. Values from the environment are in it.
type Opaque struct{ JSON json.RawMessage }

// IsZero reports whether there are none.
func (s Opaque) IsZero() bool { return len(s.JSON) == 0 }

// MarshalYAML returns the values as they are.
func (s Opaque) MarshalYAML() (any, error) {
	d := json.NewDecoder(bytes.NewReader(s.JSON))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return yamlValue(v), nil
}

// yamlValue is v with its numbers as YAML writes them.
func yamlValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = yamlValue(e)
		}
	case []any:
		for i, e := range v {
			v[i] = yamlValue(e)
		}
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: v.String()}
	}
	return v
}

var opaqueType = reflect.TypeFor[Opaque]()

// decodeOpaque sets the Opaque v from n: any values, as deep as they are.
func (d *Document) decodeOpaque(key string, line int, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.Errorf(line, key, "want a section of \"key: value\" lines, not %s", kindName(n))
		return
	}
	b, err := json.Marshal(d.anyValue(key, line, n))
	if err != nil {
		d.Errorf(line, key, "cannot be understood: %v", err)
		return
	}
	v.Set(reflect.ValueOf(Opaque{b}))
}

// anyValue returns what n means in JSON.
func (d *Document) anyValue(key string, line int, n *yaml.Node) any {
	d.places[key] = place{line, n.Value}
	switch {
	case n.Kind == yaml.AliasNode:
		d.Errorf(line, key, "YAML aliases (*%s) are not supported; write the value itself", n.Value)
	case n.Style&yaml.TaggedStyle != 0:
		d.Errorf(line, key, "YAML tags (%s) are not supported; write the value alone", Quote(n.Tag))
	case n.Kind == yaml.MappingNode:
		out := map[string]any{}
		d.eachPair(key, line, n, func(name string, line int, value *yaml.Node) {
			at := Join(key, name)
			if d.Has(at) {
				d.Errorf(line, at, "is given twice, first on line %d; remove one", d.Line(at))
				return
			}
			out[name] = d.anyValue(at, line, value)
		})
		return out
	case n.Kind == yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, item := range n.Content {
			out[i] = d.anyValue(fmt.Sprintf("%s[%d]", key, i), item.Line, item)
		}
		return out
	default:
		return d.anyScalar(key, line, n)
	}
	return nil
}

// anyScalar returns a single value: text stays text, and what is not a number in JSON
// does too.
func (d *Document) anyScalar(key string, line int, n *yaml.Node) any {
	text, fromEnv := d.expand(key, line, n.Value)
	switch tag := n.ShortTag(); {
	case fromEnv:
		return text
	case tag == "!!null":
		d.Errorf(line, key, "has no value; write one, or remove the line")
		return nil
	case tag == "!!bool":
		return strings.EqualFold(text, "true")
	case tag == "!!int" || tag == "!!float":
		if json.Valid([]byte(text)) {
			return json.Number(text)
		}
		if i, err := strconv.ParseInt(text, 0, 64); err == nil {
			return i
		}
	}
	return text
}
