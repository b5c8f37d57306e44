package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v3"

	"github.com/flowhound/flowhound/cmd/internal/file"
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
	path, err := filepath.Abs(path)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	old, _, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	place, err := feedsEnd(old)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if there, ok := place.types[t.Name]; ok && f == (NewFeed{Type: f.Type}) {
		return nil, fmt.Errorf("feed %s is of type %s already; to add a second one, give it a name with --name", there, t.Name)
	}
	added := &AddedFeed{Name: f.Name}
	if added.Name == "" {
		added.Name = freeName(t.Name, place.names)
	}
	added.write(&f, &t, place)
	next := slices.Concat(old[:place.offset], []byte(added.Block), old[place.offset:])
	if _, err := Parse(path, next); err != nil {
		return nil, fmt.Errorf("with the feed added the configuration would not be valid, so it was left alone:\n%w", err)
	}
	if added.KeyFile != "" {
		added.KeyFile = filepath.Join(filepath.Dir(path), added.KeyFile)
	}
	return added, replaceFile(path, old, next)
}

// write makes the block.
func (a *AddedFeed) write(f *NewFeed, t *feed.Type, at *feedsPlace) {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(at.indent + fmt.Sprintf(format, args...) + at.newline)
	}
	b.WriteString(at.before)
	comment := "# " + t.Title
	if t.Page != "" {
		comment += ": " + t.Page
	}
	line("%s", comment)
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

// feedsPlace is where another feed goes.
type feedsPlace struct {
	offset  int    // in the file
	before  string // what must stand before the block
	indent  string // of the list's dashes
	newline string
	names   []string          // that are taken
	types   map[string]string // that are there, and a feed of each
}

var errFlow = errors.New("feeds are written as [...] on one line: write each on a line of its own that begins with \"-\", or add the feed by hand")

// feedsEnd finds the end of the list of feeds in a file.
func feedsEnd(data []byte) (*feedsPlace, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, fmt.Errorf("is not valid: see flowhound check: %w", err)
	}
	p := &feedsPlace{indent: "  ", newline: "\n"}
	if bytes.Contains(data, []byte("\r\n")) {
		p.newline = "\r\n"
	}
	var feeds *yaml.Node
	keyLine := 0
	if len(root.Content) > 0 && root.Content[0].Kind == yaml.MappingNode {
		top := root.Content[0]
		for i := 0; i+1 < len(top.Content); i += 2 {
			if top.Content[i].Value == "feeds" {
				feeds, keyLine = top.Content[i+1], top.Content[i].Line
			}
		}
	}
	last := 0
	switch {
	case feeds == nil:
		p.before = "feeds:" + p.newline
		last = bytes.Count(data, []byte("\n")) + 1
	case feeds.Kind == yaml.SequenceNode && feeds.Style&yaml.FlowStyle == 0 && len(feeds.Content) > 0:
		p.indent = strings.Repeat(" ", feeds.Column-1)
		last = lastLine(feeds)
		p.names, p.types = feedNames(feeds)
	case feeds.ShortTag() == "!!null" && feeds.Value == "":
		last = keyLine
	default:
		return nil, errFlow
	}
	p.offset = pastComments(data, lineEnd(data, last), len(p.indent))
	if p.offset > 0 && data[p.offset-1] != '\n' {
		p.before = p.newline + p.before
	}
	return p, nil
}

func feedNames(feeds *yaml.Node) (names []string, types map[string]string) {
	types = map[string]string{}
	for _, f := range feeds.Content {
		values := map[string]string{}
		for i := 0; i+1 < len(f.Content); i += 2 {
			values[f.Content[i].Value] = f.Content[i+1].Value
		}
		names = append(names, values["name"])
		types[values["type"]] = values["name"]
	}
	return names, types
}

// lastLine is the last line that a node's values begin on. A value of several lines
// is none that a feed takes.
func lastLine(n *yaml.Node) int {
	last := n.Line
	for _, c := range n.Content {
		last = max(last, lastLine(c))
	}
	return last
}

// lineEnd is the offset behind the line of that number, from 1.
func lineEnd(data []byte, line int) int {
	at := 0
	for range line {
		i := bytes.IndexByte(data[at:], '\n')
		if i < 0 {
			return len(data)
		}
		at += i + 1
	}
	return at
}

// pastComments skips the comments at an offset that stand deeper than the list's
// dashes: they are about its last feed.
func pastComments(data []byte, at, indent int) int {
	for {
		line := data[at : lineEnd(data[at:], 1)+at]
		text := bytes.TrimLeft(line, " ")
		if len(line)-len(text) <= indent || !bytes.HasPrefix(text, []byte("#")) {
			return at
		}
		at += len(line)
	}
}

// replaceFile puts next in the place of old at path, unless that has changed.
func replaceFile(path string, old, next []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	p, err := file.Create(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	defer p.Discard()
	_, err = p.Write(next)
	if st, ok := info.Sys().(*syscall.Stat_t); ok && err == nil && (int(st.Uid) != os.Geteuid() || int(st.Gid) != os.Getegid()) {
		err = p.Chown(int(st.Uid), int(st.Gid))
	}
	err = errors.Join(err, p.KeepMode(0o600))
	if now, readErr := file.Read(path, maxFile); err == nil && (readErr != nil || !bytes.Equal(now, old)) {
		err = errors.New("somebody else has changed it meanwhile: try again")
	}
	if err == nil {
		err = p.Commit()
	}
	if err != nil {
		return fmt.Errorf("configuration %s: %w", path, err)
	}
	return nil
}
