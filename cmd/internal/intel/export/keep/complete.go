package keep

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel/export"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/nearest"
)

// Complete sets what the formats of exports say and the file, in section at, does
// not, and says what is wrong with what it does. feeds are the names of the feeds
// that there are, nil where they are not known.
func Complete(files []File, feeds []string, at settings.Section) {
	for i := range files {
		f, at := &files[i], at.Index(i)
		f.checkKeys(at)
		if feeds != nil {
			f.checkFeeds(feeds, at)
		}
		f.checkReload(at)
		if slices.Contains(export.Zoned(), f.Format) {
			f.completeZone(at)
		}
		f.checkFilter(at)
	}
}

// completeZone puts defaults where there is no zone and no action.
func (f *File) completeZone(at settings.Section) {
	switch {
	case !at.Has("action"):
		f.Action.Word = "nxdomain"
	case f.Action.CNAME != "":
		f.Action.Word = export.ActionCNAME
	case f.Action.Word == "" && !at.Reported("action.cname"):
		at.Errorf("action", "is empty; write nxdomain, or {cname: walled.example}")
	}
	if f.Zone == "" {
		f.Zone = export.DefaultZone(f.Action.Word)
	}
}

// checkFilter rejects what would choose nothing.
func (f *File) checkFilter(at settings.Section) {
	holds := export.Holds(f.Format)
	fixed := ""
	switch {
	case len(holds) == 0 && slices.Contains(export.Formats(), f.Format):
		fixed = "the names of all categories"
	case f.Action.Word == export.ActionAllow:
		fixed = "what the allow lists do"
	}
	if fixed != "" {
		at.Reject("chooses nothing: this export holds "+fixed, "feeds", "categories", "kinds", "min_score", "max")
		return
	}
	var names []string
	for _, k := range holds {
		names = append(names, k.String())
	}
	for i, kind := range f.Kinds {
		if key := fmt.Sprintf("kinds[%d]", i); len(names) > 0 && !at.Reported(key) && !slices.Contains(names, kind) {
			at.Errorf(key, "%s cannot be in an export of format %s, which contains only %s", at.Text(key), f.Format, strings.Join(names, " and "))
		}
	}
}

// checkKeys rejects keys that would do nothing.
func (f *File) checkKeys(at settings.Section) {
	if at.Reported("format") {
		return
	}
	for _, k := range []struct {
		name string
		of   []string
	}{
		{"zone", export.Zoned()},
		{"action", export.Zoned()},
		{"name", export.Named()},
	} {
		if at.Has(k.name) && !slices.Contains(k.of, f.Format) {
			at.Errorf(k.name, "is for exports of format %s only. Remove the line", strings.Join(k.of, " and "))
		}
	}
}

// checkFeeds rejects feeds that there are not: the file would stay empty.
func (f *File) checkFeeds(feeds []string, at settings.Section) {
	for i, name := range f.Feeds {
		if key := fmt.Sprintf("feeds[%d]", i); !slices.Contains(feeds, name) && !at.Reported(key) {
			at.Errorf(key, "%s is not the name of a feed%s", at.Text(key), settings.DidYouMean(nearest.Word(name, feeds)))
		}
	}
}

func (f *File) checkReload(at settings.Section) {
	if len(f.Reload) == 0 {
		if at.Has("timeout") && !at.Reported("reload") {
			at.Errorf("timeout", "is for the reload command, and there is none. Remove the line")
		}
		return
	}
	if !at.Has("timeout") {
		f.Timeout = defaultTimeout
	} else if f.Timeout == 0 && !at.Reported("timeout") {
		at.Errorf("timeout", "%s is too small; the least is 1s", at.Text("timeout"))
	}
	if len(f.Reload) == 1 && strings.Contains(f.Reload[0], " ") && !at.Reported("reload") {
		at.Warnf("reload", "%s is taken for the name of one program; write its arguments as entries of their own: [rndc, reload]", at.Text("reload[0]"))
	}
}

// CheckPlaces warns of exports whose folder or command is not there. Both may come
// later.
func CheckPlaces(files []File, at settings.Section) {
	for i, f := range files {
		at := at.Index(i)
		if !at.Reported("path") {
			if info, err := os.Stat(filepath.Dir(f.Path)); err != nil || !info.IsDir() {
				at.Warnf("path", "there is no folder for %s; it cannot be written until there is", at.Text("path"))
			}
		}
		if len(f.Reload) > 0 && !at.Reported("reload") {
			if _, err := exec.LookPath(f.Reload[0]); err != nil {
				at.Warnf("reload", "there is no program %s; write its whole path", at.Text("reload[0]"))
			}
		}
	}
}
