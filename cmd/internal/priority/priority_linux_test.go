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

// Do runs at its level, and hands a panic to its caller.
func TestDo(t *testing.T) {
	var level, err = 0, error(nil)
	Do(Lowest, func() { level, err = syscall.Getpriority(syscall.PRIO_PROCESS, syscall.Gettid()) })
	if level = 20 - level; level != Lowest || err != nil {
		t.Errorf("f ran at nice %d, want %d (%v)", level, Lowest, err)
	}
	defer func() {
		if p := recover(); p != "broken" {
			t.Errorf("the panic was %v", p)
		}
	}()
	Do(Low, func() { panic("broken") })
}

// Room leaves threads for those that do not yield, and what is made for each core alone.
func TestRoom(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for range 2 { // the second time as the first
		Room()
		if n := runtime.GOMAXPROCS(0); n <= Cores() || n > Cores()+4 {
			t.Errorf("%d threads for %d cores", n, Cores())
		}
	}
}
