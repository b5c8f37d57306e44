package plugin

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin/nearest"
)

// Problem is one thing that is wrong with an output's settings.
type Problem struct {
	Key     string // dotted, as in tls.ca or nodes[1]; "" for the settings as a whole
	Message string // in plain words, as they follow the key: "is missing"
}

// Error returns "key: message".
func (p Problem) Error() string {
	if p.Key == "" {
		return p.Message
	}
	return p.Key + ": " + p.Message
}

// Configure sets out, a pointer to a struct, from settings, a JSON object, and
// returns everything that is wrong with them. A field is set by the name in its
// json tag; one without a tag is no setting, and keeps what it has. Unknown keys
// are problems, a duration is written as "5s", and a number or a truth value may
// come as text, as those from the environment do. Then validate tags are checked,
// and Validate is called, when out has it. Serve does all this for an author.
func Configure(out Output, settings []byte) []Problem {
	v := reflect.ValueOf(out)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return []Problem{{Message: fmt.Sprintf("the output is a %T, not a pointer to a struct that can take settings; this is a bug in it", out)}}
	}
	if len(bytes.TrimSpace(settings)) == 0 {
		settings = []byte("{}")
	}
	d := decoder{present: map[string]bool{}, bad: map[string]bool{}}
	if !json.Valid(settings) {
		d.wrong("", "are not valid JSON")
		return d.problems
	}
	d.decode("", settings, v.Elem())
	d.check(out)
	return d.problems
}

// decoder goes through settings and struct side by side. encoding/json alone
// stops at the first error, and takes a key in any case.
type decoder struct {
	problems []Problem
	present  map[string]bool // keys that the settings have
	bad      map[string]bool // keys with a problem: one each is enough
}

func (d *decoder) wrong(key, format string, args ...any) {
	d.problems = append(d.problems, Problem{key, fmt.Sprintf(format, args...)})
	d.bad[key] = true
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonType     = reflect.TypeFor[json.Unmarshaler]()
)

func isLeaf(t reflect.Type) bool {
	if p := reflect.PointerTo(t); p.Implements(textType) || p.Implements(jsonType) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Pointer:
		return t == reflect.TypeFor[[]byte]()
	default:
		return true
	}
}

func (d *decoder) decode(key string, raw json.RawMessage, v reflect.Value) {
	d.present[key] = true
	switch {
	case string(raw) == "null":
		d.wrong(key, "has no value; give one, or remove the key")
	case isLeaf(v.Type()):
		d.leaf(key, raw, v)
	case v.Kind() == reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.decode(key, raw, p.Elem())
		v.Set(p)
	case v.Kind() == reflect.Slice:
		d.list(key, raw, v)
	case v.Kind() == reflect.Map:
		d.table(key, raw, v)
	default:
		d.section(key, raw, v)
	}
}

func (d *decoder) section(key string, raw json.RawMessage, v reflect.Value) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		d.wrong(key, "want a section of keys and values, not %s", kindOf(raw))
		return
	}
	fields := fieldsOf(v)
	for _, name := range sortedKeys(members) {
		if field, ok := fields[name]; ok {
			d.decode(join(key, name), members[name], field)
			continue
		}
		d.unknown(key, name, sortedKeys(fields))
	}
}

func (d *decoder) unknown(section, name string, known []string) {
	near := nearest.Word(name, known)
	switch {
	case near != "":
		d.wrong(join(section, name), "unknown key; did you mean %s?", near)
		d.bad[join(section, near)] = true // not also: "is missing"
	case len(known) == 0:
		d.wrong(join(section, name), "unknown key; there are no settings here")
	default:
		d.wrong(join(section, name), "unknown key; those known here are %s", strings.Join(known, ", "))
	}
}

func (d *decoder) list(key string, raw json.RawMessage, v reflect.Value) {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		d.wrong(key, "want a list, not %s", kindOf(raw))
		return
	}
	s := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		d.decode(fmt.Sprintf("%s[%d]", key, i), item, s.Index(i))
	}
	v.Set(s)
}

func (d *decoder) table(key string, raw json.RawMessage, v reflect.Value) {
	var members map[string]json.RawMessage
	if v.Type().Key().Kind() != reflect.String {
		d.wrong(key, "the keys of %s are no strings; this is a bug in the output", v.Type())
		return
	}
	if json.Unmarshal(raw, &members) != nil {
		d.wrong(key, "want a section of keys and values, not %s", kindOf(raw))
		return
	}
	m := reflect.MakeMap(v.Type())
	for _, name := range sortedKeys(members) {
		e := reflect.New(v.Type().Elem()).Elem()
		d.decode(join(key, name), members[name], e)
		m.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), e)
	}
	v.Set(m)
}

// leaf sets v from a single value.
func (d *decoder) leaf(key string, raw json.RawMessage, v reflect.Value) {
	var text string
	isText := json.Unmarshal(raw, &text) == nil
	if v.Type() == durationType {
		t, err := time.ParseDuration(text)
		if err != nil || !isText {
			d.wrong(key, `want a duration such as "30s" or "5m", not %s`, show(v, raw))
			return
		}
		v.SetInt(int64(t))
		return
	}
	err := json.Unmarshal(raw, v.Addr().Interface())
	if err != nil && isText && (v.CanInt() || v.CanUint() || v.CanFloat() || v.Kind() == reflect.Bool) && json.Valid([]byte(text)) {
		err = json.Unmarshal([]byte(text), v.Addr().Interface())
	}
	if err == nil {
		return
	}
	if want := wanted(v); want != "" {
		d.wrong(key, "want %s, not %s", want, show(v, raw))
		return
	}
	d.wrong(key, "%s is not valid: %s", show(v, raw), withoutPrefix(err))
}

func wanted(v reflect.Value) string {
	if p := v.Addr().Type(); p.Implements(textType) || p.Implements(jsonType) {
		return ""
	}
	switch {
	case v.CanInt():
		return "a whole number"
	case v.CanUint():
		return "a whole number of 0 or more"
	case v.CanFloat():
		return "a number"
	case v.Kind() == reflect.Bool:
		return "true or false"
	case v.Kind() == reflect.String:
		return "text"
	}
	return ""
}

func withoutPrefix(err error) string { return strings.TrimPrefix(err.Error(), "json: ") }

// show quotes a value in a message, unless it may be a secret or is long.
func show(v reflect.Value, raw json.RawMessage) string {
	if v.Type() == secretType || len(raw) > 100 {
		return kindOf(raw)
	}
	return string(raw)
}

// kindOf says with its article what raw is.
func kindOf(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "a section"
	case '[':
		return "a list"
	case '"':
		return "text"
	case 't', 'f':
		return "a truth value"
	default:
		return "a number"
	}
}

// fieldsOf returns the settings in the struct v by name. Those of an embedded
// struct without a tag are v's own.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for f, field := range v.Fields() {
		name := settingName(f)
		switch {
		case name != "":
			fields[name] = field
		case f.Anonymous && f.Type.Kind() == reflect.Struct && f.Tag.Get("json") == "":
			for name, field := range fieldsOf(field) {
				fields[name] = field
			}
		}
	}
	return fields
}

// settingName returns the key that sets field f, "" when none does.
func settingName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" || !f.IsExported() {
		return ""
	}
	return name
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// join returns the dotted key of name within section.
func join(section, name string) string {
	if !plainKey().MatchString(name) {
		if len(name) > 60 {
			name = name[:60] + "..."
		}
		name = fmt.Sprintf("%q", name)
	}
	if section == "" {
		return name
	}
	return section + "." + name
}
