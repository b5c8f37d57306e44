//go:build !linux

package hunt

// lowPriority does nothing here: a thread has no priority of its own.
func lowPriority() {}
