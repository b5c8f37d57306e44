package plugin

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-playground/validator/v10"

	"github.com/flowhound/flowhound/plugin/nearest"
	"github.com/flowhound/flowhound/plugin/text"
)

// Validator is an Output that checks what tags cannot say, such as two settings
// that exclude each other. It is called once the settings are read and their tags
// hold, before Open, and also for "flowhound check": it must not use the network.
// A Problem, or several in one errors.Join, name the settings that are wrong.
type Validator interface {
	Validate() error
}

var plainKey = text.Pattern(`^[A-Za-z0-9_-]{1,60}$`)

// check checks the validate tags, then calls Validate if nothing was wrong.
func (d *decoder) check(out Output) {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(settingName)
	err := v.Struct(out)
	var wrong validator.ValidationErrors
	if err != nil && !errors.As(err, &wrong) {
		d.wrong("", "cannot be checked: %v; this is a bug in the output", err)
	}
	for _, e := range wrong {
		if key := keyOf(out, e); !d.bad[key] {
			d.wrong(key, "%s", d.plain(key, e))
		}
	}
	if len(d.problems) > 0 {
		return
	}
	if o, ok := out.(Validator); ok {
		d.addAll(o.Validate())
	}
}

// addAll adds what Validate returned.
func (d *decoder) addAll(err error) {
	if err == nil {
		return
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // the errors of errors.Join, one by one
		for _, err := range many.Unwrap() {
			d.addAll(err)
		}
		return
	}
	var p Problem
	if errors.As(err, &p) {
		d.wrong(p.Key, "%s", p.Message)
		return
	}
	d.wrong("", "%s", err)
}

// keyOf returns the dotted key of the field that e speaks of: its namespace
// without the outer type and without embedded structs, which have no key.
func keyOf(out Output, e validator.FieldError) string {
	names := strings.Split(e.Namespace(), ".")[1:]
	goNames := strings.Split(e.StructNamespace(), ".")[1:]
	t := reflect.TypeOf(out).Elem()
	var key []string
	for i, goName := range goNames {
		goName, _, _ = strings.Cut(goName, "[")
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		embedded := false
		if t.Kind() == reflect.Struct {
			if f, ok := t.FieldByName(goName); ok {
				embedded = f.Anonymous && settingName(f) == ""
				t = f.Type
			}
		}
		if !embedded && i < len(names) {
			key = append(key, names[i])
		}
	}
	return strings.Join(key, ".")
}

// plain says in plain words that the value of key does not meet its tag.
func (d *decoder) plain(key string, e validator.FieldError) string {
	if strings.HasPrefix(e.Tag(), "required") && !d.present[key] {
		return "is missing" + condition(e)
	}
	if p, ok := plainTags[e.Tag()]; ok {
		return strings.ReplaceAll(strings.ReplaceAll(p, "{v}", shown(e)), "{p}", e.Param()) + condition(e)
	}
	switch tag := e.Tag(); {
	case tag == "oneof":
		words := strings.Fields(e.Param())
		s := fmt.Sprintf("%s is not one of %s", shown(e), strings.Join(words, ", "))
		if near := nearest.Word(fmt.Sprint(e.Value()), words); near != "" {
			s += "; did you mean " + near + "?"
		}
		return s
	case tag == "min" || tag == "gte":
		return atLeast(e)
	case tag == "max" || tag == "lte":
		return atMost(e)
	case e.Param() != "":
		return fmt.Sprintf("%s is not valid (%s=%s)", shown(e), tag, e.Param())
	default:
		return fmt.Sprintf("%s is not valid (%s)", shown(e), tag)
	}
}

// plainTags are the messages of validator's tags: {v} is the value, {p} what
// stands after the tag's equals sign.
var plainTags = map[string]string{
	"required": "is empty", "required_if": "is empty", "required_unless": "is empty", "required_with": "is empty", "required_without": "is empty",
	"required_with_all": "is empty", "required_without_all": "is empty",
	"excluded_with": "cannot be given", "excluded_without": "cannot be given", "excluded_if": "cannot be given", "excluded_unless": "cannot be given",
	"url": "{v} is not a URL such as https://host/path", "http_url": "{v} is not a URL that starts with http:// or https://",
	"uri": "{v} is not a URI", "hostname": "{v} is not a host name", "hostname_rfc1123": "{v} is not a host name", "fqdn": "{v} is not a full host name",
	"hostname_port": "{v} is not host:port", "tcp_addr": "{v} is not host:port", "udp_addr": "{v} is not host:port",
	"ip": "{v} is not an IP address", "ipv4": "{v} is not an IPv4 address", "ipv6": "{v} is not an IPv6 address", "cidr": "{v} is not a prefix such as 192.0.2.0/24",
	"email": "{v} is not an e-mail address", "file": "{v} is not a file that can be read", "dir": "{v} is not a directory",
	"printascii": "{v} has characters other than printable ASCII", "ascii": "{v} has characters other than ASCII",
	"alphanum": "{v} has characters other than a-z, A-Z and 0-9", "number": "{v} is not a whole number", "numeric": "{v} is not a number",
	"gt": "{v} is too small; it must be more than {p}", "lt": "{v} is too large; it must be less than {p}", "len": "{v} must be {p} long",
	"startswith": "{v} does not start with {p}", "endswith": "{v} does not end in {p}", "unique": "names the same twice",
	"timezone": "{v} is not a time zone such as Europe/Berlin", "base64": "{v} is not base64", "hexadecimal": "{v} is not hexadecimal",
}

// condition says when a required_* or excluded_* tag asks what it does, in the
// words of the settings where they can be told from the field names.
func condition(e validator.FieldError) string {
	kind, rest, ok := strings.Cut(e.Tag(), "_")
	if !ok || kind != "required" && kind != "excluded" {
		return ""
	}
	fields := strings.Fields(strings.ToLower(e.Param()))
	switch rest {
	case "if", "unless":
		if len(fields) == 2 {
			return fmt.Sprintf(" %s %s is %s", rest, fields[0], fields[1])
		}
		return ""
	default:
		where, _, _ := strings.Cut(rest, "_")
		return fmt.Sprintf(" %s %s", where, strings.Join(fields, ", "))
	}
}

func atLeast(e validator.FieldError) string {
	switch e.Kind() {
	case reflect.String:
		return fmt.Sprintf("is too short; the least is %s characters", e.Param())
	case reflect.Slice, reflect.Map, reflect.Array:
		return fmt.Sprintf("needs at least %s entries", e.Param())
	default:
		return fmt.Sprintf("%s is too small; the least is %s", shown(e), e.Param())
	}
}

func atMost(e validator.FieldError) string {
	switch e.Kind() {
	case reflect.String:
		return fmt.Sprintf("is too long; the most is %s characters", e.Param())
	case reflect.Slice, reflect.Map, reflect.Array:
		return fmt.Sprintf("has too many entries; the most is %s", e.Param())
	default:
		return fmt.Sprintf("%s is too large; the most is %s", shown(e), e.Param())
	}
}

// shown is the value that e speaks of as a message may have it.
func shown(e validator.FieldError) string {
	switch {
	case e.Type() == secretType:
		return "the secret"
	case e.Kind() != reflect.String:
		return fmt.Sprint(e.Value())
	}
	s := fmt.Sprint(e.Value())
	if len(s) > 100 {
		return "it"
	}
	return fmt.Sprintf("%q", s)
}
