package config

import (
	"fmt"
	"path/filepath"
)

// sourceNames returns the names of the feeds, nil where something is wrong with those.
func (d *document) sourceNames() []string {
	if d.Reported("feeds") {
		return nil
	}
	names := make([]string, len(d.config.Feeds))
	for i, f := range d.config.Feeds {
		names[i] = f.Name
	}
	return names
}

// checkExportPaths rejects exports that would overwrite what is read or another
// export. It needs resolved paths.
func (d *document) checkExportPaths() {
	self, err := filepath.Abs(d.File())
	if err != nil {
		self = d.File()
	}
	taken := map[string]string{filepath.Clean(d.config.Log.Path): "the alert log", self: "this configuration"}
	for i, f := range d.config.Feeds {
		if f.Path != "" {
			taken[filepath.Clean(f.Path)] = fmt.Sprintf("the file of feeds[%d]", i)
		}
	}
	for i, path := range d.config.Allow {
		taken[filepath.Clean(path)] = fmt.Sprintf("the file of allow[%d]", i)
	}
	for i, e := range d.config.Exports {
		key := fmt.Sprintf("exports[%d].path", i)
		path := filepath.Clean(e.Path)
		if whose, ok := taken[path]; ok && !d.Reported(key) {
			d.Errorf(d.Line(key), key, "%s is %s; give the export a file of its own", d.Text(key), whose)
			continue
		}
		taken[path] = fmt.Sprintf("the file of exports[%d]", i)
	}
}
