package main

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/flowhound/flowhound/plugin"
)

// redactor takes secrets out of what servers and libraries say.
type redactor struct{ replacer *strings.Replacer }

// The lengths from which a setting, and a part of an address, are looked for:
// shorter ones are words that would be cut out of innocent messages.
const (
	minSetting = 4
	minPart    = 8
)

// newRedactor knows secrets, and address with its parts: a server may say the
// path alone, or the token in it.
func newRedactor(secrets []string, address string) *redactor {
	var all []string
	add := func(least int, values ...string) {
		for _, v := range values {
			quoted := strconv.Quote(v)
			for _, form := range []string{v, url.QueryEscape(v), url.PathEscape(v), quoted[1 : len(quoted)-1]} {
				if len(form) >= least {
					all = append(all, form)
				}
			}
		}
	}
	add(minSetting, secrets...)
	if u, err := url.Parse(address); err == nil {
		add(minPart, address, u.RequestURI(), u.Path, u.RawQuery)
		add(minPart, strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' })...)
		for _, values := range u.Query() {
			add(minPart, values...)
		}
		if u.User != nil {
			password, _ := u.User.Password()
			add(minSetting, u.User.Username(), password)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // the first that fits is replaced
	pairs := make([]string, 0, 2*len(all))
	for _, s := range all {
		pairs = append(pairs, s, "<secret>")
	}
	return &redactor{strings.NewReplacer(pairs...)}
}

// hide returns err without secrets: to be retried, or not, as err is.
func (r *redactor) hide(err error) error {
	if err == nil {
		return nil
	}
	h := &hidden{r.replacer.Replace(err.Error()), err}
	var later *plugin.RetryAfterError
	switch {
	case plugin.IsPermanent(err):
		return plugin.Permanent(h)
	case errors.As(err, &later):
		return plugin.RetryAfter(h, later.After)
	}
	return h
}

// hidden is an error with another text. It can be compared, never unwrapped.
type hidden struct {
	text string
	err  error
}

func (h *hidden) Error() string        { return h.text }
func (h *hidden) Is(target error) bool { return errors.Is(h.err, target) }
