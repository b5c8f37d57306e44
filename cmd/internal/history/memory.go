package history

import "github.com/flowhound/flowhound/cmd/internal/flow"

// buffer holds the records of one segment, up to 50 MB.
type buffer struct {
	records []flow.Record
	all     []flow.Record // what records is made of: of memory
	memory  []byte
}

// reset empties the buffer.
func (b *buffer) reset() {
	if b.all != nil {
		b.records = b.all
	}
	b.records = b.records[:0]
}
