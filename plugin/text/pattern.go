package text

import (
	"regexp"
	"sync"
)

// Pattern returns what gives a regular expression, which is compiled when it is first asked
// for: a command uses few of those that its program has. It panics then when expr is none.
func Pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
