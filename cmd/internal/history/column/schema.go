package column

import (
	"reflect"
	"strings"
)

// specsOf reads the columns off Row, so that there is one list of them.
func specsOf() []spec {
	t := reflect.TypeFor[Row]()
	out := make([]spec, t.NumField())
	for i := range out {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		out[i] = spec{name: name, dict: strings.Contains(options, "dict"), delta: strings.Contains(options, "delta"), offset: f.Offset}
		switch f.Type.Kind() {
		case reflect.Int32:
			out[i].kind = Int32
		case reflect.Int64:
			out[i].kind = Int64
		case reflect.String:
			out[i].kind = Country
		default:
			out[i].kind = Address
		}
	}
	return out
}
