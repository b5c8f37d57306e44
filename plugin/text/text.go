// Package text makes text from outside safe for the place where it goes. Feeds,
// servers, plugins and captures are not trusted: a blacklist's name may hold a
// line break and a second alert, "@everyone", an escape sequence for a terminal,
// or a character that turns the direction of writing. All cleaning, escaping and
// hiding of secrets is here; README.md has the table of what each place allows.
//
// It does no I/O and knows nothing of hits, feeds or services. Everything in it
// may be used concurrently.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Place is where a text goes. In all places a text is one line of valid UTF-8:
// a run of white space and control characters becomes one space, none at the start
// or the end; others that do not print (bidirectional overrides too) go; a byte
// that is not UTF-8 becomes '?'. A Place says what else must not stand there as it
// is.
type Place struct {
	name    string
	special string   // ASCII characters that need another form
	as      []string // the form of each
	lead    string   // ASCII characters that are markup at the start
	joints  bool     // Joint may stand there
	empty   string   // what stands for nothing
	word    func(rune) bool
	instead byte                // in a word, for every rune that word rejects
	bare    [utf8.RuneSelf]bool // ASCII characters that stand as they are, a space not among them
}

// place fills in what stands as it is: nearly all of nearly every text.
func place(p Place) Place {
	for c := byte('!'); c <= '~'; c++ {
		p.bare[c] = strings.IndexByte(p.special, c) < 0 && (p.word == nil || p.word(rune(c)))
	}
	return p
}

