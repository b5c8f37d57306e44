package text

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Excerpt is what a server, a plugin or a library has answered, on one line for a message;
// "..." follows when it had more than limit bytes.
func Excerpt(s string, limit int) string {
	b, cut := Message.append(nil, s, limit)
	if cut {
		b = append(b, "..."...)
	}
	return string(b)
}

// Quote is a person's own text in a message: in double quotes with Go's escapes,
// and "..." in the place of what is beyond limit characters.
func Quote(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit]) + "..."
	}
	return strconv.Quote(s)
}

// Valid is s in UTF-8, with U+FFFD for what is not: all that a protobuf string
// asks for. The reader cleans it.
func Valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// ASCII is s without what may not stand in a header of HTTP.
func ASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}

// IsWord reports whether s is printable ASCII without spaces: what else a URL
// holds must be percent-encoded (RFC 3986 section 2).
func IsWord(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

// Joint is a space of no width. Services find mentions and bare addresses in any
// text, and few have an escape for that; no service finds one across it.
const (
	Joint = "\u200b"
	joint = '\u200b'
)

// Defang makes of addresses, mentions and commands in s, which is clean, mere text.
func Defang(s string) string {
	var b strings.Builder
	for i, r := range s {
		b.WriteRune(r)
		next, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
		switch {
		case r == '@' || r == '#',
			r == ':' && next == '/',
			r == '.' && unicode.IsLetter(next),
			r == '/' && unicode.IsLetter(next) && i == 0: // a command
			b.WriteString(Joint)
		}
	}
	return b.String()
}

// Reference returns s when it is an http or https URL that fits our line and has
// at most limit bytes, else "".
func Reference(s string, limit int) string {
	s = strings.TrimSpace(s)
	if len(s) > limit || !IsWord(s) || strings.Contains(s, `"`) {
		return ""
	}
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
		return ""
	}
	return s
}

// percent are the characters that could end a markup around a link.
var percent = strings.NewReplacer("|", "%7C", "<", "%3C", ">", "%3E", "(", "%28", ")", "%29", "[", "%5B", "]", "%5D",
	`"`, "%22", "'", "%27", "`", "%60", "*", "%2A", `\`, "%5C", " ", "%20")

// Link returns a reference as a link that cannot end a markup around it, or ""
// for what is not a web address, names a user, or is longer than limit bytes.
func Link(ref string, limit int) string {
	u, err := url.Parse(ref)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return ""
	}
	s := percent.Replace(u.String())
	if strings.HasPrefix(u.Host, "[") {
		s = strings.NewReplacer("%5B", "[", "%5D", "]").Replace(s) // an IPv6 address
	}
	if len(s) > limit || Clean(s, len(s)) != s {
		return ""
	}
	return s
}

// Screen is s for a terminal with its lines and columns: only line ends, tabs and
// what prints are left. Messages of errors go through it on their way out.
func Screen(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
