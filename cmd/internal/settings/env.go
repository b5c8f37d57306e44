package settings

import (
	"os"

	"github.com/flowhound/flowhound/plugin/text"
)

var variable = text.Pattern(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)

// expand replaces each ${NAME} in text, the value of key, by that environment
// variable and reports whether there was one. It runs on values only, after YAML
// was parsed, so what a variable holds cannot change the file's structure, and
// is not expanded again. Any other $ is a $.
func (d *Document) expand(key string, line int, text string) (expanded string, fromEnv bool) {
	expanded = variable().ReplaceAllStringFunc(text, func(v string) string {
		fromEnv = true
		name := v[len("${") : len(v)-len("}")]
		value, ok := os.LookupEnv(name)
		if !ok {
			d.Errorf(line, key, "the environment variable %s is not set", name)
		}
		return value
	})
	if fromEnv {
		d.NoteWritten(key, text)
	}
	return expanded, fromEnv
}
