package settings

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-playground/validator/v10"

	"github.com/flowhound/flowhound/plugin/nearest"
	"github.com/flowhound/flowhound/plugin/text"
)

// Tag is a validator tag that a package adds to those of the validator.
type Tag struct {
	Name  string
	Is    func(string) bool
	Want  string          // what a value is, for messages: "a host name"
	Words func() []string // of an enumeration, in the place of Is and Want
}

// DNSName is the tag dns_name: names in lower case, as they are written into zones,
// with room for the names below them.
func DNSName() Tag {
	is := func(s string) bool { return len(s) <= 200 && dnsName().MatchString(s) }
	return Tag{Name: "dns_name", Is: is, Want: "a domain name in lower case without a dot at its end, such as rpz.example"}
}

var dnsName = text.Pattern(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)

// CheckTags holds v, a pointer to what was decoded, to its validate tags.
func (d *Document) CheckTags(v any, tags ...Tag) {
	check := validator.New(validator.WithRequiredStructEnabled())
	check.RegisterTagNameFunc(yamlName)
	own := map[string]Tag{}
	for _, t := range tags {
		own[t.Name] = t
		is := t.Is
		if t.Words != nil {
			is = func(s string) bool { return slices.Contains(t.Words(), s) }
		}
		// The error says that a tag's name is not allowed: then the first test panics.
		must(check.RegisterValidation(t.Name, func(fl validator.FieldLevel) bool { return is(fl.Field().String()) }))
	}
	var wrong validator.ValidationErrors
	errors.As(check.Struct(v), &wrong)
	for _, e := range wrong {
		_, key, _ := strings.Cut(e.Namespace(), ".") // after the type's name
		if !d.Reported(key) {
			d.Errorf(d.Line(key), key, "%s", d.plain(key, e, own))
		}
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// plain says in plain words that the value of key does not meet its tag.
func (d *Document) plain(key string, e validator.FieldError, own map[string]Tag) string {
	isList := e.Kind() == reflect.Slice
	t, isOwn := own[e.Tag()]
	switch tag := e.Tag(); {
	case tag == "required" && d.Has(key):
		return "is empty"
	case tag == "required":
		return "is missing"
	case tag == "min" && isList:
		return "needs at least one entry; remove the line for the default"
	case tag == "min":
		return fmt.Sprintf("%s is too small; the least is %s", d.Text(key), limit(e))
	case tag == "max" && e.Kind() == reflect.String:
		return fmt.Sprintf("%s is too long; the longest has %s characters", d.Text(key), e.Param())
	case tag == "max":
		return fmt.Sprintf("%s is too large; the most is %s", d.Text(key), limit(e))
	case tag == "oneof" || isOwn && t.Words != nil:
		words := strings.Fields(e.Param())
		if isOwn {
			words = t.Words()
		}
		return fmt.Sprintf("%s is not one of %s%s", d.Text(key), strings.Join(words, ", "), DidYouMean(nearest.Word(d.places[key].text, words)))
	case isOwn:
		return fmt.Sprintf("%s is not %s", d.Text(key), t.Want)
	case tag == "len" || tag == "hexadecimal":
		return fmt.Sprintf("%s is not a SHA-256 as sha256sum prints it: 64 digits 0-9 and a-f", d.Text(key))
	case tag == "http_url":
		return fmt.Sprintf("%s is not a URL that starts with http:// or https://", d.Text(key))
	case tag == "printascii":
		return fmt.Sprintf("%s has characters other than letters, digits and signs", d.Text(key))
	case tag == "hostname_rfc1123":
		return fmt.Sprintf("%s is not a host name", d.Text(key))
	default:
		return fmt.Sprintf("%s is not valid (%s)", d.Text(key), tag)
	}
}

// limit returns the bound in e's tag as one would write it in the file.
func limit(e validator.FieldError) string {
	if s, ok := e.Value().(Size); ok {
		must(s.UnmarshalText([]byte(e.Param())))
		b, _ := s.MarshalText() // never fails
		return string(b)
	}
	return e.Param()
}
