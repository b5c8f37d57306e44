package show

import (
	"strings"
	"unicode/utf8"

	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/cmd/internal/parallel"
)

// keyTexts is the values of one field in the rows of an answer, as text. A long answer is a
// series in time or by country, whose values come again and again: each is made text once.
type keyTexts struct {
	first any      // the value of the first row
	texts []string // the different ones
	rows  []uint32 // for each row the place of its text
}

// of returns the text of a row.
func (k *keyTexts) of(row int) string { return k.texts[k.rows[row]] }

// mostTexts bounds how many values are remembered, of which an address is not seen again.
const mostTexts = 1 << 14

// textsOf returns the texts of each field; text makes them, those of several fields at once.
func textsOf(t *query.Top, o *query.TopOptions, text func(k *query.Key, v any) string) []keyTexts {
	out, at := make([]keyTexts, len(o.Keys)), make([]int, len(o.Keys)+1)
	for i := range o.Keys {
		at[i+1] = at[i] + o.Keys[i].Width()
	}
	parallel.Do(len(out), func(i int) { out[i].read(t.Rows, &o.Keys[i], at[i], o.Keys[i].Width(), text) })
	return out
}

// read reads a field that stands at a place of the packed keys.
func (k *keyTexts) read(rows []query.TopRow, key *query.Key, at, width int, text func(k *query.Key, v any) string) {
	known := map[string]uint32{}
	k.rows = make([]uint32, len(rows))
	var last []byte
	for i := range rows {
		packed := rows[i].Packed[at : at+width]
		if i > 0 && string(packed) == string(last) { // as times of a series are
			k.rows[i] = k.rows[i-1]
			continue
		}
		last = packed
		n, ok := known[string(packed)]
		if !ok {
			v := key.Value(packed)
			if i == 0 {
				k.first = v
			}
			n = uint32(len(k.texts))
			k.texts = append(k.texts, text(key, v))
			if len(known) < mostTexts {
				known[string(packed)] = n
			}
		}
		k.rows[i] = n
	}
}

// widest returns the length of the longest text.
func (k *keyTexts) widest() (n int) {
	for _, text := range k.texts {
		n = max(n, utf8.RuneCountInString(text))
	}
	return n
}

// pad makes all texts as wide as their column.
func (k *keyTexts) pad(width int, right bool) {
	for i, text := range k.texts {
		fill := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
		if right {
			k.texts[i] = fill + text
		} else {
			k.texts[i] = text + fill
		}
	}
}
