package history

import (
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/history/column"
	"github.com/flowhound/flowhound/cmd/internal/offheap"
)

// buffer holds the records of one segment, up to 50 MB.
type buffer struct {
	records []flow.Record
	memory  *offheap.Memory[flow.Record]
}

func newBuffer() *buffer {
	b := &buffer{memory: offheap.New[flow.Record](column.PartRecords)}
	b.reset()
	return b
}

// reset empties the buffer.
func (b *buffer) reset() { b.records = b.memory.All()[:0] }

// free empties it and gives its memory back.
func (b *buffer) free() {
	b.reset()
	b.memory.Free(0, column.PartRecords)
}
