package api

import (
	"bytes"
	"encoding"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
)

var update = flag.Bool("update", false, "rewrite openapi.json")

type object = map[string]any

// described schemas, by the name of their type.
type schemas struct {
	all object
}

// of returns the schema of a type as encoding/json writes it.
func (s *schemas) of(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[netip.Addr](), t == reflect.TypeFor[netip.Prefix]():
		return object{"type": "string"}
	case t == reflect.TypeFor[hit.Severity]():
		return object{"type": "string", "enum": []any{"info", "low", "medium", "high", "critical"}}
	case t == reflect.TypeFor[hit.Hit]():
		return object{"type": "object", "description": "A hit as the outputs have it, version 1; fields may be added.", "additionalProperties": true}
	case t.Implements(reflect.TypeFor[json.Marshaler]()), t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return object{"description": t.Name()}
	}
	switch t.Kind() {
	case reflect.Pointer:
		x := s.of(t.Elem())
		x["type"] = []any{x["type"], "null"}
		return x
	case reflect.Interface:
		return object{}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		return s.ref(t)
	default:
		return object{"type": "integer"}
	}
}

func (s *schemas) ref(t reflect.Type) object {
	name := t.Name()
	if pkg := t.PkgPath(); !strings.HasSuffix(pkg, "/web/api") {
		part := pkg[strings.LastIndexByte(pkg, '/')+1:]
		name = strings.ToUpper(part[:1]) + part[1:] + name
	}
	name = strings.ToUpper(name[:1]) + name[1:]
	if s.all[name] == nil {
		s.all[name] = object{}
		properties, required := object{}, []any{}
		s.fields(t, properties, &required)
		s.all[name] = object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
	}
	return object{"$ref": "#/components/schemas/" + name}
}

func (s *schemas) fields(t reflect.Type, properties object, required *[]any) {
	for f := range t.Fields() {
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && tag == "":
			s.fields(f.Type, properties, required)
		case name == "-" || !f.IsExported():
		default:
			properties[name] = s.of(f.Type)
			if !strings.Contains(options, "omit") {
				*required = append(*required, name)
			}
		}
	}
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// document is openapi.json as routes and types have it.
func document() object {
	s := &schemas{all: object{}}
	failure := s.of(reflect.TypeFor[problem]())
	paths := object{}
	for _, r := range routes {
		method, path, _ := strings.Cut(r.pattern, " ")
		one := object{"summary": r.summary, "description": "Role: " + string(r.role) + "."}
		parameters := []any{}
		for _, m := range pathParameter.FindAllStringSubmatch(path, -1) {
			parameters = append(parameters, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
		}
		for _, q := range r.query {
			text := described[q]
			if text == "" {
				text = "Only series of which " + q + " is one of these, with commas between."
				if field, not := strings.CutPrefix(q, "not-"); not {
					text = "Only series of which " + field + " is none of these."
				}
			}
			parameters = append(parameters, object{"name": q, "in": "query", "description": text, "schema": object{"type": "string"}})
		}
		if len(parameters) > 0 {
			one["parameters"] = parameters
		}
		if r.takes != nil {
			one["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": s.of(reflect.TypeOf(r.takes))}}}
		}
		content := object{"application/json": object{"schema": object{"type": "object"}}}
		if r.gives != nil {
			content = object{"application/json": object{"schema": s.of(reflect.TypeOf(r.gives))}}
		} else if strings.HasSuffix(path, "/events") {
			content = object{"text/event-stream": object{"schema": object{"type": "string"}}}
			s.of(reflect.TypeFor[News]())
		}
		refused := object{"description": "Refused; error says why.", "content": object{"application/json": object{"schema": failure}}}
		one["responses"] = object{"200": object{"description": "The answer.", "content": content}, "default": refused}
		if paths[path] == nil {
			paths[path] = object{}
		}
		paths[path].(object)[strings.ToLower(method)] = one
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "flowhound", "version": "1", "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "What flowhound's pages ask. Fields and paths are only added within version 1. Log in with POST /api/v1/session {name, password}, or send a token that flowhound user add NAME --token made.",
		},
		"security":   []any{object{"token": []any{}}, object{"session": []any{}}},
		"paths":      paths,
		"components": object{"schemas": s.all, "securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}, "session": object{"type": "apiKey", "in": "cookie", "name": "flowhound"}}},
	}
}

// TestOpenAPI: the document says what routes and types say.
func TestOpenAPI(t *testing.T) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(document()); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.json", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(b.Bytes(), openAPI) {
		t.Error("openapi.json is not as the routes are: go test ./cmd/internal/web/api -run TestOpenAPI -update")
	}
}

// check holds a value against a schema, and says where they differ.
func check(all object, schema object, v any, at string) (wrong []string) {
	if ref, ok := schema["$ref"].(string); ok {
		return check(all, all[ref[strings.LastIndexByte(ref, '/')+1:]].(object), v, at)
	}
	kinds, ok := schema["type"].([]any)
	if !ok {
		if schema["type"] == nil {
			return nil
		}
		kinds = []any{schema["type"]}
	}
	kind := map[bool]string{true: "null"}[v == nil]
	switch x := v.(type) {
	case bool:
		kind = "boolean"
	case string:
		kind = "string"
		if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, v) {
			wrong = append(wrong, fmt.Sprintf("%s: %q is none of %v", at, x, enum))
		}
		if _, err := time.Parse(time.RFC3339, x); schema["format"] == "date-time" && err != nil {
			wrong = append(wrong, at+": no time: "+x)
		}
	case float64:
		if kind = "number"; x == float64(int64(x)) && slices.Contains(kinds, any("integer")) {
			kind = "integer"
		}
	case []any:
		kind = "array"
		for i, e := range x {
			wrong = append(wrong, check(all, schema["items"].(object), e, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case object:
		kind = "object"
		properties, _ := schema["properties"].(object)
		for k, e := range x {
			if p, ok := properties[k].(object); ok {
				wrong = append(wrong, check(all, p, e, at+"."+k)...)
			} else if more, ok := schema["additionalProperties"].(object); ok {
				wrong = append(wrong, check(all, more, e, at+"."+k)...)
			} else if schema["additionalProperties"] == false {
				wrong = append(wrong, at+"."+k+": not described")
			}
		}
		required, _ := schema["required"].([]any)
		for _, k := range required {
			if _, ok := x[k.(string)]; !ok {
				wrong = append(wrong, at+"."+k.(string)+": missing")
			}
		}
	}
	if !slices.Contains(kinds, any(kind)) {
		wrong = append(wrong, fmt.Sprintf("%s: %s, not %v", at, kind, kinds))
	}
	return wrong
}
