package offheap

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

type value struct{ a, b, c uint64 } // that no number of which fills a page

// What is freed takes no memory and can be used again; what was not is as it was.
func TestFree(t *testing.T) {
	const n = 1 << 20
	m := New[value](n)
	fill := func() {
		for i := range m.All() {
			m.All()[i] = value{uint64(i), 1, 2}
		}
	}
	fill()
	if len(m.All()) != n {
		t.Fatalf("%d values", len(m.All()))
	}
	if runtime.GOOS != "linux" {
		t.Skip("memory is in Go's heap")
	}
	before := resident(t)
	m.Free(1000, n-1000)
	if took := before - resident(t); took < 20<<20 {
		t.Errorf("%d bytes were given back of %d", took, n*24)
	}
	for i, v := range m.All() {
		if want := (value{uint64(i), 1, 2}); v != want && (i < 1000 || i >= n-1000) {
			t.Fatalf("value %d is %v", i, v)
		}
	}
	fill()
	for i, v := range m.All() {
		if want := (value{uint64(i), 1, 2}); v != want {
			t.Fatalf("value %d is %v after it was freed", i, v)
		}
	}
	m.Free(5, 5)
	m.Free(1, 3)
	if m.All()[1] != (value{1, 1, 2}) || m.All()[2] != (value{2, 1, 2}) {
		t.Error("values that share a page with others are gone")
	}
	runtime.KeepAlive(m)
}

// resident returns how much anonymous memory the process has.
func resident(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "RssAnon:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// What nobody holds any more is unmapped.
func TestUnused(t *testing.T) {
	const n = 16 << 20
	before := resident(t)
	for range 8 {
		m := New[byte](n)
		for i := 0; i < n; i += 4096 {
			m.All()[i] = 1
		}
		runtime.KeepAlive(m)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		runtime.GC()
		if resident(t) < before+4*n {
			return
		}
	}
	t.Errorf("%d MB are held", (resident(t)-before)>>20)
}
