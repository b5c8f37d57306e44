package history

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// A source that can be asked again gives records, asks now and then whether they are
// safe, and only then remembers how far it was. Whenever it dies, what it gives again
// from there on makes the file whole.
func TestSync(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flows")
	committed, n := uint64(0), uint64(200_000)
	for life := 0; committed < n; life++ {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		w := New(f)
		in := w.Lane(4, true)
		ctx, die := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); w.Run(ctx) }()
		var b flow.Batch
		end := committed + 5000 + rand.N(uint64(50_000))
		for at := committed; at < min(end, n); {
			b.Reset()
			for range 37 {
				if at < n {
					b.Records = append(b.Records, flow.Record{Bytes: at})
					at++
				}
			}
			in.Flows(&b)
			if at%10_000 < 37 || at == n {
				if err := w.Sync(ctx); err != nil {
					t.Fatal(err)
				}
				committed = at
			}
		}
		die()
		<-ended
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := make([]int, n)
	for ; len(b) >= 8; b = b[8:] {
		seen[binary.LittleEndian.Uint64(b)]++
	}
	twice := 0
	for i, times := range seen {
		if times == 0 {
			t.Fatalf("record %d is lost", i)
		}
		if times > 1 {
			twice++
		}
	}
	t.Logf("%d records, %d of them twice", n, twice)
}
