package priority

import "runtime"

// cores is how many threads Go runs at once by itself: as many as there are processors
// for this process.
var cores = runtime.GOMAXPROCS(0)

// Cores returns how many processors there are for this process.
func Cores() int { return cores }

// Room has Go run more threads at once. One that yields keeps its place among them while
// the kernel has it wait, and receiving must find another.
func Room() { runtime.GOMAXPROCS(cores + min(cores, 4)) }

// Do runs f at a level and returns when it has ended. A panic of f is one of the caller.
func Do(level int, f func()) {
	ended := make(chan any, 1)
	go func() {
		defer func() { ended <- recover() }()
		Lower(level)
		f()
	}()
	if p := <-ended; p != nil {
		panic(p)
	}
}
