package query

import "strings"

// kind is what a token is.
type kind uint8

const (
	end     kind = iota
	word         // anything else: a keyword, a number, an address, @file
	open         // (
	shut         // )
	listed       // [
	unlist       // ]
	comma        // ,
	compare      // < <= > >= = !=
	and          // and, && (a word is made one by the parser)
	or           // ||
	not          // !
)

// token is one piece of an expression: text[pos:end].
type token struct {
	kind     kind
	text     string // of a word as meant, without quotes; of a comparison its usual form
	pos, end int
}

const (
	special = "()[],<>=!&|\"'" + blank
	blank   = " \t\r\n\u00a0" // the last one stands in what is copied from a web page
)

var signs = []struct {
	text  string
	kind  kind
	means string
}{
	{"&&", and, ""}, {"||", or, ""}, {"<=", compare, "<="}, {">=", compare, ">="}, {"!=", compare, "!="}, {"==", compare, "="}, {"<>", compare, "!="},
	{"(", open, ""}, {")", shut, ""}, {"[", listed, ""}, {"]", unlist, ""}, {",", comma, ""},
	{"<", compare, "<"}, {">", compare, ">"}, {"=", compare, "="}, {"!", not, ""}, {"&", and, ""}, {"|", or, ""},
}

// lex cuts an expression into tokens. The last one is of kind end.
func lex(text string) ([]token, error) {
	var out []token
	for at := 0; ; {
		at = len(text) - len(strings.TrimLeft(text[at:], blank))
		if at == len(text) {
			return append(out, token{end, "", at, at}), nil
		}
		t, err := lexOne(text, at)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
		at = t.end
	}
}

func lexOne(text string, at int) (token, error) {
	rest := text[at:]
	for _, s := range signs {
		if strings.HasPrefix(rest, s.text) {
			return token{s.kind, s.means, at, at + len(s.text)}, nil
		}
	}
	if rest[0] == '"' || rest[0] == '\'' {
		return lexQuoted(text, at, at)
	}
	n := strings.IndexAny(rest, special)
	if n < 0 {
		n = len(rest)
	}
	if rest[:n] == "@" && n < len(rest) && (rest[n] == '"' || rest[n] == '\'') { // @"a file"
		t, err := lexQuoted(text, at, at+1)
		t.text = "@" + t.text
		return t, err
	}
	return token{word, rest[:n], at, at + n}, nil
}

// lexQuoted reads a word whose quote stands at quote and which starts at at.
func lexQuoted(text string, at, quote int) (token, error) {
	n := strings.IndexByte(text[quote+1:], text[quote])
	if n < 0 {
		return token{}, &Error{Text: text, Pos: at, End: len(text), Message: "this quote does not end"}
	}
	return token{word, text[quote+1 : quote+1+n], at, quote + n + 2}, nil
}
