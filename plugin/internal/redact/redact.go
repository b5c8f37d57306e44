// Package redact takes known secrets out of texts. A library's error knows nothing
// of plugin.Secret: that of net/http holds the whole URL.
package redact

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
)

// Mark stands in the place of a secret.
const Mark = "<secret>"

// shortest is the length from which a secret is looked for: a shorter one would
// cut holes into innocent words, and protects nothing.
const shortest = 4

// Redactor knows secrets. Its zero value knows none; it may be used concurrently.
type Redactor struct {
	replace atomic.Pointer[strings.Replacer]
}

// Learn makes r know these secrets, and no others. Of one that is a URL, it knows
// the path with the query and the user's password, too, which errors quote alone.
func (r *Redactor) Learn(secrets []string) {
	var pairs []string
	for _, s := range secrets {
		for _, form := range forms(s) {
			if len(form) >= shortest {
				pairs = append(pairs, form, Mark)
			}
		}
	}
	r.replace.Store(strings.NewReplacer(pairs...))
}

// forms are the ways in which texts show s, the longest first.
func forms(s string) []string {
	quoted := strconv.Quote(s)
	out := []string{s, quoted[1 : len(quoted)-1], url.QueryEscape(s), url.PathEscape(s)}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return out
	}
	out = append(out, u.String(), u.Redacted(), u.RequestURI(), u.Path)
	if password, ok := u.User.Password(); ok {
		out = append(out, password)
	}
	return out
}

// Redact returns s with Mark for every secret in it.
func (r *Redactor) Redact(s string) string {
	if p := r.replace.Load(); p != nil {
		return p.Replace(s)
	}
	return s
}

// Values returns the texts in settings, a JSON object, that stand under one of
// keys: dotted names, with [] for every entry of a list and * for every key.
func Values(settings []byte, keys []string) []string {
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
