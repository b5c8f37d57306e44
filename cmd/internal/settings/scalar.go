package settings

import (
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/flowhound/flowhound/plugin/nearest"
)

// scalarType is how one Go type is written in YAML. Whether a value was quoted
// makes no difference: the type of the key decides how its text is read.
type scalarType struct {
	want    string                               // what a value is, for messages: "a number"
	set     func(v reflect.Value, s string) bool // false: s is no such value
	suggest func(s string) string                // what s was meant to be, "" when that cannot be told
	section bool                                 // a section of the struct's keys may stand in its place
}

// scalarOf returns how t is written when it is written as a single value.
func (d *Document) scalarOf(t reflect.Type) (scalarType, bool) {
	if s, ok := d.types[t]; ok {
		return s, true
	}
	s, ok := scalarKinds[t.Kind()]
	return s, ok
}

// errRejected stands for any error here: the message is made from scalarType.want.
var errRejected = errors.New("rejected")

func noSuggestion(string) string { return "" }

var scalarTypes = map[reflect.Type]scalarType{
	reflect.TypeFor[time.Duration](): scalar("a duration such as 30s, 5m, 24h or 90d", parseDuration, noSuggestion),
	reflect.TypeFor[time.Time]():     scalar("a date such as 2027-01-31 or a time such as 2027-01-31T18:00:00Z", parseTime, noSuggestion),
	reflect.TypeFor[Size]():          scalar("a size such as 500KB, 100MB or 2GB", unmarshal[Size], noSuggestion),
	reflect.TypeFor[netip.Addr]():    scalar("an IP address such as 192.0.2.1 or 2001:db8::1", ParseAddr, noSuggestion),
	reflect.TypeFor[netip.Prefix]():  scalar("an IP address or network such as 192.0.2.0/24", parsePrefix, suggestPrefix),
}

// Type is how the values of a caller's type are written.
type Type struct {
	of reflect.Type
	scalarType
}

// Text is the Type of a T that its UnmarshalText reads. want says what a value is,
// for messages; suggest what was meant, "" when that cannot be told.
func Text[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](want string, suggest func(string) string) Type {
	return Type{reflect.TypeFor[T](), scalar(want, unmarshal[T, P], suggest)}
}

// Enum is the Type of an enumeration with the values 0 to n-1.
func Enum[T interface {
	~uint8
	fmt.Stringer
}, P interface {
	*T
	encoding.TextUnmarshaler
}](n int) Type {
	return Type{reflect.TypeFor[T](), choice[T, P](n)}
}

// OrSection is t where a section of the struct's keys may stand for a word.
func (t Type) OrSection() Type {
	t.section = true
	return t
}

// scalarKinds holds the plain types, which have no entry in scalarTypes.
var scalarKinds = map[reflect.Kind]scalarType{
	reflect.String: {want: "text without line breaks", set: setString, suggest: noSuggestion},
	reflect.Bool:   {want: "true or false", set: setBool, suggest: suggestBool},
	reflect.Int:    {want: "a whole number", set: setInt, suggest: noSuggestion},
	reflect.Uint32: {want: "a whole number from 0 to 4294967295", set: setUint, suggest: noSuggestion},
}

func setString(v reflect.Value, s string) bool {
	v.SetString(s)
	return !strings.ContainsFunc(s, unicode.IsControl)
}

func setBool(v reflect.Value, s string) bool {
	v.SetBool(s == "true")
	return s == "true" || s == "false"
}

func suggestBool(s string) string {
	switch strings.ToLower(s) {
	case "yes", "on", "1", "y", "true":
		return "true"
	case "no", "off", "0", "n", "false":
		return "false"
	}
	return ""
}

func setInt(v reflect.Value, s string) bool {
	n, err := strconv.ParseInt(s, 10, 32)
	v.SetInt(n)
	return err == nil
}

func setUint(v reflect.Value, s string) bool {
	n, err := strconv.ParseUint(s, 10, 32)
	v.SetUint(n)
	return err == nil
}

// scalar makes the scalarType of a T that parse reads.
func scalar[T any](want string, parse func(string) (T, error), suggest func(string) string) scalarType {
	set := func(v reflect.Value, s string) bool {
		x, err := parse(s)
		v.Set(reflect.ValueOf(x))
		return err == nil
	}
	return scalarType{want: want, set: set, suggest: suggest}
}

// unmarshal reads a T by its UnmarshalText.
func unmarshal[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](s string) (T, error) {
	var x T
	err := P(&x).UnmarshalText([]byte(s))
	return x, err
}

// choice makes the scalarType of an enumeration with the values 0 to n-1.
func choice[T interface {
	~uint8
	fmt.Stringer
}, P interface {
	*T
	encoding.TextUnmarshaler
}](n int) scalarType {
	names := make([]string, n)
	for i := range names {
		names[i] = T(i).String()
	}
	suggest := func(s string) string { return nearest.Word(s, names) }
	return scalar("one of "+strings.Join(names, ", "), unmarshal[T, P], suggest)
}

// parseTime reads a time with its offset, or a date, which lasts to its end in UTC.
func parseTime(s string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t.AddDate(0, 0, 1), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	return t.UTC(), err
}

// ParseDuration reads a time as the configuration writes it: 90d, 24h, 1d12h, 30s.
func ParseDuration(s string) (time.Duration, error) { return parseDuration(s) }

// parseDuration takes what time.ParseDuration takes, and days before it: 90d,
// 1d12h. A day has 24 hours. Durations are not negative.
func parseDuration(s string) (time.Duration, error) {
	var days time.Duration
	if n, rest, ok := strings.Cut(s, "d"); ok {
		d, err := strconv.ParseUint(n, 10, 16) // 2^16 days are 179 years: no overflow
		if err != nil {
			return 0, err
		}
		if days = time.Duration(d) * 24 * time.Hour; rest == "" {
			return days, nil
		}
		s = rest
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || days+d < 0 {
		return 0, errRejected
	}
	return days + d, nil
}
