package taxii

import (
	"fmt"
	"strings"
)

// kind says what a token of a pattern is.
type kind uint8

const (
	end    kind = iota
	word        // a keyword or name: letters, digits, "_", "-"; also a number or a whole object path
	text        // a string, its quotes and escapes undone
	moment      // t'...'
	binary      // b'...' or h'...', which no path of ours has
	symbol      // a bracket, comma, or comparison
)

type token struct {
	kind kind
	text string
}

// lexer splits a STIX pattern (STIX 2.1, section 9) into tokens.
type lexer struct {
	in string
	at int
}

func (l *lexer) next() (token, error) {
	if err := l.skip(); err != nil || l.at == len(l.in) {
		return token{}, err
	}
	c := l.in[l.at]
	switch {
	case strings.HasPrefix(l.in[l.at:], "t'"), strings.HasPrefix(l.in[l.at:], "b'"), strings.HasPrefix(l.in[l.at:], "h'"):
		l.at++
		s, err := l.quoted()
		if c == 't' {
			return token{moment, s}, err
		}
		return token{binary, s}, err
	case c == '\'':
		s, err := l.quoted()
		return token{text, s}, err
	case isWord(c):
		return token{word, l.path()}, nil
	case strings.HasPrefix(l.in[l.at:], "!="), strings.HasPrefix(l.in[l.at:], "<="), strings.HasPrefix(l.in[l.at:], ">="), strings.HasPrefix(l.in[l.at:], "<>"), strings.HasPrefix(l.in[l.at:], "=="):
		l.at += 2
		return token{symbol, l.in[l.at-2 : l.at]}, nil
	case strings.IndexByte("[]()=,<>", c) >= 0:
		l.at++
		return token{symbol, string(c)}, nil
	}
	return token{}, fmt.Errorf("unexpected %q at %d", c, l.at)
}

// skip goes over white space and comments.
func (l *lexer) skip() error {
	for {
		l.at += len(l.in[l.at:]) - len(strings.TrimLeft(l.in[l.at:], " \t\r\n\v\f\u00a0\u2028\u2029\ufeff"))
		switch rest := l.in[l.at:]; {
		case strings.HasPrefix(rest, "//"):
			end := strings.IndexAny(rest, "\r\n")
			if end < 0 {
				end = len(rest)
			}
			l.at += end
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 0 {
				return fmt.Errorf("comment at %d does not end", l.at)
			}
			l.at += end + 2
		default:
			return nil
		}
	}
}

// isWord reports whether c may be part of a word or of a path.
func isWord(c byte) bool {
	return c == '_' || c == '-' || c == '+' || c == ':' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// path reads a word or an object path, whose steps may be quoted and have an
// index: file:hashes.'SHA-256', x:list[*].y.
func (l *lexer) path() string {
	from := l.at
	for l.at < len(l.in) {
		c := l.in[l.at]
		switch {
		case isWord(c):
			l.at++
			continue
		case c == '[':
			if end := strings.IndexByte(l.in[l.at:], ']'); end > 1 && isIndex(l.in[l.at+1:l.at+end]) {
				l.at += end + 1
				continue
			}
		case c == '\'' && l.at > from && l.in[l.at-1] == '.':
			if _, err := l.quoted(); err == nil {
				continue
			}
		}
		break
	}
	return l.in[from:l.at]
}

func isIndex(s string) bool {
	if s == "*" {
		return true
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// quoted reads a string.
func (l *lexer) quoted() (string, error) {
	var b strings.Builder
	for at := l.at + 1; at < len(l.in); at++ {
		switch c := l.in[at]; c {
		case '\'':
			l.at = at + 1
			return b.String(), nil
		case '\\':
			if at++; at < len(l.in) {
				b.WriteByte(l.in[at])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("string at %d does not end", l.at)
}
