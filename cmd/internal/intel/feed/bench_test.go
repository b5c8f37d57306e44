package feed

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// BenchmarkTenFeeds reads ten lists of 100,000 addresses, a fifth of them dated,
// half of each in the next list too, builds the Set and compares it with the one
// before it, while that is in use: what all feeds changing at once costs. peak-MB is
// the most memory that the process had.
func BenchmarkTenFeeds(b *testing.B) {
	dir := b.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	addresses := make([]string, 550_000)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("%d.%d.%d.%d", 20+r.IntN(150), r.IntN(256), r.IntN(256), r.IntN(256))
	}
	var cfgs []Source
	paths := make([]string, 10)
	for n := range paths {
		paths[n] = filepath.Join(dir, strconv.Itoa(n))
		cfgs = append(cfgs, Source{Name: fmt.Sprint("feed", n), Type: "list", Path: paths[n], Format: "csv", Confidence: 60, HasCategory: true})
	}
	write := func(round int) {
		for n, path := range paths {
			var text bytes.Buffer
			text.WriteString("ip,name,last_seen\n")
			for i, a := range addresses[n*50_000 : (n+2)*50_000] {
				last := ""
				if i%5 == 0 {
					last = time.Now().Add(-time.Duration(i%1000) * time.Hour).Format(time.DateOnly)
				}
				fmt.Fprintf(&text, "%s,list %d of %d,%s\n", a, i%50, round*(i%100/99), last)
			}
			if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
				b.Fatal(err)
			}
		}
	}
	write(0)
	var set *intel.Set
	f, err := open(cfgs, Options{OnSwap: func(s *intel.Set, _ time.Duration) { set = s }})
	if err != nil {
		b.Fatal(err)
	}
	if err := f.Load(context.Background()); err != nil {
		b.Fatal(err)
	}
	addresses = append(addresses[1000:], addresses[:1000]...)
	write(1)
	addresses = nil
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // Linux: peak counts from here
	for b.Loop() {
		if err := f.Load(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(peak(b), "peak-MB")
	b.ReportMetric(float64(set.Len()), "indicators")
	if f.States()[0].Change == (intel.Change{}) && b.N == 1 {
		b.Error("nothing changed")
	}
	runtime.KeepAlive(set)
}

// peak is the most memory that the process had in RAM, in MB; 0 where the system
// does not tell.
func peak(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	kb, _ := strconv.Atoi(string(bytes.Fields(rest)[0]))
	return float64(kb) / 1024
}
