package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v3"

	"github.com/flowhound/flowhound/cmd/internal/file"
)

// Change is what a command, or a button of the web page, changes in the configuration
// file or in a list that it names. It was checked and nothing is written until Write.
// All else in the files stays as it is, byte for byte, comments too.
type Change struct {
	File string // the one that Text is about
	Text string // the lines that come, or those that go

	writes []write
}

// write is the new content of one file; old is nil where there was no file.
type write struct {
	path      string
	old, next []byte
}

// Write writes the change. A file that was changed since it was read is left alone,
// which is an error. Links are followed; mode and owner of the files stay.
func (c *Change) Write() error {
	for _, w := range c.writes {
		if err := replaceFile(w.path, w.old, w.next); err != nil {
			return err
		}
	}
	return nil
}

func (c *Change) edit(path string, old, next []byte) {
	c.writes = append(c.writes, write{path, old, next})
}

// check rejects a change that would make the configuration at path invalid.
func (c *Change) check(path string) error {
	for _, w := range c.writes {
		if w.path != path {
			continue
		}
		if _, err := Parse(path, w.next); err != nil {
			return fmt.Errorf("with this change the configuration would not be valid, so nothing was changed:\n%w", err)
		}
	}
	return nil
}

// open reads the configuration that is to be changed and returns where it is.
func open(path string) (real string, data []byte, err error) {
	if path, err = filepath.Abs(path); err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err == nil {
		data, _, err = read(path)
	}
	if err != nil {
		return "", nil, fmt.Errorf("configuration: %w", err)
	}
	return path, data, nil
}

// openParsed is open, and what the file says.
func openParsed(path string) (real string, data []byte, cfg *Config, err error) {
	if real, data, err = open(path); err == nil {
		cfg, err = Parse(real, data)
	}
	return real, data, cfg, err
}

// listing is a list at the top of the file, and where another entry goes.
type listing struct {
	key     string
	offset  int    // of another entry in the file
	cut     int    // where "[]" of an empty list stands, which goes; 0: nowhere
	before  string // what must stand before it
	indent  string // of the dashes
	newline string
	items   []*yaml.Node
}

// findList finds the list of that name, which may be missing.
func findList(data []byte, name string) (*listing, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, fmt.Errorf("is not valid: see flowhound check: %w", err)
	}
	l := &listing{key: name, indent: "  ", newline: "\n"}
	if bytes.Contains(data, []byte("\r\n")) {
		l.newline = "\r\n"
	}
	key, value := topKey(&root, name)
	last := 0
	switch {
	case value == nil:
		l.before = name + ":" + l.newline
		last = bytes.Count(data, []byte("\n")) + 1
	case value.Kind == yaml.SequenceNode && value.Style&yaml.FlowStyle == 0 && len(value.Content) > 0:
		l.indent = strings.Repeat(" ", value.Column-1)
		l.items = value.Content
		last = lastLine(value)
	case value.ShortTag() == "!!null" && value.Value == "":
		last = key.Line
	case value.Kind == yaml.SequenceNode && len(value.Content) == 0 && value.Line == key.Line:
		l.cut = lineEnd(data, value.Line-1) + value.Column - 1
		if !bytes.HasPrefix(data[l.cut:], []byte("[]")) {
			return nil, flowError(name)
		}
		last = key.Line
	default:
		return nil, flowError(name)
	}
	l.offset = pastComments(data, lineEnd(data, last), len(l.indent))
	if l.offset > 0 && data[l.offset-1] != '\n' {
		l.before = l.newline + l.before
	}
	return l, nil
}

func flowError(key string) error {
	return fmt.Errorf("%s is written as [...]: write each entry on a line of its own that begins with \"-\", or change it by hand", key)
}

func topKey(root *yaml.Node, name string) (key, value *yaml.Node) {
	if len(root.Content) == 0 || root.Content[0].Kind != yaml.MappingNode {
		return nil, nil
	}
	top := root.Content[0]
	for i := 0; i+1 < len(top.Content); i += 2 {
		if top.Content[i].Value == name {
			return top.Content[i], top.Content[i+1]
		}
	}
	return nil, nil
}

