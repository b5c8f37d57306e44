package settings

import (
	"reflect"
	"strings"
)

// Keys returns the dotted keys of struct t, those of list entries without index.
func Keys(t reflect.Type, types ...Type) (names []string) {
	for _, k := range Described(t, types...) {
		names = append(names, k.Name)
	}
	return names
}

// Key is a key and what its value is, in the words of the messages about it.
type Key struct{ Name, Want string }

// Described returns the keys as Keys does, each with what it takes.
func Described(t reflect.Type, types ...Type) []Key { return New("", types...).keysOf(t, "") }

func (d *Document) keysOf(t reflect.Type, prefix string) []Key {
	var keys []Key
	for f := range t.Fields() {
		name := yamlName(f)
		if name == "" {
			continue
		}
		ft, list := f.Type, ""
		if ft.Kind() == reflect.Slice {
			ft, list = ft.Elem(), "a list: "
		}
		s, scalar := d.scalarOf(ft)
		section := ft.Kind() == reflect.Struct && !scalar
		switch {
		case section:
			keys = append(keys, Key{prefix + name, strings.TrimSuffix(list+"a section", ": a section")})
			keys = append(keys, d.keysOf(ft, prefix+name+".")...)
		case ft.Kind() == reflect.Map:
			keys = append(keys, Key{prefix + name, "a section of names of your own"})
		default:
			keys = append(keys, Key{prefix + name, list + s.want})
		}
	}
	return keys
}
