package text

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestTable holds the table of README.md to the code: a row for each place, and
// its example is what the place makes of it.
func TestTable(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.TrimSpace(strings.ReplaceAll(line, `\|`, "\x00")), "|")
		if len(cells) == 6 && strings.HasPrefix(cells[1], " `") {
			rows[strings.Trim(cells[1], " `")] = strings.ReplaceAll(strings.Trim(cells[4], " "), "\x00", "|")
		}
	}
	const example = "\u202e a\t\x00\"b\" \\ [c|d]^=<e>\xff"
	for _, p := range Places() {
		row, ok := rows[p.Name()]
		if !ok {
			t.Errorf("README.md has no row for %s", p.Name())
		}
		delete(rows, p.Name())
		if got, want := p.String(example, 200), strings.TrimSuffix(strings.TrimPrefix(row, "`` "), " ``"); got != want {
			t.Errorf("%s: README.md says %s, the code %s", p.Name(), want, got)
		}
	}
	if len(rows) > 0 {
		t.Errorf("README.md has rows of no place: %q", rows)
	}
}

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		p        Place
		in, want string
		room     int
	}{
		{Line, "", "-", 0},
		{Line, "a  b\u2028c\x1b[31m", "a b c [31m", 99},
		{Line, "日本語", "日本", 8},
		{Token, "a b\"é", "a_b__", 99},
		{Host, "gw.example:1 x", "gw.example-1-x", 99},
		{Word, "Дом @x", "Дом--x", 99},
		{Word, "", "-", 99},
		{CEF, "a=b\nc", `a\=b c`, 99},
		{CEF, "a=", "a", 2}, // no escape in half
		{Markdown, "- a_b", Joint + `- a\_b`, 99},
		{Markdown, "a" + Joint + "@", "a" + Joint + "@", 99},
		{JSON, "a" + Joint + "b", "ab", 99},
		{Zeek, "", "-", 99},
	} {
		if got := c.p.String(c.in, c.room); got != c.want {
			t.Errorf("%s of %q in %d: %q, want %q", c.p.Name(), c.in, c.room, got, c.want)
		}
	}
	if got := Markup.Fit("a<<<<", 10); got != "a&lt;…" {
		t.Errorf("Fit: %q", got)
	}
	if got := Short("日本語日本語", 4); got != "日本語…" {
		t.Errorf("Short: %q", got)
	}
	if got := Screen("a:\n\t\x1b[2Jb\u202e  c\xff\r"); got != "a:\n\t[2Jb  c?" {
		t.Errorf("Screen: %q", got)
	}
	if got := Excerpt("a\nb c", 3); got != "a b..." {
		t.Errorf("Excerpt: %q", got)
	}
}

func TestDefang(t *testing.T) {
	for _, in := range []string{"@everyone", "#channel", "https://evil.example", "evil.example", "/gamble 5"} {
		if got := Defang(in); got == in || strings.ReplaceAll(got, Joint, "") != in {
			t.Errorf("%q becomes %q", in, got)
		}
	}
	if got := Defang("Wave 3.5, v1"); got != "Wave 3.5, v1" {
		t.Errorf("%q", got)
	}
}

func TestRedactor(t *testing.T) {
	var r Redactor
	if r.Redact("as it is") != "as it is" {
		t.Error("the zero value changes texts")
	}
	secrets := []string{"https://hooks.example/T0000000/B0000000/x%20y?z=longvalue", `pass"word`, "abc", "", "token", "token-that-is-longer"}
	r.Learn(secrets)
	_, parse := url.Parse(secrets[0])
	for _, s := range []string{
		(&url.Error{Op: "Post", URL: secrets[0], Err: errors.New("EOF")}).Error(),
		"GET /T0000000/B0000000/x%20y?z=1: 404", "path /T0000000/B0000000/x y", fmt.Sprintf("%q", `pass"word`), `pass"word`, url.QueryEscape(`pass"word`),
		fmt.Sprint(parse), "no hook B0000000", "z is longvalue", "it was token-that-is-longer", "pass\u200e\"wo\u202erd", "  pass\"word\n",
	} {
		got := r.Excerpt(s, 1000)
		for _, secret := range []string{"B000", "pass", "word", "longvalue", "that-is"} {
			if strings.Contains(got, secret) {
				t.Errorf("%q became %q", s, got)
			}
		}
	}
	if got := r.Redact("abc def"); got != "abc def" {
		t.Errorf("a secret of three letters cut %q", got)
	}
	if got := r.Excerpt("the key is token-that-is-longer", 20); strings.Contains(got, "token") {
		t.Errorf("half a secret is left: %q", got)
	}
}

func TestURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://isc.sans.edu/feeds/block.txt":                                "https://isc.sans.edu/feeds/block.txt",
		"https://u:p@example.net/a":                                           "https://<secret>@example.net/a",
		"https://example.net/exports/0123456789abcdef0123456789abcdef/r.json": "https://example.net/exports/<secret>/r.json",
		"https://example.net/a?key=s&since=2#f":                               "https://example.net/a?key=<secret>&since=<secret>",
		"https://example.net/a?sesame":                                        "https://example.net/a?=<secret>",
		"https://example.net/%zz?key=s":                                       "<secret>",
		"sesame":                                                              "<secret>",
	} {
		if got := URL(in); got != want {
			t.Errorf("URL(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSecretsIn(t *testing.T) {
	settings := `{"a": "1", "tls": {"key": "2"}, "nodes": [{"pw": "3"}, {"pw": "4"}], "headers": {"x": "5"}, "tokens": ["6"], "n": 7}`
	got := SecretsIn([]byte(settings), []string{"a", "tls.key", "nodes[].pw", "headers.*", "tokens[]", "n", "none.here"})
	if want := []string{"1", "2", "3", "4", "5", "6"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := SecretsIn([]byte("{"), []string{"a"}); got != nil {
		t.Errorf("of no JSON: %q", got)
	}
}

// FuzzText holds that nothing from outside breaks out of any place, that no limit
// is passed, and that no known secret is said.
func FuzzText(f *testing.F) {
	for _, s := range []string{
		"Wave 3", "a\n\nhit kind=new sev=critical", "\x1b]0;pwned\x07", "\u202egpj.exe", "\u2028second", `"] [x@1 y="z`, "a|b\\|c=d^e",
		"<!channel> &lt;", "[x](https://evil.example)", "@everyone", "\xff\xfe\xc0\x80", "- list", "\\x09", strings.Repeat("日", 500),
	} {
		f.Add(s, "hunter22", 100)
	}
	f.Fuzz(func(t *testing.T, s, secret string, room int) {
		room = max(1, room%2000)
		for _, p := range Places() {
			check(t, p, s, p.String(s, room), max(room, len(p.empty)))
			if p.word == nil {
				check(t, p, s, p.Fit(s, room), max(room, len(ellipsis)))
			}
		}
		if got := Short(Clean(s, len(s)*2), room); utf8.RuneCountInString(got) > room {
			t.Errorf("Short: %d of %d", utf8.RuneCountInString(got), room)
		}
		check(t, Message, s, strings.TrimSuffix(Excerpt(s, room), "..."), room)
		for _, link := range []string{Link(s, room), Reference(s, room)} {
			if !IsWord(link) && link != "" && Clean(link, len(link)) != link || len(link) > room {
				t.Errorf("a link of %q is %q", s, link)
			}
		}
		clean := Clean(secret, 2*len(secret))
		if len(clean) < minSecret || strings.Contains(Secret, clean) {
			return
		}
		var r Redactor
		r.Learn([]string{secret})
		rest := strings.ReplaceAll(Clean(s, 2*len(s)), clean, "")
		if got := r.Excerpt(s+" "+secret+" "+s, 1<<20); strings.Contains(got, clean) && !strings.Contains(rest+" "+Secret+" "+rest, clean) {
			t.Errorf("%q is in %q", clean, got)
		}
	})
}

// check looks for what must not stand at p.
func check(t *testing.T, p Place, in, out string, room int) {
	t.Helper()
	if len(out) > room || !utf8.ValidString(out) {
		t.Fatalf("%s of %q: %d bytes of %d: %q", p.Name(), in, len(out), room, out)
	}
	for _, r := range out {
		if !unicode.IsPrint(r) && (r != joint || !p.joints && p.lead == "") {
			t.Fatalf("%s of %q has %q: %q", p.Name(), in, r, out)
		}
	}
	for _, as := range p.as { // what is left has no special character
		out = strings.ReplaceAll(out, as, "")
	}
	out = strings.TrimPrefix(out, Joint)
	for _, r := range out {
		if r < utf8.RuneSelf && strings.ContainsRune(p.special, r) {
			t.Fatalf("%s of %q has a bare %q: %q", p.Name(), in, r, out)
		}
		if p.word != nil && !p.word(r) && out != p.empty {
			t.Fatalf("%s of %q has %q", p.Name(), in, r)
		}
	}
}

var sink []byte

func BenchmarkLine(b *testing.B) {
	buf := make([]byte, 0, 1024)
	for b.Loop() {
		sink = Line.Append(buf, `Emotet wave 3: "payload" hosts, seen in 2026`, 300)
	}
}

func BenchmarkCleanPlain(b *testing.B) {
	for b.Loop() {
		_ = Clean("Emotet wave 3: payload hosts, seen in 2026", 256)
	}
}
