package text

import "strconv"

// Count returns n and the form of the word that goes with it: "1 feed", "2 feeds".
func Count[T ~int | ~int64 | ~uint64](n T, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(int64(n), 10) + " " + more
}
