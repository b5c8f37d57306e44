package query

import (
	"bytes"
	"fmt"
)

// maxList is how many values a list may have: ten times what a question was measured
// with.
const maxList = 1_000_000

// file adds the values of a file: separated by commas or white space, with # and ;
// before remarks.
func (p *parser) file(c *collector, t token, name string) error {
	if name == "" {
		return p.fail(t, "@ needs the name of a file", "")
	}
	if p.env.ReadList == nil {
		return p.fail(t, "lists from files are not allowed here", "")
	}
	b, err := p.env.ReadList(name)
	if err != nil {
		return p.fail(t, "cannot read the list: "+err.Error(), "")
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	number, read := 0, 0
	for line := range bytes.Lines(b) {
		number++
		if i := bytes.IndexAny(line, "#;"); i >= 0 {
			line = line[:i]
		}
		for _, v := range bytes.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\r' || r == '\n' }) {
			if read++; read > maxList {
				return p.fail(t, fmt.Sprintf("%s has more than %d values", name, maxList), "")
			}
			if len(v) > 100 {
				v = v[:100]
			}
			if m := c.add(string(v)); m != nil {
				return p.fail(t, fmt.Sprintf("%s:%d: %s", name, number, m.message), m.suggestion)
			}
		}
	}
	return nil // a list without values matches nothing
}
