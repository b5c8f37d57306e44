package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Settings are keys and values that somebody else knows the meaning of: a JSON
// object, nil when there are none. Values from the environment are in it.
type Settings struct{ JSON json.RawMessage }

// IsZero reports whether there are none.
func (s Settings) IsZero() bool { return len(s.JSON) == 0 }

// MarshalYAML returns the values as they are.
func (s Settings) MarshalYAML() (any, error) {
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

var settingsType = reflect.TypeFor[Settings]()

// decodeSettings sets the Settings v from n: any values, as deep as they are.
func (d *document) decodeSettings(key string, line int, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.errorf(line, key, "want a section of \"key: value\" lines, not %s", kindName(n))
		return
	}
	b, err := json.Marshal(d.anyValue(key, line, n))
	if err != nil {
		d.errorf(line, key, "cannot be understood: %v", err)
		return
	}
	v.Set(reflect.ValueOf(Settings{b}))
}

// anyValue returns what n means in JSON.
func (d *document) anyValue(key string, line int, n *yaml.Node) any {
	d.places[key] = place{line, n.Value}
	switch {
	case n.Kind == yaml.AliasNode:
		d.errorf(line, key, "YAML aliases (*%s) are not supported; write the value itself", n.Value)
	case n.Style&yaml.TaggedStyle != 0:
		d.errorf(line, key, "YAML tags (%s) are not supported; write the value alone", quote(n.Tag))
	case n.Kind == yaml.MappingNode:
		out := map[string]any{}
		d.eachPair(key, line, n, func(name string, line int, value *yaml.Node) {
			at := join(key, name)
			if d.has(at) {
				d.errorf(line, at, "is given twice, first on line %d; remove one", d.line(at))
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

// anyScalar returns a single value: text stays text, and what is no number in JSON
// does too.
func (d *document) anyScalar(key string, line int, n *yaml.Node) any {
	text, fromEnv := d.expand(key, line, n.Value)
	switch tag := n.ShortTag(); {
	case fromEnv:
		return text
	case tag == "!!null":
		d.errorf(line, key, "has no value; write one, or remove the line")
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

const hidden = "<secret>"

// ShowSettings says which settings of output i are secrets, by dotted names such as
// tls.key, nodes[].password and headers.*; String shows the others from now on.
func (c *Config) ShowSettings(i int, secrets []string) {
	if c.shown == nil {
		c.shown = map[int][]string{}
	}
	c.shown[i] = append(make([]string, 0, len(secrets)), secrets...)
}

// hides reports whether the value of key may be a secret of a plugin's.
func (c *Config) hides(key string) bool {
	var i int
	if n, _ := fmt.Sscanf(key, "outputs[%d].settings", &i); n != 1 {
		return false
	}
	_, name, ok := strings.Cut(key, "].settings.")
	if !ok {
		return false
	}
	secrets, known := c.shown[i]
	if !known {
		return true
	}
	for _, s := range secrets {
		if matchesName(s, name) {
			return true
		}
	}
	return false
}

// matchesName reports whether name, such as nodes[1].password, or what it lies in,
// is what pattern names.
func matchesName(pattern, name string) bool {
	split := func(s string) []string {
		return strings.FieldsFunc(strings.ReplaceAll(s, "[", ".["), func(r rune) bool { return r == '.' })
	}
	parts, want := split(name), split(pattern)
	if len(parts) < len(want) {
		return false
	}
	for i, w := range want {
		if w != "*" && w != parts[i] && (w != "[]" || !strings.HasPrefix(parts[i], "[")) {
			return false
		}
	}
	return true
}
