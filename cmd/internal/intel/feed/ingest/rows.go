package ingest

import "strings"

// Split cuts a CSV record into its fields, as people and their scripts write them
// (RFC 4180 and what it forbids): blanks around a field do not count; a quote is
// special only where a field begins with it, and there "" and \" stand for a quote;
// what follows a closing quote up to the comma belongs to the field. open reports
// that a field's quotes do not end: the record goes on in the next line, or the
// quote is a slip. fields is used anew when it is long enough.
func Split(record string, comma byte, fields []string) (_ []string, open bool) {
	fields = fields[:0]
	for {
		var field string
		field, record, open = cutField(record, comma)
		fields = append(fields, field)
		if open || record == "" {
			return fields, open
		}
		record = record[1:]
	}
}

// cutField returns the first field and the rest, which is empty or begins with a comma.
func cutField(s string, comma byte) (field, rest string, open bool) {
	body := trimBlanks(s, comma)
	if !strings.HasPrefix(body, `"`) {
		end := strings.IndexByte(body, comma)
		if end < 0 {
			end = len(body)
		}
		return strings.TrimSpace(body[:end]), body[end:], false
	}
	body = body[1:]
	var b strings.Builder
	for at := 0; at < len(body); at++ {
		switch c := body[at]; {
		case c == '\\' && at+1 < len(body) && (body[at+1] == '"' || body[at+1] == '\\') && !endsField(body[at+2:], comma, body[at+1]):
			at++
			b.WriteByte(body[at])
		case c != '"':
			b.WriteByte(c)
		case at+1 < len(body) && body[at+1] == '"':
			at++
			b.WriteByte('"')
		default:
			end := strings.IndexByte(body[at+1:], comma)
			if end < 0 {
				end = len(body) - at - 1
			}
			after := body[at+1 : at+1+end]
			// Over several lines only a field by the book is one: otherwise its first
			// quote is a slip.
			slip := strings.TrimSpace(after) != "" && strings.Contains(b.String(), "\n")
			b.WriteString(after)
			return strings.TrimSpace(b.String()), body[at+1+end:], slip
		}
	}
	return strings.TrimSpace(b.String()), "", true
}

// endsField reports whether a backslash before a quote is only a backslash: "C:\dir\",
// ends there, and "a \"b\"" does not.
func endsField(after string, comma, c byte) bool {
	if c != '"' {
		return false
	}
	after = trimBlanks(after, comma)
	return after == "" || after[0] == comma
}

// trimBlanks cuts leading blanks that are no commas.
func trimBlanks(s string, comma byte) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') && s[0] != comma {
		s = s[1:]
	}
	return s
}
