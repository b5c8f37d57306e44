// Package journaltest is what tests share that read a journal.
package journaltest

import (
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/alert/journal"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Hits returns the hits that wait for a cursor by now, and acknowledges them.
func Hits(t testing.TB, c *journal.Cursor) (hits []*hit.Hit) {
	t.Helper()
	for {
		r, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		if r == nil {
			return hits
		}
		hits = append(hits, r.Hit)
		c.Ack(r.Seq)
	}
}
