package geo

import "github.com/flowhound/flowhound/plugin/text"

// cleanOwner is the name of an owner on one line.
func cleanOwner(name string) string { return text.Clean(name, maxOwner) }
