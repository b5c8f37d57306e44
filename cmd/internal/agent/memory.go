package agent

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// settledAfter is when what a start needs more memory for is over: the feeds were read.
	settledAfter = 10 * time.Second
	// memoryEvery is how often memory that nobody uses is looked for.
	memoryEvery = time.Minute
	// muchMemory makes a full collection of garbage worthwhile, which takes some 10 ms of a
	// processor.
	muchMemory = 8 << 20
)

// returnMemory gives the machine what a start, a reload or a busy minute has left: Go
// itself collects garbage only when new memory is asked for, and keeps what was free for
// minutes.
func returnMemory() {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if objects, free, live := s[0].Value.Uint64(), s[1].Value.Uint64(), s[2].Value.Uint64(); objects+free > live+muchMemory {
		debug.FreeOSMemory()
	}
}