// The places. Escapes are those of the formats' specifications; where a format
// has none, another character stands in.
var (
	// Line is a value in the double quotes of flowhound's alert line.
	Line = place(Place{name: "Line", special: `"`, as: []string{"'"}, empty: "-"})
	// Token is a value of that line outside quotes.
	Token = place(Place{name: "Token", word: isToken, instead: '_', empty: "-"})
	// Host is a host name in a syslog header. OSSEC takes no other characters.
	Host = place(Place{name: "Host", word: isHost, instead: '-'})
	// Word is a feed's or a category's name in a title that no markup escapes.
	Word = place(Place{name: "Word", word: isWord, instead: '-', empty: "-"})

	// JSON is a string in JSON: the encoder escapes.
	JSON = place(Place{name: "JSON"})
	// Quoted is a value in double quotes with backslashes, as in logfmt.
	Quoted = place(Place{name: "Quoted", special: `"\`, as: backslashed})
	// SD is a parameter's value in RFC 5424's structured data (section 6.3.3).
	SD = place(Place{name: "SD", special: `"\]`, as: []string{`\"`, `\\`, `\]`}})
	// CEFHeader and CEF are ArcSight's header and extension.
	CEFHeader = place(Place{name: "CEFHeader", special: `|\`, as: []string{`\|`, `\\`}})
	CEF       = place(Place{name: "CEF", special: `=\`, as: []string{`\=`, `\\`}})
	// LEEFHeader and LEEF are QRadar's with the delimiter ^, which has no escape.
	LEEFHeader = place(Place{name: "LEEFHeader", special: `^|`, as: []string{"_", "_"}})
	LEEF       = place(Place{name: "LEEF", special: `^`, as: []string{"_"}})

	// Markup is a text for Slack, Google Chat and HTML (Telegram).
	Markup = place(Place{name: "Markup", special: "&<>", as: []string{"&amp;", "&lt;", "&gt;"}, joints: true})
	// Markdown is a text for Discord, Mattermost and Rocket.Chat.
	Markdown = place(Place{name: "Markdown", special: "\\`*_[]<>|~", lead: "-+#>=", joints: true,
		as: []string{`\\`, "\\`", `\*`, `\_`, `\[`, `\]`, `\<`, `\>`, `\|`, `\~`}})
	// Plain is a text for services and fields without markup (Teams, ntfy, PagerDuty).
	Plain = place(Place{name: "Plain", joints: true})

	// Zone is a comment in a zone file, which only the line's end ends.
	Zone = place(Place{name: "Zone"})
	// Zeek is a field of a tab-separated file that Zeek reads.
	Zeek = place(Place{name: "Zeek", special: `\`, as: []string{`\x5c`}, empty: "-"})
	// Message is a part of a log line, an error, a status or a terminal's screen.
	Message = place(Place{name: "Message"})
)

var backslashed = []string{`\"`, `\\`}

// Places are all of them, for tests and documentation.
func Places() []Place {
	return []Place{Line, Token, Host, Word, JSON, Quoted, SD, CEFHeader, CEF, LEEFHeader, LEEF, Markup, Markdown, Plain, Zone, Zeek, Message}
}

// Name is the place's name, as in the table.
func (p Place) Name() string { return p.name }

// Append appends s as it may stand at p, in at most room bytes, never a rune or
// an escape in half. It does not allocate when b has the room.
func (p *Place) Append(b []byte, s string, room int) []byte {
	start := len(b)
	if p.word != nil {
		b = p.appendWord(b, s, room)
	} else {
		b, _ = p.append(b, s, room)
	}
	if len(b) == start {
		b = append(b, p.empty...)
	}
	return b
}

// String is Append to a new string.
func (p *Place) String(s string, room int) string {
	if p.special == "" && p.word == nil && len(s) > 0 && len(s) <= room && printsAlone(s) {
		return s
	}
	return string(p.Append(nil, s, room))
}

// Fit is String, but a text that is cut ends in an ellipsis, which counts.
func (p *Place) Fit(s string, limit int) string {
	b, cut := p.append(nil, s, limit)
	if !cut {
		return string(b)
	}
	b, _ = p.append(nil, s, max(0, limit-len(ellipsis)))
	return string(b) + ellipsis
}

const ellipsis = "…"

// append appends s and reports whether it had to be cut.
func (p *Place) append(b []byte, s string, room int) ([]byte, bool) {
	start, gap := len(b), false
	for i, size := 0, 0; i < len(s); i += size {
		if size = p.run(s[i:]); size > 0 && !gap && (len(b) > start || strings.IndexByte(p.lead, s[i]) < 0) {
			if room < len(b)-start+size {
				return append(b, s[i:i+max(0, room-(len(b)-start))]...), true
			}
			b = append(b, s[i:i+size]...)
			continue
		}
		var r rune
		r, size = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			r = '?'
		case unicode.IsSpace(r) || unicode.IsControl(r):
			gap = len(b) > start
			continue
		case r == joint && p.joints:
		case !unicode.IsPrint(r):
			continue
		}
		before := ""
		switch {
		case gap:
			before, gap = " ", false
		case len(b) == start && r < utf8.RuneSelf && strings.IndexByte(p.lead, byte(r)) >= 0:
			before = Joint
		}
		form, n := "", utf8.RuneLen(r)
		if r < utf8.RuneSelf {
			if at := strings.IndexByte(p.special, byte(r)); at >= 0 {
				form = p.as[at]
				n = len(form)
			}
		}
		if len(b)-start+len(before)+n > room {
			return b, true
		}
		b = append(b, before...)
		if form != "" {
			b = append(b, form...)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return b, false
}

// run is how many bytes at the start of s stand as they are.
func (p *Place) run(s string) int {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || !p.bare[c] {
			return i
		}
	}
	return len(s)
}

// appendWord appends s with another character for each that a word must not have.
func (p *Place) appendWord(b []byte, s string, room int) []byte {
	start := len(b)
	for i, size := 0, 0; i < len(s); i += size {
		if size = min(p.run(s[i:]), room-(len(b)-start)); size > 0 {
			b = append(b, s[i:i+size]...)
			continue
		}
		var r rune
		r, size = utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || !p.word(r) {
			r = rune(p.instead)
		}
		if len(b)-start+utf8.RuneLen(r) > room {
			break
		}
		b = utf8.AppendRune(b, r)
	}
	return b
}

func isToken(r rune) bool { return r > ' ' && r <= '~' && r != '"' }

func isHost(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-'
}

func isWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '.' || r == '_'
}

// printsAlone reports whether s is printable ASCII that cleaning leaves alone.
func printsAlone(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c > '~' || c == ' ' && (i == 0 || i == len(s)-1 || s[i-1] == ' ') {
			return false
		}
	}
	return true
}

// Clean returns free text on one clean line, at most limit bytes.
func Clean(s string, limit int) string { return JSON.String(s, limit) }

// Short is s, which is clean, in at most limit characters, the last of them an
// ellipsis when it was cut. Chat services count characters.
func Short(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n++; n == limit {
			return s[:i] + ellipsis
		}
	}
	return ""
}
