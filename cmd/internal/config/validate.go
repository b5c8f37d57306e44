package config

import (
	"fmt"
	"slices"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/alert/output"
	"github.com/flowhound/flowhound/cmd/internal/flow/udp"
	"github.com/flowhound/flowhound/cmd/internal/geo"
	"github.com/flowhound/flowhound/cmd/internal/history"
	"github.com/flowhound/flowhound/cmd/internal/hosts"
	"github.com/flowhound/flowhound/cmd/internal/intel/dnsbl"
	"github.com/flowhound/flowhound/cmd/internal/intel/export/keep"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/cmd/internal/web"
	"github.com/flowhound/flowhound/plugin/hit"
)

// validate checks what the types of single values do not: the validate tags of
// Config's fields, then what keys say together.
func (d *document) validate() {
	d.CheckTags(d.config, tags()...)
	udp.Complete(d.config.Listen, d.Section("listen"))
	feed.Complete(d.config.Feeds, d.Section("feeds"))
	for i, f := range d.config.Feeds {
		if f.Name == hit.TestFeed {
			d.Section("feeds").Index(i).Errorf("name", "%s is the name of what flowhound test plants: choose another one", hit.TestFeed)
		}
	}
	geo.Complete(&d.config.Geo, d.Section("geo"))
	hosts.Complete(&d.config.Hosts, d.Section("hosts"))
	d.checkAllow()
	alert.CompleteMutes(d.config.Mute, d.Section("mute"))
	d.checkCategories()
	dnsbl.Complete(&d.config.DNSBL, d.feedSection, d.Section("dnsbl"))
	keep.Complete(d.config.Exports, d.sourceNames(), d.Section("exports"))
	history.Complete(&d.config.History, d.Section("history"))
	d.checkOutputs()
	d.checkWindows()
	web.Complete(&d.config.Web, d.Section("web"))
}

func tags() []settings.Tag {
	return slices.Concat(feed.Tags(), keep.Tags(), dnsbl.Tags(), output.Tags(), []settings.Tag{
		settings.HostPort(),
	})
}

// feedSection returns where the feed of that name stands.
func (d *document) feedSection(name string) (settings.Section, bool) {
	for i, f := range d.config.Feeds {
		if f.Name == name {
			return d.Section("feeds").Index(i), true
		}
	}
	return settings.Section{}, false
}

func (d *document) checkAllow() {
	for i, path := range d.config.Allow {
		key := fmt.Sprintf("allow[%d]", i)
		if first := slices.Index(d.config.Allow, path); first < i && !d.Reported(key) {
			d.Errorf(d.Line(key), key, "%s is given twice, first as allow[%d]; remove one", d.Text(key), first)
		}
	}
}

func (d *document) checkWindows() {
	a := d.config.Alert
	if d.Reported("alert.window") || d.Reported("alert.max_window") || a.MaxWindow >= a.Window {
		return
	}
	if !d.Has("alert.max_window") {
		d.Errorf(d.Line("alert.window"), "alert.window", "%s is longer than max_window, which is %s; set max_window too", d.Text("alert.window"), a.MaxWindow)
		return
	}
	window := a.Window.String() // the default, or else as it is written
	if d.Has("alert.window") {
		window = d.Text("alert.window")
	}
	d.Errorf(d.Line("alert.max_window"), "alert.max_window", "%s is shorter than window, which is %s", d.Text("alert.max_window"), window)
}