// insert returns data with block, which begins with l.before, as the last entry.
func (l *listing) insert(data []byte, block string) []byte {
	before := data[:l.offset]
	if l.cut > 0 {
		before = slices.Concat(bytes.TrimRight(data[:l.cut], " "), data[l.cut+len("[]"):l.offset])
	}
	return slices.Concat(before, []byte(block), data[l.offset:])
}

// line returns an entry of one line with what must stand before it.
func (l *listing) line(text string) string { return l.before + l.indent + "- " + text + l.newline }

// span returns where entry i begins and ends in the file: from its dash to the last
// comment that stands deeper than the dashes.
func (l *listing) span(data []byte, i int) (from, to int) {
	first := l.items[i].Line
	for ; first > 1; first-- { // the dash may stand on a line of its own
		if bytes.HasPrefix(data[lineEnd(data, first-1):], []byte(l.indent+"-")) {
			break
		}
	}
	return lineEnd(data, first-1), pastComments(data, lineEnd(data, lastLine(l.items[i])), len(l.indent))
}

// removeEntry takes entry i out of a list of the configuration at path. The key goes
// with its last entry.
func removeEntry(path string, old []byte, l *listing, i int) (*Change, error) {
	from, to := l.span(old, i)
	next := slices.Concat(old[:from], old[to:])
	title := ""
	if l.key == "feeds" {
		title, next = withoutTitle(old, next, from)
	}
	c := &Change{File: path, Text: title + string(old[from:to])}
	if len(l.items) == 1 {
		var err error
		if next, err = withoutKey(next, l.key); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if !removedOnly(old, next, l.key, i) {
		return nil, fmt.Errorf("%s: entry %d of %s cannot be separated from the lines around it: remove it by hand", path, i+1, l.key)
	}
	c.edit(path, old, next)
	return c, c.check(path)
}

// withoutTitle takes out the comment that AddFeed has put above the feed which stood
// at from.
func withoutTitle(old, next []byte, from int) (title string, without []byte) {
	above := bytes.LastIndexByte(old[:max(0, from-1)], '\n') + 1
	line := string(old[above:from])
	if !isTitle(strings.TrimSpace(line)) {
		return "", next
	}
	return line, slices.Concat(next[:above], next[from:])
}

// withoutKey takes the line of a key out whose list is empty now.
func withoutKey(data []byte, name string) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, err
	}
	key, _ := topKey(&root, name)
	if key == nil {
		return data, nil
	}
	return slices.Concat(data[:lineEnd(data, key.Line-1)], data[lineEnd(data, key.Line):]), nil
}

// removedOnly reports whether next says what old does without entry i of a list.
func removedOnly(old, next []byte, key string, i int) bool {
	var was, is map[string]any
	if yaml.Unmarshal(old, &was) != nil || yaml.Unmarshal(next, &is) != nil {
		return false
	}
	items, _ := was[key].([]any)
	if i >= len(items) {
		return false
	}
	if items = slices.Delete(items, i, i+1); len(items) == 0 {
		delete(was, key)
	} else {
		was[key] = items
	}
	return len(was) == 0 && len(is) == 0 || reflect.DeepEqual(was, is)
}

// lastLine is the last line that a node's values begin on. A value of several lines
// is none that an entry takes; removedOnly sees one.
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
// dashes: they are about its last entry.
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

// replaceFile puts next in the place of old at path, unless that has changed. A new
// file, of which old is nil, gets owner and group of its folder.
func replaceFile(path string, old, next []byte) error {
	like := path
	if old == nil {
		like = filepath.Dir(path)
	}
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	p, err := file.Create(path)
	if err != nil {
		return err
	}
	defer p.Discard()
	_, err = p.Write(next)
	if st, ok := info.Sys().(*syscall.Stat_t); ok && err == nil && (int(st.Uid) != os.Geteuid() || int(st.Gid) != os.Getegid()) {
		err = p.Chown(int(st.Uid), int(st.Gid))
	}
	err = errors.Join(err, p.KeepMode(0o640))
	now, readErr := file.Read(path, max(maxFile, int64(len(old))+1))
	if old == nil && errors.Is(readErr, fs.ErrNotExist) {
		now, readErr = nil, nil
	}
	if err == nil && (readErr != nil || !bytes.Equal(now, old)) {
		err = errors.New("somebody else has changed it meanwhile: try again")
	}
	if err == nil {
		err = p.Commit()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
