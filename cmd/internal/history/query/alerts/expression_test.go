package alerts

import (
	"net/netip"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/history/query"
	"github.com/flowhound/flowhound/plugin/hit"
)

// TestTally: an expression judges a series as a whole: its newest line, and what all of its
// lines count.
func TestTally(t *testing.T) {
	at := time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)
	line := func(id string, dst string, bytes uint64) *hit.Hit {
		at = at.Add(time.Minute)
		return &hit.Hit{ID: id, Time: at, Last: at, First: at.Add(-time.Second), Src: netip.MustParseAddr("10.1.2.3"), Dst: netip.MustParseAddr(dst), SrcPort: 5000, DstPort: 443, Proto: 6, Bytes: bytes, Count: 1}
	}
	lines := []*hit.Hit{line("a-1", "198.51.100.7", 600), line("a-2", "198.51.100.7", 600), line("b-1", "198.51.100.8", 600), line("b-2", "2001:db8::8", 1)}
	tally := Tally{}
	for _, h := range lines {
		tally.Add(h)
	}
	for text, want := range map[string]string{
		"": "a-1 a-2 b-1 b-2 ", "bytes > 1000": "a-1 a-2 ", "dst ip 198.51.100.8": "", "dst ip 2001:db8::8": "b-1 b-2 ", "src country private and duration > 1m": "a-1 a-2 b-1 b-2 ", "dst port 80": "",
	} {
		e, err := Parse(text, query.Env{})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, h := range lines {
			if tally.Accepts(e, h) {
				got += h.ID + " "
			}
		}
		if got != want {
			t.Errorf("%q accepts %s, want %s", text, got, want)
		}
		if tally.Accepts(e, line("c-1", "198.51.100.7", 1)) {
			t.Error("a series that nobody told of is accepted")
		}
	}
	if _, err := Parse("flags S", query.Env{}); err == nil {
		t.Error("a hit has flags")
	}
}
