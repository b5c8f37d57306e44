package output

import (
	"testing"
	"time"
)

// BenchmarkDeliver takes hits from the disk to a writer that is not slow.
func BenchmarkDeliver(b *testing.B) {
	dir := b.TempDir()
	out := start(b, dir, &sink{outcome: isDown}, nil, nil)
	put(out, 1, b.N)
	stop(b, out)
	var s sink
	b.ReportAllocs()
	b.ResetTimer()
	out = start(b, dir, &s, nil, func(c *Config, _ *Dependencies) { c.Batch.Max = 500 })
	for out.Stats().Depth > 0 {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	stop(b, out)
}
