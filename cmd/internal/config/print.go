package config

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/text"
)

// String returns the configuration in force, defaults included, as YAML that
// Parse accepts. A value that named an environment variable stands there as it
// was written, ${NAME}, because it may be a secret; so may an output's settings be
// (ShowSettings). Print a Config in no other
// way: its fields hold what the variables stand for.
func (c *Config) String() string {
	var root yaml.Node
	if err := root.Encode(c); err != nil {
		return fmt.Sprintf("# cannot be printed: %v\n", err)
	}
	c.redact("", &root)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&root); err != nil {
		return fmt.Sprintf("# cannot be printed: %v\n", err)
	}
	return b.String()
}

// redact puts the values of c.written in their places below n, the value of key.
func (c *Config) redact(key string, n *yaml.Node) {
	if text, ok := c.written[key]; ok {
		n.SetString(text)
		return
	}
	if n.Kind == yaml.ScalarNode && c.hides(key) {
		n.SetString(text.Secret)
		return
	}
	switch n.Kind {
	case yaml.SequenceNode:
		for i, item := range n.Content {
			c.redact(fmt.Sprintf("%s[%d]", key, i), item)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, value := n.Content[i].Value, n.Content[i+1]
			c.redact(settings.Join(key, name), value)
			c.redact(fmt.Sprintf("%s[%s]", key, name), value) // an entry of a map, not a field
		}
	}
}
