package journal

import (
	"maps"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// Whatever consumers do, in whatever order, and whatever is damaged between two starts:
// each record that is for a consumer is given to it, waits for it, or is counted as lost.
func TestAccount(t *testing.T) {
	t.Parallel()
	for seed := range uint64(peer.Rounds(8, 40)) {
		account(t, rand.New(rand.NewPCG(seed, 1)), seed)
	}
}

func account(t *testing.T, random *rand.Rand, seed uint64) {
	t.Helper()
	dir := t.TempDir()
	names := []string{"log", "siem", "chat"}
	put, given, lost := map[string]int{}, map[string]map[string]bool{}, map[string]uint64{}
	for _, name := range names {
		given[name] = map[string]bool{}
	}
	n := 0
	for range 3 { // starts
		j := open(t, dir, Options{Sync: SyncNever})
		cursors, due, now := map[string]*Cursor{}, map[string]int{}, map[string]map[string]bool{}
		for _, name := range names {
			cursors[name], now[name] = j.Cursor(name, 16*minSegment), map[string]bool{}
			due[name], _, _ = j.Waiting(name)
		}
		for range 10 + random.IntN(40) {
			name := names[random.IntN(len(names))]
			c := cursors[name]
			switch random.IntN(5) {
			case 0, 1: // up to 400 KB: a segment and a half
				for range random.IntN(800) {
					var to []string
					for _, name := range names {
						if random.IntN(3) > 0 {
							to = append(to, name)
							put[name]++
							due[name]++
						}
					}
					n++
					add(t, j, n, n, to...)
				}
			case 2, 3:
				last := uint64(0)
				for range random.IntN(2000) {
					r, err := c.Next()
					if err != nil {
						t.Fatal(err)
					}
					if r == nil {
						break
					}
					now[name][r.Hit.ID] = true
					if random.IntN(100) > 0 {
						last = r.Seq
					}
				}
				if last > 0 && random.IntN(3) > 0 {
					c.Ack(last)
				}
			case 4:
				if c.Rewind(); random.IntN(2) == 0 {
					c.Close()
					cursors[name] = j.Cursor(name, 16*minSegment)
				}
			}
		}
		j.Keep(j.Next())
		for _, name := range names {
			for _, id := range take(t, cursors[name], random.IntN(2) == 0) {
				now[name][id] = true
			}
			maps.Copy(given[name], now[name])
			_, _, missing := j.Waiting(name)
			lost[name] += missing.Sum()
			have := len(now[name]) + int(missing.Sum())
			// What made room while it was to be given again counts twice.
			if have < due[name] || have > due[name] && missing.Full == 0 || len(given[name])+int(lost[name]) < put[name] {
				t.Fatalf("seed %d, %s: %d given and %+v of %d; since the beginning %d given and %d lost of %d",
					seed, name, len(now[name]), missing, due[name], len(given[name]), lost[name], put[name])
			}
		}
		shut(t, j)
		if all := segments(t, dir); random.IntN(2) == 0 {
			path := all[random.IntN(len(all))]
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for at := range b {
				if random.IntN(50_000) == 0 {
					b[at] ^= 1
				}
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
