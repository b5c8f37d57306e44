package config

import (
	"path/filepath"
	"slices"
	"strings"
)

// ownFolders are the agent's, which its service may always write to.
var ownFolders = []string{"/var/lib/flowhound", "/var/log/flowhound", "/run/flowhound"}

// WritePaths returns the other folders that the configuration has the agent write
// to, sorted.
func (c *Config) WritePaths() []string {
	paths := []string{c.DataDir, c.RunDir, filepath.Dir(c.Log.Path)}
	if c.History.Dir != "" && c.History.Enabled {
		paths = append(paths, c.History.Dir)
	}
	for _, e := range c.Exports {
		paths = append(paths, filepath.Dir(e.Path))
	}
	paths = slices.DeleteFunc(paths, func(p string) bool {
		return slices.ContainsFunc(ownFolders, func(own string) bool { return p == own || strings.HasPrefix(p, own+"/") })
	})
	slices.Sort(paths)
	return slices.Compact(paths)
}
