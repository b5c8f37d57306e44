//go:build !linux

package host

// What a plugin may take of the memory, in bytes; see memory_linux.go.
const (
	softMemory = 384 << 20
	maxMemory  = 512 << 20
)

// limit does nothing: there is no way to limit another process here.
func limit(int) {}

// residentBytes returns 0: it cannot be told here.
func residentBytes(int) int64 { return 0 }
