package plugin

import (
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/flowhound/flowhound/plugin/text"
)

// withoutSecrets returns a as the log may have it. What slog would print by
// reflection, or by its own encoding, is made a text first.
func withoutSecrets(r *text.Redactor, a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(r.Redact(v.String()))
	case slog.KindAny:
		a.Value = slog.StringValue(r.Redact(textOf(v.Any())))
	}
	return a
}

func textOf(v any) string {
	switch v := v.(type) {
	case error:
		return v.Error()
	case fmt.Stringer:
		return v.String()
	case encoding.TextMarshaler, json.Marshaler:
		if b, err := json.Marshal(v); err == nil {
			return string(b)
		}
	}
	return fmt.Sprintf("%+v", v)
}
