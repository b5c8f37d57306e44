package priority

import (
	"runtime"
	"syscall"
	"testing"
)

// Lower changes its own thread and no other.
func TestLower(t *testing.T) {
	nice := func(thread int) int {
		n, err := syscall.Getpriority(syscall.PRIO_PROCESS, thread)
		if err != nil {
			t.Error(err)
		}
		return 20 - n // the system call counts from the other end
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own := syscall.Gettid()
	before := nice(own)
	if before >= Lowest {
		t.Skip("this process has the lowest priority already")
	}
	done := make(chan int)
	go func() {
		Lower(Lowest)
		done <- nice(syscall.Gettid())
	}()
	if got := <-done; got != Lowest {
		t.Errorf("the thread has nice %d, want %d", got, Lowest)
	}
	if got := nice(own); got != before {
		t.Errorf("another thread went from nice %d to %d", before, got)
	}
}
