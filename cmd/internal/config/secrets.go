package config

import (
	"fmt"
	"strings"
)

// ShowSettings says which settings of output i are secrets, by dotted names such as
// tls.key, nodes[].password and headers.*; String shows the others from now on.
func (c *Config) ShowSettings(i int, secrets []string) {
	if c.shown == nil {
		c.shown = map[int][]string{}
	}
	c.shown[i] = append(make([]string, 0, len(secrets)), secrets...)
}

// hides reports whether the value of key may be a secret of a plugin's.
func (c *Config) hides(key string) bool {
	var i int
	if n, _ := fmt.Sscanf(key, "outputs[%d].settings", &i); n != 1 {
		return false
	}
	_, name, ok := strings.Cut(key, "].settings.")
	if !ok {
		return false
	}
	secrets, known := c.shown[i]
	if !known {
		return true
	}
	for _, s := range secrets {
		if matchesName(s, name) {
			return true
		}
	}
	return false
}

// matchesName reports whether name, such as nodes[1].password, or what it lies in,
// is what pattern names.
func matchesName(pattern, name string) bool {
	split := func(s string) []string {
		return strings.FieldsFunc(strings.ReplaceAll(s, "[", ".["), func(r rune) bool { return r == '.' })
	}
	parts, want := split(name), split(pattern)
	if len(parts) < len(want) {
		return false
	}
	for i, w := range want {
		if w != "*" && w != parts[i] && (w != "[]" || !strings.HasPrefix(parts[i], "[")) {
			return false
		}
	}
	return true
}
