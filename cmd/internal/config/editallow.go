package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/file"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/list"
)

// Allowed is an entry of an allow list.
type Allowed struct {
	What string // an address, a network or a name, which with a leading dot stands for all below it too
	// List is the file: one of those of allow; "": the first of them.
	List    string
	Why, By string
	At      time.Time
	Until   time.Time // when it ends; zero: it does not
}

// maxAllow is the largest allow list that is changed, in bytes.
const maxAllow = 64 << 20

// firstAllow is the allow list that AddAllow makes where there is none yet.
const firstAllow = "allow.txt"

// AddAllow puts an entry into an allow list of the configuration at path. A line on
// the same is replaced. Where there is no allow list yet, one is made beside the
// configuration.
func AddAllow(path string, a Allowed) (*Change, error) {
	entry, err := parseAllowed(a.What)
	switch {
	case err != nil:
		return nil, err
	case strings.TrimSpace(a.Why) == "":
		return nil, errors.New("give the reason, for example --why \"our own mail host\"")
	case !a.Until.IsZero() && !a.Until.After(time.Now()):
		return nil, errors.New("the end lies in the past: say for how long, for example --for 7d")
	}
	path, old, cfg, err := openParsed(path)
	if err != nil {
		return nil, err
	}
	c := &Change{}
	if len(cfg.Allow) == 0 && a.List == "" {
		l, err := findList(old, "allow")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		c.edit(path, old, l.insert(old, l.line(firstAllow)))
		cfg.Allow = []string{filepath.Join(filepath.Dir(path), firstAllow)}
	}
	c.File, err = chooseAllow(cfg.Allow, a.List, filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	data, err := readAllow(c.File)
	if err != nil {
		return nil, err
	}
	c.Text = allowLine(entry, &a)
	next, _ := withoutEntry(data, entry)
	if len(next) > 0 && next[len(next)-1] != '\n' {
		next = append(next, '\n')
	}
	// The list comes before the configuration that names it.
	c.writes = slices.Insert(c.writes, 0, write{c.File, data, append(next, c.Text...)})
	return c, c.check(path)
}

// RemoveAllow takes an entry out of the allow lists of the configuration at path.
func RemoveAllow(path, what string) (*Change, error) {
	entry, err := parseAllowed(what)
	if err != nil {
		return nil, err
	}
	_, _, cfg, err := openParsed(path)
	if err != nil {
		return nil, err
	}
	c := &Change{}
	for _, name := range cfg.Allow {
		data, err := readAllow(name)
		if err != nil {
			continue // a MISP warninglist, or one that is not there
		}
		if next, text := withoutEntry(data, entry); text != "" {
			c.File, c.Text = name, c.Text+text
			c.edit(name, data, next)
		}
	}
	if len(c.writes) == 0 {
		return nil, fmt.Errorf("no allow list has a line of exactly %s; flowhound lookup %s shows what allows it", entry, strings.TrimPrefix(what, "."))
	}
	return c, nil
}

// chooseAllow returns the file of a list that is named, or else the first.
func chooseAllow(lists []string, name, folder string) (string, error) {
	if name == "" {
		return lists[0], nil
	}
	whole := name
	if !filepath.IsAbs(whole) {
		whole = filepath.Join(folder, name)
	}
	if !slices.Contains(lists, whole) {
		return "", fmt.Errorf("%s is not in allow: of the configuration; the lists are %s", name, strings.Join(lists, ", "))
	}
	return whole, nil
}

// readAllow reads a plain list; one that is not there is nil.
func readAllow(path string) ([]byte, error) {
	data, err := file.Read(path, maxAllow)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")):
		return nil, fmt.Errorf("%s is a MISP warninglist, which flowhound does not change: name a plain list with --list", path)
	}
	return data, nil
}

// parseAllowed reads what a person names, by the rules of the lists themselves.
func parseAllowed(what string) (intel.AllowEntry, error) {
	entries := entriesOf(what)
	if len(entries) != 1 || strings.ContainsAny(what, "#;\n") {
		return intel.AllowEntry{}, fmt.Errorf("%.100q cannot be allowed: name an address, a network or a domain (.example.com for all names below it too)", what)
	}
	if why := ingest.NewPolicy(nil).RejectAllow(entries[0].Prefix); entries[0].Prefix.IsValid() && why != "" {
		return intel.AllowEntry{}, fmt.Errorf("%s cannot be allowed: %s", what, why)
	}
	return entries[0], nil
}

// entriesOf returns what a line allows: nothing, one thing, or the networks of a range.
func entriesOf(line string) (entries []intel.AllowEntry) {
	_, err := list.ParseAllow(strings.NewReader(line+"\n"), func(e intel.AllowEntry) ingest.Reason {
		entries = append(entries, e)
		return ""
	})
	if err != nil {
		return nil
	}
	return entries
}

// withoutEntry takes the lines out that are on exactly the entry.
func withoutEntry(data []byte, entry intel.AllowEntry) (next []byte, text string) {
	name := strings.ToLower(entry.String())
	for line := range bytes.Lines(data) {
		word, _, _ := bytes.Cut(bytes.TrimLeft(line, " \t\ufeff"), []byte("#"))
		same := false
		if len(word) > 0 && len(word) < ingest.MaxLine {
			found := entriesOf(string(bytes.TrimSpace(line)))
			same = len(found) == 1 && found[0].String() == name
		}
		if same {
			text += string(line)
		} else {
			next = append(next, line...)
		}
	}
	return next, text
}

// allowLine is a line of an allow list: "192.0.2.1 # until 2026-12-05T10:00:00Z: why (by, date)".
func allowLine(entry intel.AllowEntry, a *Allowed) string {
	why := strings.Join(strings.Fields(a.Why), " ")
	if !a.Until.IsZero() {
		why = list.UntilMark + a.Until.UTC().Format(time.RFC3339) + ": " + why
	}
	var who []string
	if a.By != "" {
		who = append(who, a.By)
	}
	if !a.At.IsZero() {
		who = append(who, a.At.UTC().Format(time.DateOnly))
	}
	if len(who) > 0 {
		why += " (" + strings.Join(who, ", ") + ")"
	}
	return entry.String() + " # " + why + "\n"
}
