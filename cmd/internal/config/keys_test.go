package config

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/flowhound/flowhound/cmd/internal/settings"
)

// keysPage is README.md as the code has it. What a key is for stands in example.yaml,
// which TestExample holds to the same keys.
func keysPage(t *testing.T) string {
	t.Helper()
	var root yaml.Node
	if err := root.Encode(Default()); err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{}
	flatten("", &root, defaults)
	var b strings.Builder
	b.WriteString(`# The configuration

One strict YAML file, ` + "`/etc/flowhound/flowhound.yaml`" + `. Every key is optional but ` + "`feeds`" + `; [example.yaml](example.yaml) says what
each is for, with an example. A typo is an error with its line and a suggestion: run ` + "`flowhound check`" + `. Saving the file, or SIGHUP,
takes it over; what is bad changes nothing, and a line and ` + "`/healthz`" + ` say why. ` + "`listen`, `data_dir`, `run_dir`, `web.listen`" + ` and what
else a message names need a restart. Secrets come from files (` + "`..._file`" + `) or ` + "`${ENV}`" + ` and are never printed.

` + "`flowhound feed add|remove`, `allow add|remove`, `mute add|remove`" + ` and ` + "`user`" + ` change it and keep its comments;
` + "`check --print`" + ` prints what is in force.

This table is made from the code: ` + "`go test ./cmd/internal/config -run TestKeysPage -update`" + `.

| key | value | default |
|---|---|---|
`)
	for _, k := range settings.Described(reflect.TypeFor[Config](), types()...) {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Name, strings.ReplaceAll(k.Want, "|", "\\|"), defaults[k.Name])
	}
	return b.String()
}

// flatten gathers the scalars below n by their dotted keys.
func flatten(key string, n *yaml.Node, into map[string]string) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			flatten(settings.Join(key, n.Content[i].Value), n.Content[i+1], into)
		}
	case yaml.SequenceNode:
		var all []string
		for _, c := range n.Content {
			if c.Kind == yaml.ScalarNode {
				all = append(all, c.Value)
			}
		}
		if len(all) > 0 {
			into[key] = "`" + strings.Join(all, ", ") + "`"
		}
	case yaml.ScalarNode:
		if n.Value != "" {
			into[key] = "`" + n.Value + "`"
		}
	}
}

// TestKeysPage holds README.md to the code.
func TestKeysPage(t *testing.T) {
	want := keysPage(t)
	if *update {
		if err := os.WriteFile("README.md", []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("README.md"); err != nil || !bytes.Equal(got, []byte(want)) {
		t.Errorf("README.md is not what the code says (%v): go test ./cmd/internal/config -run TestKeysPage -update", err)
	}
}
