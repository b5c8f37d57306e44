//go:build !linux

package history

// newBuffer returns a buffer in Go's heap.
func newBuffer() *buffer { return &buffer{} }

func (b *buffer) free() { *b = buffer{} }

func (b *buffer) close() { *b = buffer{} }
