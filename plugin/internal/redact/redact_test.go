package redact

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	var r Redactor
	if r.Redact("as it is") != "as it is" {
		t.Error("the zero value changes texts")
	}
	r.Learn([]string{"https://hooks.example/T00/B00/x%20y?z=1", `pass"word`, "abc", ""})
	_, parse := url.Parse("https://hooks.example/T00/B00/x%20y?z=1")
	for _, s := range []string{
		(&url.Error{Op: "Post", URL: "https://hooks.example/T00/B00/x%20y?z=1", Err: errors.New("EOF")}).Error(),
		"GET /T00/B00/x%20y?z=1: 404", "path /T00/B00/x y", fmt.Sprintf("%q", `pass"word`), `pass"word`, url.QueryEscape(`pass"word`), fmt.Sprint(parse),
	} {
		got := r.Redact(s)
		for _, secret := range []string{"B00", "pass", "word"} {
			if strings.Contains(got, secret) {
				t.Errorf("%s became %s", s, got)
			}
		}
	}
	if got := r.Redact("abc def"); got != "abc def" {
		t.Errorf("a secret of three letters cut %q", got)
	}
}

func TestValues(t *testing.T) {
	settings := `{"a": "1", "tls": {"key": "2"}, "nodes": [{"pw": "3"}, {"pw": "4"}], "headers": {"x": "5"}, "tokens": ["6"], "n": 7}`
	got := Values([]byte(settings), []string{"a", "tls.key", "nodes[].pw", "headers.*", "tokens[]", "n", "none.here"})
	if want := []string{"1", "2", "3", "4", "5", "6"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Values([]byte("{"), []string{"a"}); got != nil {
		t.Errorf("of no JSON: %q", got)
	}
}
