package text

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Secret stands in the place of one.
const Secret = "<secret>"

// The lengths from which a secret, and a part of a secret address, are looked
// for: a shorter one would cut holes into innocent words, and protects nothing.
const (
	minSecret = 4
	minPart   = 8
)

// Redactor takes known secrets out of texts. A library's error knows nothing of
// them: that of net/http holds the whole URL. Its zero value knows none.
type Redactor struct {
	replace atomic.Pointer[strings.Replacer]
}

// Learn makes r know these secrets, and no others. Of one that is a URL it knows
// the parts too, which errors and servers quote alone.
func (r *Redactor) Learn(secrets []string) {
	var all []string
	add := func(least int, values ...string) {
		for _, v := range values {
			for _, form := range forms(v) {
				if len(form) >= least {
					all = append(all, form)
				}
			}
		}
	}
	for _, s := range secrets {
		add(minSecret, s)
		if u, err := url.Parse(s); err == nil && u.Host != "" {
			add(minPart, parts(u)...)
			password, _ := u.User.Password()
			add(minSecret, u.User.Username(), password)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // the first that fits is replaced
	pairs := make([]string, 0, 2*len(all))
	for _, s := range slices.Compact(all) {
		pairs = append(pairs, s, Secret)
	}
	r.replace.Store(strings.NewReplacer(pairs...))
}

// forms are the ways in which texts show s.
func forms(s string) []string {
	quoted := strconv.Quote(s)
	out := []string{s, url.QueryEscape(s), url.PathEscape(s), quoted[1 : len(quoted)-1], Clean(s, len(s))}
	if j, err := json.Marshal(s); err == nil {
		out = append(out, string(j[1:len(j)-1]))
	}
	return out
}

// parts are the pieces of an address that is a secret as a whole, as that of a
// webhook is.
func parts(u *url.URL) []string {
	out := []string{u.String(), u.Redacted(), u.RequestURI(), u.Path, u.EscapedPath(), u.RawQuery}
	out = append(out, strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' })...)
	for _, values := range u.Query() {
		out = append(out, values...)
	}
	return out
}

// Redact returns s with Secret for every secret in it.
func (r *Redactor) Redact(s string) string {
	if p := r.replace.Load(); p != nil {
		return p.Replace(s)
	}
	return s
}

// Excerpt is the function Excerpt without secrets. They are taken out of the clean text, so that no
// character that goes can hide one, and before it is cut, so that no half of one
// stays.
func (r *Redactor) Excerpt(s string, limit int) string {
	return Excerpt(r.Redact(Clean(s, 4*len(s))), limit)
}

// URL returns a URL fit for logs and errors: without user and password, the
// values of its query, its fragment, and elements of its path that look like
// keys. What is not a URL becomes Secret as a whole.
func URL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return Secret
	}
	var b strings.Builder
	b.WriteString(u.Scheme + "://")
	if u.User != nil {
		b.WriteString(Secret + "@")
	}
	b.WriteString(u.Host)
	elements := strings.Split(u.EscapedPath(), "/")
	for i, e := range elements {
		if looksSecret(e) {
			elements[i] = Secret
		}
	}
	b.WriteString(strings.Join(elements, "/"))
	if u.RawQuery != "" {
		for i, pair := range strings.Split(u.RawQuery, "&") {
			name, _, isPair := strings.Cut(pair, "=")
			if !isPair {
				name = "" // a query without a name may be the key itself
			}
			b.WriteString(string("?&"[min(i, 1)]) + name + "=" + Secret)
		}
	}
	return b.String()
}

// looksSecret tells keys from names of files: 16 characters or more without a dot
// and with a digit.
func looksSecret(e string) bool {
	return len(e) >= 16 && !strings.Contains(e, ".") && strings.ContainsAny(e, "0123456789")
}

// SecretsOf are what URL hides of a public address that may hold a key, as a
// feed's does.
func SecretsOf(raw string) []string {
	u, err := url.Parse(raw)
	if err != nil {
		return []string{raw}
	}
	var out []string
	if u.User != nil {
		password, _ := u.User.Password()
		out = append(out, u.User.Username(), password, u.User.String())
	}
	for _, e := range strings.Split(u.EscapedPath(), "/") {
		if looksSecret(e) {
			out = append(out, e)
		}
	}
	for _, values := range u.Query() {
		for _, v := range values {
			if len(v) >= minPart {
				out = append(out, v)
			}
		}
	}
	return out
}

// SecretsIn returns the texts in settings, a JSON object, that stand under one of
// keys: dotted names, with [] for every entry of a list and * for every key.
func SecretsIn(settings []byte, keys []string) []string {
	var v any
	if json.Unmarshal(settings, &v) != nil {
		return nil
	}
	var found []string
	for _, k := range keys {
		found = at(v, strings.Split(strings.ReplaceAll(k, "[]", ".[]"), "."), found)
	}
	return found
}

func at(v any, path []string, found []string) []string {
	if len(path) == 0 {
		if s, ok := v.(string); ok {
			found = append(found, s)
		}
		return found
	}
	switch v := v.(type) {
	case []any:
		if path[0] == "[]" {
			for _, e := range v {
				found = at(e, path[1:], found)
			}
		}
	case map[string]any:
		for name, e := range v {
			if path[0] == name || path[0] == "*" {
				found = at(e, path[1:], found)
			}
		}
	}
	return found
}
