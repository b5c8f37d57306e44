package feed

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// BenchmarkMillion restores a million indicators of ten fetched feeds from disk
// and swaps them in, as a start does.
func BenchmarkMillion(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		var text []byte
		for i := range 100_000 {
			v := uint32(n*100_000+i) * 2654435761 % (200 << 24)
			text = fmt.Appendf(text, "%d.%d.%d.%d\n", 11+v>>24%180, v>>16&255, v>>8&255, v&255)
		}
		_, _ = w.Write(text)
	}))
	defer server.Close()
	var cfgs []Source
	for n := range 10 {
		cfgs = append(cfgs, Source{Name: fmt.Sprint("feed", n), Type: List, URL: fmt.Sprint(server.URL, "/", n), Confidence: 60})
	}
	o := Options{Dir: b.TempDir(), OnRequest: true}
	f, err := open(cfgs, o)
	if err != nil {
		b.Fatal(err)
	}
	if err := f.Load(b.Context()); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); f.Run(ctx) }()
	out, err := f.Update(ctx, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, o := range out {
		if o.Err != nil {
			b.Fatal(o.Err)
		}
	}
	cancel()
	<-done
	b.ReportAllocs()
	for b.Loop() {
		var set *intel.Set
		o.OnSwap = func(s *intel.Set, _ time.Duration) { set = s }
		f, err := open(cfgs, o)
		if err != nil {
			b.Fatal(err)
		}
		if err := f.Load(b.Context()); err != nil {
			b.Fatal(err)
		}
		if set.Len() < 900_000 {
			b.Fatalf("%d indicators", set.Len())
		}
	}
}
