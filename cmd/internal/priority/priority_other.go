//go:build !linux

// Package priority lets work that can wait yield to receiving and alerting. Here a
// thread has no priority of its own, and nothing does.
package priority

// The levels, which mean nothing here.
const (
	Low    = 10
	Lowest = 19
)

// Lower does nothing.
func Lower(int) {}
