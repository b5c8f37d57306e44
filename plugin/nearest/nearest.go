// Package nearest guesses what a mistyped word was meant to be: a key of the
// configuration, a setting of an output. It imports nothing.
package nearest

// Word returns the one of words that name was probably meant to be: at most a
// third of its letters are wrong. "" when there is none.
func Word(name string, words []string) string {
	best, fewest := "", len(name)
	for _, w := range words {
		limit := max(1, max(len(name), len(w))/3)
		if len(name)-len(w) > limit {
			continue // long nonsense is not worth measuring
		}
		if n := distance(name, w); n <= limit && n < fewest {
			best, fewest = w, n
		}
	}
	return best
}

// distance returns how many letters must be added, removed, changed or swapped
// with their neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if lower(a[i-1]) == lower(b[j-1]) {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
