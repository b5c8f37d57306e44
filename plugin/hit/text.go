package hit

import (
	"unicode"
	"unicode/utf8"
)

// appendToken appends s as a value outside quotes, at most limit bytes: anything
// but printable ASCII, and quotes, become underscores. Empty is "-".
func appendToken(b []byte, s string, limit int) []byte {
	if s == "" {
		return append(b, '-')
	}
	for i := 0; i < len(s) && i < limit; i++ {
		c := s[i]
		if c <= ' ' || c > '~' || c == '"' {
			c = '_'
		}
		b = append(b, c)
	}
	return b
}

// appendText appends s as it may stand between quotes, at most room bytes and
// never a rune in half. Empty is "-", for which there is always room.
func appendText(b []byte, s string, room int) []byte {
	start := len(b)
	for i, size := 0, 0; i < len(s); i += size {
		var r rune
		r, size = utf8.DecodeRuneInString(s[i:])
		r = cleanRune(r, size)
		if r < 0 || r == ' ' && len(b) == start {
			continue
		}
		if len(b)-start+utf8.RuneLen(r) > room {
			break
		}
		b = utf8.AppendRune(b, r)
	}
	for len(b) > start && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	if len(b) == start {
		b = append(b, '-')
	}
	return b
}

// cleanRune returns what stands for r, read from size bytes, between quotes, or
// -1 for nothing: double quotes become single ones, white space becomes a space,
// control and other unprintable characters (bidirectional overrides too) go, a
// byte that is no UTF-8 becomes '?'.
func cleanRune(r rune, size int) rune {
	switch {
	case r == utf8.RuneError && size == 1:
		return '?'
	case r == '"':
		return '\''
	case unicode.IsSpace(r):
		return ' '
	case !unicode.IsPrint(r):
		return -1
	}
	return r
}
