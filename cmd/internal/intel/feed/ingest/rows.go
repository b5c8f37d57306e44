package ingest

import (
	"bytes"
	"encoding/csv"
)

// Rows reads CSV records one at a time, so that a damaged one costs itself only.
type Rows struct {
	comma rune
	in    *bytes.Buffer
	csv   *csv.Reader
}

// NewRows returns Rows whose fields are separated by comma, and by blanks after
// it unless it is a tab.
func NewRows(comma rune) *Rows {
	r := &Rows{comma: comma, in: new(bytes.Buffer)}
	r.reset()
	return r
}

func (r *Rows) reset() {
	r.in.Reset()
	r.csv = csv.NewReader(r.in)
	r.csv.Comma, r.csv.FieldsPerRecord, r.csv.ReuseRecord, r.csv.TrimLeadingSpace = r.comma, -1, true, r.comma != '\t'
}

// Read returns the fields of one record, good until the next one is read.
func (r *Rows) Read(record string) ([]string, error) {
	r.in.WriteString(record)
	r.in.WriteByte('\n')
	fields, err := r.csv.Read()
	if err != nil {
		r.reset() // what is still buffered belongs to the damaged record
	}
	return fields, err
}
