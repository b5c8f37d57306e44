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
	t := &table{lines: lines}
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
		if t.fields, _ = ingest.Split(string(lines.Raw()), ',', t.fields); t.header == nil || len(t.fields) < len(t.header) {
			drops.Add(ingest.BadRecord, lines.N(), line)
			continue
		}
		each(t)
	}
	lines.CountLong(drops)
	return t.header != nil, lines.Err()
}

func (t *table) readHeader(line, wanted string) {
	names, _ := ingest.Split(line, ',', nil)
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
