package plugin

import (
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// about tells a person who started the program what it is, and its settings.
func about(w io.Writer, program string, out Output) {
	name := filepath.Base(program)
	kind := strings.TrimPrefix(name, "flowhound-output-")
	fmt.Fprintf(w, `%s %s is an output of flowhound, which starts it itself.

Put it into flowhound's plugin directory, owned by root and writable by nobody
else, and name it in flowhound.yaml:

    outputs:
      - {name: mine, type: %s, settings: {...}}

then run: flowhound check
`, name, buildVersion(), kind)
	if lines := describe(reflect.TypeOf(out), ""); len(lines) > 0 {
		fmt.Fprintf(w, "\nIts settings are:\n\n%s", strings.Join(lines, ""))
	}
}

// describe lists the settings in t, a line each: key, type, what validate says.
func describe(t reflect.Type, section string) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || isLeaf(t) || strings.Count(section, ".") > 5 {
		return nil
	}
	var lines []string
	for f := range t.Fields() {
		name := settingName(f)
		switch {
		case name == "" && f.Anonymous && f.Tag.Get("json") == "":
			lines = append(lines, describe(f.Type, section)...)
		case name == "":
		default:
			key := dotted(section, name)
			if nested := describe(f.Type, key); len(nested) > 0 {
				lines = append(lines, nested...)
				continue
			}
			line := fmt.Sprintf("    %-24s %-10s %s", key, typeName(f.Type), f.Tag.Get("validate"))
			lines = append(lines, strings.TrimRight(line, " ")+"\n")
		}
	}
	return slices.Clip(lines)
}

func typeName(t reflect.Type) string {
	switch {
	case t == durationType:
		return "duration"
	case t == secretType:
		return "secret"
	case isLeaf(t) && (reflect.PointerTo(t).Implements(textType) || t.Kind() == reflect.String):
		return "text"
	case t.Kind() == reflect.Slice:
		return "list"
	case t.Kind() == reflect.Map || t.Kind() == reflect.Struct:
		return "section"
	case t.Kind() == reflect.Pointer:
		return typeName(t.Elem())
	case t.Kind() == reflect.Bool:
		return "true/false"
	default:
		return "number"
	}
}
