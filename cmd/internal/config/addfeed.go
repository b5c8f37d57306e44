package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/nearest"
)

// NewFeed is a feed to be added to a configuration.
type NewFeed struct {
	Type string
	Name string // "": the type's name, with a number where that is taken
	// URL and Path are as in Feed; types that are published nowhere need one.
	URL, Path string
}

// AddedFeed tells what AddFeed has written.
type AddedFeed struct {
	Name    string
	KeyFile string // to be made; "": the feed needs no key
	KeyPage string // where one gets the key
	Block   string // the lines that were added
}

// AddFeed writes a block for f, with comments that show what else can be set, into
// the configuration file at path, behind its last feed. All else in the file stays
// as it is, byte for byte. The result is put in place of the file only when it is
// valid; links are followed, and mode and owner stay.
func AddFeed(path string, f NewFeed) (*AddedFeed, error) {
	t, ok := feed.Find(f.Type)
	switch {
	case !ok:
		return nil, fmt.Errorf("there is no type %q%s; the types are %s", f.Type, settings.DidYouMean(nearest.Word(f.Type, feed.Names())), strings.Join(feed.Names(), ", "))
	case f.URL != "" && f.Path != "":
		return nil, errors.New("--url and --path are both set; remove one")
	case f.URL == "" && f.Path == "" && !t.HasURL():
		return nil, fmt.Errorf("a feed of type %s needs --url or --path", t.Name)
	}
	path, old, err := open(path)
	if err != nil {
		return nil, err
	}
	place, err := findList(old, "feeds")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	names, types := feedNames(place.items)
	if there, ok := types[t.Name]; ok && f == (NewFeed{Type: f.Type}) {
		return nil, fmt.Errorf("feed %s is of type %s already; to add a second one, give it a name with --name", there, t.Name)
	}
	added := &AddedFeed{Name: f.Name}
	if added.Name == "" {
		added.Name = freeName(t.Name, names)
	}
	added.write(&f, &t, place)
	c := &Change{File: path, Text: added.Block}
	c.edit(path, old, place.insert(old, added.Block))
	if err := c.check(path); err != nil {
		return nil, err
	}
	if added.KeyFile != "" {
		added.KeyFile = filepath.Join(filepath.Dir(path), added.KeyFile)
	}
	return added, c.Write()
}

// write makes the block.
func (a *AddedFeed) write(f *NewFeed, t *feed.Type, at *listing) {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(at.indent + fmt.Sprintf(format, args...) + at.newline)
	}
	b.WriteString(at.before)
	line("%s", titleOf(t))
	line("- name: %s", a.Name)
	line("  type: %s", t.Name)
	switch {
	case f.Path != "":
		line("  path: %s", settings.Quote(f.Path))
	case f.URL != "":
		line("  url: %s", settings.Quote(f.URL))
	}
	if f.Path == "" {
		inURL := strings.Contains(f.URL, "{key}")
		if t.Key == feed.NeedsKey || inURL {
			a.KeyFile, a.KeyPage = a.Name+".key", t.Page
			line("  api_key_file: %s", a.KeyFile)
		} else if t.Key == feed.OptionalKey && t.Name != feed.List {
			line("  #api_key_file: %s.key", a.Name)
		}
		line("  #every: %s", shortDuration(t.Every.String()))
		if t.Shrinks() {
			line("  #max_shrink: 50")
		}
	}
	for _, hint := range t.Hints {
		line("  #%s", strings.ReplaceAll(hint, "%s", a.Name))
	}
	line("  #category: %s", t.Category)
	line("  #confidence: %d", t.Confidence)
	a.Block = b.String()
}

// titleOf is the comment above a feed's block.
func titleOf(t *feed.Type) string {
	if t.Page != "" {
		return "# " + t.Title + ": " + t.Page
	}
	return "# " + t.Title
}

// isTitle reports whether line is a comment that AddFeed writes above a feed.
func isTitle(line string) bool {
	return slices.ContainsFunc(feed.Types(), func(t feed.Type) bool { return line == titleOf(&t) })
}

// RemoveFeed takes the feed of that name out of the configuration file at path, with
// the comments in its block and the one that AddFeed has put above it. The last feed
// stays, because a configuration without any is not valid.
func RemoveFeed(path, name string) (*Change, error) {
	path, old, err := open(path)
	if err != nil {
		return nil, err
	}
	place, err := findList(old, "feeds")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	names, _ := feedNames(place.items)
	i := slices.Index(names, name)
	if i < 0 {
		return nil, fmt.Errorf("there is no feed %.70q%s; those configured are %s", name, settings.DidYouMean(nearest.Word(name, names)), strings.Join(names, ", "))
	}
	if len(names) == 1 {
		return nil, fmt.Errorf("%s is the only feed, and flowhound needs one: add another one first", name)
	}
	return removeEntry(path, old, place, i)
}

// shortDuration takes the zeros off the end of a duration's text: 12h0m0s.
func shortDuration(s string) string {
	if short, ok := strings.CutSuffix(s, "m0s"); ok {
		s = short + "m"
	}
	if short, ok := strings.CutSuffix(s, "h0m"); ok {
		s = short + "h"
	}
	return s
}

func freeName(name string, taken []string) string {
	for n, free := 2, name; ; n++ {
		if !slices.Contains(taken, free) {
			return free
		}
		free = fmt.Sprintf("%s-%d", name, n)
	}
}

// feedNames returns the names of the feeds, and of each type a feed.
func feedNames(feeds []*yaml.Node) (names []string, types map[string]string) {
	types = map[string]string{}
	for _, f := range feeds {
		values := map[string]string{}
		for i := 0; i+1 < len(f.Content); i += 2 {
			values[f.Content[i].Value] = f.Content[i+1].Value
		}
		names = append(names, values["name"])
		types[values["type"]] = values["name"]
	}
	return names, types
}
