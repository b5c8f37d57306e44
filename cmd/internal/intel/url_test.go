package intel

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
)

func TestSplitURL(t *testing.T) {
	for text, want := range map[string]URL{
		"http://192.0.2.1/bin%":                    {"http", "192.0.2.1", 0, "/bin%"},
		"http://192.0.2.2:8080/%%20x":              {"http", "192.0.2.2", 8080, "/%%20x"},
		"HTTPS://User:p%zz@Bad.Example.:443/a?b#c": {"https", "bad.example", 443, "/a?b#c"},
		"http://a@b@bad.example":                   {"http", "bad.example", 0, ""},
		"http://[2001:db8::1]:81/x":                {"http", "2001:db8::1", 81, "/x"},
		"http://bad.example:/x":                    {"http", "bad.example", 0, "/x"},
		"http://bad.example\\evil":                 {"http", "bad.example", 0, "\\evil"},
		"http://bad.example?q=%":                   {"http", "bad.example", 0, "?q=%"},
		"http://bad.example/a\tb\x01":              {"http", "bad.example", 0, "/a\tb\x01"},
		"ftp://bücher.example/":                    {"ftp", "bücher.example", 0, "/"},
	} {
		if got, ok := SplitURL(text); !ok || got != want {
			t.Errorf("SplitURL(%q) = %+v, %v, want %+v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "bad.example/x", "://bad.example", "1x://bad.example", "http://", "http:///x", "http://[::1", "http://[bad.example]/",
		"http://bad.example:99999/", "http://bad.example:http/", "http://bad example/", "http://bad%2eexample/", "ht tp://bad.example"} {
		if got, ok := SplitURL(text); ok {
			t.Errorf("SplitURL(%q) = %+v", text, got)
		}
	}
}

// Where net/url reads a URL too, both name the same host.
func FuzzSplitURL(f *testing.F) {
	for _, s := range []string{"http://192.0.2.1/bin%", "https://u:p@[2001:db8::1]:81/x?y#z", "a+b://C.:1", "http://a\\b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := SplitURL(text)
		if !ok {
			return
		}
		if got.Host == "" || got.Host != strings.ToLower(got.Host) || !strings.HasSuffix(text, got.Rest) {
			t.Fatalf("%q: %+v", text, got)
		}
		if u, err := url.Parse(text); err == nil && !strings.ContainsAny(text, `\%`) {
			port, _ := strconv.ParseUint(u.Port(), 10, 16)
			if host := strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")); host != got.Host || uint16(port) != got.Port {
				t.Fatalf("%q: %+v, net/url says %q %s", text, got, host, u.Port())
			}
		}
	})
}
