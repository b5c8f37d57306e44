package hunt

import (
	"runtime"
	"syscall"
)

// lowPriority makes the calling goroutine yield to all others: it keeps a thread to
// itself, which ends with it, and that has the lowest priority.
func lowPriority() {
	runtime.LockOSThread()
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), 19) // without it, it is not as polite
}
