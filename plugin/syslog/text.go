package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// escaping is how a text is kept from ending, or from starting another, field.
type escaping struct {
	chars string // ASCII characters that need it
	with  byte   // goes before each of them; 0: '_' stands for them
}

var (
	inQuotes    = escaping{`"\`, '\\'}  // key="value"
	inSD        = escaping{`"\]`, '\\'} // RFC 5424 section 6.3.3
	inCEFHeader = escaping{`|\`, '\\'}
	inCEF       = escaping{`=\`, '\\'}
	inLEEF      = escaping{`^`, 0} // LEEF cannot escape its delimiter
	inLEEFHead  = escaping{`^|`, 0}
	inJSON      = escaping{} // the encoder escapes
)

// appendText appends s as one line of valid UTF-8, escaped, in at most room bytes
// and never a rune or an escape in half: white space becomes a space, control and
// other unprintable characters (bidirectional overrides too) go, a byte that is
// no UTF-8 becomes '?'. These are the rules of our line.
func appendText(b []byte, s string, e escaping, room int) []byte {
	start := len(b)
	for i, size := 0, 0; i < len(s); i += size {
		var r rune
		r, size = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			r = '?'
		case unicode.IsSpace(r):
			r = ' '
		case !unicode.IsPrint(r):
			continue
		}
		if r == ' ' && len(b) == start {
			continue
		}
		special := r < utf8.RuneSelf && strings.IndexByte(e.chars, byte(r)) >= 0
		n := utf8.RuneLen(r)
		if special && e.with != 0 {
			n++
		}
		if len(b)-start+n > room {
			break
		}
		switch {
		case special && e.with == 0:
			b = append(b, '_')
		case special:
			b = append(b, e.with, byte(r))
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	for len(b) > start && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// appendName appends s as it may stand in a header: letters, digits, '.', '_' and
// '-', the rest becoming '-', at most limit bytes. OSSEC takes no other host name.
func appendName(b []byte, s string, limit int) []byte {
	for i := 0; i < len(s) && i < limit; i++ {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			c = '-'
		}
		b = append(b, c)
	}
	return b
}
