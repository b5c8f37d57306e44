package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/go-playground/validator/v10"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/catalog"
	"github.com/flowhound/flowhound/plugin/nearest"
)

// validate checks what the types of single values do not: the validate tags of
// Config's fields, then what keys say together.
func (d *document) validate() {
	d.checkTags()
	d.checkListen()
	d.checkFeeds()
	d.checkAllow()
	d.checkMute()
	d.checkCategories()
	d.checkDNSBL()
	d.checkExports()
	d.checkOutputs()
	d.checkWindows()
}

var (
	feedName   = regexp.MustCompile(`^[a-z0-9_-]+$`)
	outputType = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)
)

func (d *document) checkTags() {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(yamlName)
	// The error of RegisterValidation says that a tag's name is not allowed:
	// then the first test panics.
	must(v.RegisterValidation("feed_name", func(fl validator.FieldLevel) bool { return feedName.MatchString(fl.Field().String()) }))
	must(v.RegisterValidation("feed_type", func(fl validator.FieldLevel) bool { return slices.Contains(catalog.Names(), fl.Field().String()) }))
	must(v.RegisterValidation("output_name", func(fl validator.FieldLevel) bool { return outputType.MatchString(fl.Field().String()) }))
	must(v.RegisterValidation("output_type", func(fl validator.FieldLevel) bool { return outputType.MatchString(fl.Field().String()) }))
	must(v.RegisterValidation("set_name", func(fl validator.FieldLevel) bool { return setName.MatchString(fl.Field().String()) }))
	must(v.RegisterValidation("dns_name", func(fl validator.FieldLevel) bool { return isDNSName(fl.Field().String()) }))
	must(v.RegisterValidation("resolver", func(fl validator.FieldLevel) bool { return isResolver(fl.Field().String()) }))
	must(v.RegisterValidation("host_port", func(fl validator.FieldLevel) bool { return isHostPort(fl.Field().String()) }))

	var wrong validator.ValidationErrors
	errors.As(v.Struct(d.config), &wrong)
	for _, e := range wrong {
		_, key, _ := strings.Cut(e.Namespace(), ".") // after "Config."
		if !d.said(key) {
			d.errorf(d.line(key), key, "%s", d.plain(key, e))
		}
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// plain says in plain words that the value of key does not meet its tag.
func (d *document) plain(key string, e validator.FieldError) string {
	isList := e.Kind() == reflect.Slice
	switch tag := e.Tag(); {
	case tag == "required" && d.has(key):
		return "is empty"
	case tag == "required":
		return "is missing"
	case tag == "min" && isList:
		return "needs at least one entry; remove the line for the default"
	case tag == "min":
		return fmt.Sprintf("%s is too small; the least is %s", d.text(key), limit(e))
	case tag == "max" && e.Kind() == reflect.String:
		return fmt.Sprintf("%s is too long; the longest has %s characters", d.text(key), e.Param())
	case tag == "max":
		return fmt.Sprintf("%s is too large; the most is %s", d.text(key), limit(e))
	case tag == "oneof" || tag == "feed_type":
		words := strings.Fields(e.Param())
		if tag == "feed_type" {
			words = catalog.Names()
		}
		return fmt.Sprintf("%s is not one of %s%s", d.text(key), strings.Join(words, ", "), didYouMean(nearest.Word(d.places[key].text, words)))
	case tag == "feed_name":
		return fmt.Sprintf("%s is not a feed's name: use a-z, 0-9, _ and - only", d.text(key))
	case tag == "output_name":
		return fmt.Sprintf("%s is not an output's name: use a-z, 0-9, _ and - only, and begin with a letter or digit", d.text(key))
	case tag == "output_type":
		return fmt.Sprintf("%s is not the type of an output, such as syslog, elasticsearch or webhook", d.text(key))
	case tag == "len" || tag == "hexadecimal":
		return fmt.Sprintf("%s is not a SHA-256 as sha256sum prints it: 64 digits 0-9 and a-f", d.text(key))
	case tag == "set_name":
		return fmt.Sprintf("%s is not the name of a table or set: use a-z, 0-9, _ and - only, a letter first", d.text(key))
	case tag == "dns_name":
		return fmt.Sprintf("%s is not a domain name in lower case without a dot at its end, such as rpz.example", d.text(key))
	case tag == "host_port":
		return fmt.Sprintf("%s is not an address such as 127.0.0.1:8055", d.text(key))
	case tag == "resolver":
		return fmt.Sprintf("%s is not the address of a resolver such as 192.0.2.53 or 127.0.0.1:5353", d.text(key))
	case tag == "http_url":
		return fmt.Sprintf("%s is not a URL that starts with http:// or https://", d.text(key))
	case tag == "printascii":
		return fmt.Sprintf("%s has characters other than letters, digits and signs", d.text(key))
	case tag == "hostname_rfc1123":
		return fmt.Sprintf("%s is not a host name", d.text(key))
	default:
		return fmt.Sprintf("%s is not valid (%s)", d.text(key), tag)
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

func (d *document) checkListen() {
	first := map[Listen]int{}
	for i, l := range d.config.Listen {
		key := fmt.Sprintf("listen[%d]", i)
		if d.said(key) || strings.HasSuffix(l.Address, ":0") {
			continue
		}
		if j, twice := first[l]; twice {
			d.errorf(d.line(key), key, "%s is given twice, first as listen[%d]; remove one", d.text(key), j)
			continue
		}
		first[l] = i
	}
}

func (d *document) checkAllow() {
	for i, path := range d.config.Allow {
		key := fmt.Sprintf("allow[%d]", i)
		if first := slices.Index(d.config.Allow, path); first < i && !d.said(key) {
			d.errorf(d.line(key), key, "%s is given twice, first as allow[%d]; remove one", d.text(key), first)
		}
	}
}

func (d *document) checkWindows() {
	a := d.config.Alert
	if d.said("alert.window") || d.said("alert.max_window") || a.MaxWindow >= a.Window {
		return
	}
	if !d.has("alert.max_window") {
		d.errorf(d.line("alert.window"), "alert.window", "%s is longer than max_window, which is %s; set max_window too", d.text("alert.window"), a.MaxWindow)
		return
	}
	window := a.Window.String() // the default, or else as it is written
	if d.has("alert.window") {
		window = d.text("alert.window")
	}
	d.errorf(d.line("alert.max_window"), "alert.max_window", "%s is shorter than window, which is %s", d.text("alert.max_window"), window)
}
