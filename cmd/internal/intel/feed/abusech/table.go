package abusech

import (
	"io"
	"slices"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// table reads the CSV documents of abuse.ch: comments in front, the header as
// the last of them or as the first row, values in quotes with ", " or "," between
// them, comments behind.
type table struct {
	lines  *ingest.Lines
	rows   *ingest.Rows
	header []string
	fields []string
}

// readTable calls each for every record. A damaged record is counted in drops.
// It reports whether there was a header that has the wanted column.
func readTable(r io.Reader, wanted string, drops ingest.Drops, each func(t *table)) (found bool, err error) {
	lines, err := ingest.NewLines(r)
	if err != nil {
		return false, err
	}
	t := &table{lines: lines, rows: ingest.NewRows(',')}
	for lines.Next() {
		line := lines.Text()
		comment, isComment := strings.CutPrefix(line, "#")
		if t.header == nil {
			if t.readHeader(comment, wanted); t.header != nil || isComment {
				continue
			}
		}
		if isComment {
			continue
		}
		fields, err := t.rows.Read(string(lines.Raw()))
		if t.fields = fields; err != nil || t.header == nil || len(fields) != len(t.header) {
			drops.Add(ingest.BadRecord, lines.N(), line)
			continue
		}
		each(t)
	}
	lines.CountLong(drops)
	return t.header != nil, lines.Err()
}

func (t *table) readHeader(line, wanted string) {
	names, err := t.rows.Read(line)
	if err != nil {
		return
	}
	names = slices.Clone(names)
	for at := range names {
		names[at] = strings.ToLower(strings.TrimSpace(names[at]))
	}
	if slices.Contains(names, wanted) {
		t.header = names
	}
}

// get returns a field by the name of its column, "" where there is none.
func (t *table) get(name string) string {
	at := slices.Index(t.header, name)
	if at < 0 {
		return ""
	}
	return given(t.fields[at])
}

// given returns a value without blanks around it, or "" for the words that mean
// that there is none.
func given(s string) string {
	switch s = strings.TrimSpace(s); s {
	case "None", "none", "null", "NULL", "-":
		return ""
	}
	return s
}
