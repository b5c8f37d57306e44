package config

import _ "embed"

//go:embed example.yaml
var example string

// Example returns a configuration with comments for users. It holds the smallest
// working settings, and every other key as a comment beside its default or an
// example value.
func Example() string { return example }
