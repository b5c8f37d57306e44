package config

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/nearest"
)

func (d *document) checkExports() {
	for i := range d.config.Exports {
		e := &d.config.Exports[i]
		key := fmt.Sprintf("exports[%d]", i)
		d.checkExportKeys(key, e)
		d.checkExportFeeds(key, e)
		d.checkReload(key, e)
		if e.Format == ExportRPZ {
			d.completeZone(key, e)
		}
		d.checkExportFilter(key, e)
	}
}

// completeZone puts defaults where export e, at key, has no zone and no action.
func (d *document) completeZone(key string, e *Export) {
	at := key + ".action"
	switch {
	case !d.Has(at):
		e.Action.Word = "nxdomain"
	case e.Action.CNAME != "":
		e.Action.Word = ActionCNAME
	case e.Action.Word == "" && !d.Said(at+".cname"):
		d.Errorf(d.Line(at), at, "is empty; write nxdomain, or {cname: walled.example}")
	}
	if e.Zone == "" {
		e.Zone = defaultZone
		if e.Action.Word == ActionAllow {
			e.Zone = defaultAllowZone
		}
	}
}

// checkExportFilter refuses what would choose nothing in export e, at key.
func (d *document) checkExportFilter(key string, e *Export) {
	fixed := ""
	switch {
	case e.Format == exportCategories:
		fixed = "the names of all categories"
	case e.Action.Word == ActionAllow:
		fixed = "what the allow lists do"
	}
	for _, filter := range []string{"feeds", "categories", "kinds", "min_score", "max"} {
		if at := key + "." + filter; fixed != "" && d.Has(at) {
			d.Errorf(d.Line(at), at, "chooses nothing: this export holds %s. Remove the line", fixed)
		}
	}
	holds, some := exportKinds[e.Format]
	for i, kind := range e.Kinds {
		if at := fmt.Sprintf("%s.kinds[%d]", key, i); some && !d.Said(at) && !slices.Contains(holds, kind) {
			d.Errorf(d.Line(at), at, "%s cannot be in an export of format %s, which holds %s only", d.Text(at), e.Format, strings.Join(holds, " and "))
		}
	}
}

// checkExportKeys refuses keys that would do nothing in export e, at key.
func (d *document) checkExportKeys(key string, e *Export) {
	if d.Said(key + ".format") {
		return
	}
	for _, k := range []struct {
		name string
		of   []string
	}{
		{"zone", []string{ExportRPZ}},
		{"action", []string{ExportRPZ}},
		{"name", []string{ExportNftables, ExportIPSet}},
	} {
		if at := key + "." + k.name; d.Has(at) && !slices.Contains(k.of, e.Format) {
			d.Errorf(d.Line(at), at, "is for exports of format %s only. Remove the line", strings.Join(k.of, " and "))
		}
	}
}

// checkExportFeeds refuses feeds that there are not: the file would stay empty.
func (d *document) checkExportFeeds(key string, e *Export) {
	names := make([]string, len(d.config.Feeds))
	for i, f := range d.config.Feeds {
		names[i] = f.Name
	}
	for i, name := range e.Feeds {
		if at := fmt.Sprintf("%s.feeds[%d]", key, i); !slices.Contains(names, name) && !d.Said(at) && !d.Said("feeds") {
			d.Errorf(d.Line(at), at, "%s is not the name of a feed%s", d.Text(at), settings.DidYouMean(nearest.Word(name, names)))
		}
	}
}

func (d *document) checkReload(key string, e *Export) {
	if len(e.Reload) > 0 {
		if at := key + ".timeout"; !d.Has(at) {
			e.Timeout = defaultTimeout
		} else if e.Timeout == 0 && !d.Said(at) {
			d.Errorf(d.Line(at), at, "%s is too small; the least is 1s", d.Text(at))
		}
		if len(e.Reload) == 1 && strings.Contains(e.Reload[0], " ") && !d.Said(key+".reload") {
			d.Warnf(d.Line(key+".reload"), key+".reload", "%s is taken for the name of one program; write its arguments as entries of their own: [rndc, reload]", d.Text(key+".reload[0]"))
		}
		return
	}
	if at := key + ".timeout"; d.Has(at) && !d.Said(key+".reload") {
		d.Errorf(d.Line(at), at, "is for the reload command, and there is none. Remove the line")
	}
}

// checkExportPaths refuses exports that would overwrite what is read or another
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
		if whose, ok := taken[path]; ok && !d.Said(key) {
			d.Errorf(d.Line(key), key, "%s is %s; give the export a file of its own", d.Text(key), whose)
			continue
		}
		taken[path] = fmt.Sprintf("the file of exports[%d]", i)
	}
}

// checkExportPlaces warns of exports whose folder or command is not there. Both
// may come later.
func (d *document) checkExportPlaces() {
	for i, e := range d.config.Exports {
		key := fmt.Sprintf("exports[%d]", i)
		if at := key + ".path"; !d.Said(at) {
			if info, err := os.Stat(filepath.Dir(e.Path)); err != nil || !info.IsDir() {
				d.Warnf(d.Line(at), at, "there is no folder for %s; it cannot be written until there is", d.Text(at))
			}
		}
		if at := key + ".reload"; len(e.Reload) > 0 && !d.Said(at) {
			if _, err := exec.LookPath(e.Reload[0]); err != nil {
				d.Warnf(d.Line(at), at, "there is no program %s; write its whole path", d.Text(at+"[0]"))
			}
		}
	}
}
