package plugin

import (
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
)

// minSecret is the length from which a secret is looked for in texts: a shorter
// one would cut holes into innocent words, and protects nothing.
const minSecret = 4

// redactor takes the secrets of an output's settings out of what it says. A
// library's error knows nothing of Secret: net/http's has the whole URL.
type redactor struct {
	replace atomic.Pointer[strings.Replacer]
}

// learn makes r know the secrets in the settings v.
func (r *redactor) learn(v any) {
	var pairs []string
	for _, s := range secretValues(reflect.ValueOf(v), nil) {
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), strings.Trim(fmt.Sprintf("%q", s), `"`)} {
			if len(form) >= minSecret {
				pairs = append(pairs, form, redacted)
			}
		}
	}
	r.replace.Store(strings.NewReplacer(pairs...))
}

func (r *redactor) redact(s string) string {
	if p := r.replace.Load(); p != nil {
		return p.Replace(s)
	}
	return s
}

func (r *redactor) attr(a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(r.redact(v.String()))
	case slog.KindAny:
		switch x := v.Any().(type) {
		case error:
			a.Value = slog.StringValue(r.redact(x.Error()))
		case fmt.Stringer:
			a.Value = slog.StringValue(r.redact(x.String()))
		default:
			a.Value = slog.StringValue(r.redact(fmt.Sprint(x)))
		}
	}
	return a
}
