// Package priority lets work that can wait yield to receiving and alerting: its threads
// get what these leave of the processors.
package priority

import (
	"runtime"
	"syscall"
)

// The levels, as nice(1) counts them. Beside a busy thread of ordinary priority one of
// Low gets a tenth of a processor, and one of Lowest a seventieth.
const (
	Low    = 10
	Lowest = 19
)

// Lower gives the calling goroutine a thread of its own of the given level; the thread
// ends with the goroutine.
func Lower(level int) {
	runtime.LockOSThread()
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), level) // refused: it runs as all others do
}
