package output

import (
	"testing"
	"time"
)

func BenchmarkPut(b *testing.B) {
	out := start(b, b.TempDir(), &sink{}, nil, func(o *Options) { o.Batch.Max = 500 })
	defer stop(b, out)
	h := numbered(1)
	b.ReportAllocs()
	for b.Loop() {
		Put([]*Output{out}, h)
	}
}

// BenchmarkDeliver takes hits from the disk to a writer that is not slow.
func BenchmarkDeliver(b *testing.B) {
	dir := b.TempDir()
	out := start(b, dir, &sink{outcome: isDown}, nil, nil)
	put(out, 1, b.N)
	stop(b, out)
	var s sink
	b.ReportAllocs()
	b.ResetTimer()
	out = start(b, dir, &s, nil, func(o *Options) { o.Batch.Max = 500 })
	for out.Stats().Depth > 0 {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	stop(b, out)
}
