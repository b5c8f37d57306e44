package otx

import (
	"fmt"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

func BenchmarkSync(b *testing.B) {
	f := newOTX(b)
	for n := range 2000 {
		var indicators []string
		for i := range 100 {
			indicators = append(indicators, fmt.Sprintf("11.%d.%d.%d", n/250, n%250, i))
		}
		f.put(n, time.Duration(n+1)*time.Minute, indicators...)
	}
	c := fetch.New(fetch.Options{})
	defer c.Close()
	o := SyncOptions{URL: f.URL, Key: testKey, Now: now}
	read := func(dir string) {
		n := 0
		if _, err := (Format{}).ParseDir(dir, ingest.Options{Now: now}, func(*intel.Indicator) ingest.Reason { n++; return "" }); err != nil || n != 200_000 {
			b.Fatalf("%d indicators, %v", n, err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		dir := b.TempDir()
		if _, err := Sync(b.Context(), c, dir, o); err != nil {
			b.Fatal(err)
		}
		read(dir)
	}
}

func BenchmarkSyncAgain(b *testing.B) {
	f := newOTX(b)
	for n := range 2000 {
		var indicators []string
		for i := range 100 {
			indicators = append(indicators, fmt.Sprintf("11.%d.%d.%d", n/250, n%250, i))
		}
		f.put(n, time.Duration(n+1)*time.Hour, indicators...)
	}
	c := fetch.New(fetch.Options{})
	defer c.Close()
	dir, o := b.TempDir(), SyncOptions{URL: f.URL, Key: testKey, Now: now}
	if _, err := Sync(b.Context(), c, dir, o); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		f.clock = f.clock.Add(time.Hour)
		f.put(0, 0, "11.0.0.1")
		f.requests()
		changed, err := Sync(b.Context(), c, dir, o)
		if _, served := f.requests(); err != nil || len(served) != 1 {
			b.Fatalf("changed %v, served %d, %v", changed, len(served), err)
		}
	}
}
