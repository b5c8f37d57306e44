package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/alert"
)

// AddMute mutes what m says in the configuration file at path. An entry on exactly the
// same, which may have ended, is replaced.
func AddMute(path string, m alert.Mute) (*Change, error) {
	m = canonical(m)
	if err := checkMute(&m); err != nil {
		return nil, err
	}
	path, old, was, err := openParsed(path)
	if err != nil {
		return nil, err
	}
	between, _, err := withoutMutes(path, old, was.Mute, &m)
	if err != nil {
		return nil, err
	}
	l, err := findList(between, "mute")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	block := l.line(muteText(&m))
	c := &Change{File: path, Text: block}
	c.edit(path, old, l.insert(between, block))
	if err := c.check(path); err != nil {
		return nil, err
	}
	now, err := Parse(path, c.writes[0].next)
	if err != nil || len(now.Mute) == 0 || now.Mute[len(now.Mute)-1] != m {
		return nil, errors.New("the reason cannot be written into the configuration as it is: use other words")
	}
	return c, nil
}

// RemoveMute takes the entries out that are on exactly what m names; m's other fields
// do not matter.
func RemoveMute(path string, m alert.Mute) (*Change, error) {
	m = canonical(m)
	path, old, was, err := openParsed(path)
	if err != nil {
		return nil, err
	}
	next, text, err := withoutMutes(path, old, was.Mute, &m)
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, noMute(was.Mute, &m)
	}
	c := &Change{File: path, Text: text}
	c.edit(path, old, next)
	return c, c.check(path)
}

// withoutMutes returns the file without those of its entries that are on exactly what m
// names, and the text of these.
func withoutMutes(path string, data []byte, entries []alert.Mute, m *alert.Mute) (next []byte, text string, err error) {
	for i := len(entries) - 1; i >= 0; i-- {
		if !sameMute(&entries[i], m) {
			continue
		}
		l, err := findList(data, "mute")
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", path, err)
		}
		c, err := removeEntry(path, data, l, i)
		if err != nil {
			return nil, "", err
		}
		data, text = c.writes[0].next, c.Text+text
	}
	return data, text, nil
}

// noMute says that there is no such entry, and which there are.
func noMute(entries []alert.Mute, m *alert.Mute) error {
	if len(entries) == 0 {
		return errors.New("nothing is muted")
	}
	var all []string
	for i := range entries[:min(len(entries), 10)] {
		all = append(all, entries[i].String())
	}
	return fmt.Errorf("there is no mute of exactly %s; what is muted: %s", m.String(), strings.Join(all, ", "))
}

// checkMute says in the words of a person who gives a command what an entry lacks.
func checkMute(m *alert.Mute) error {
	switch {
	case !m.Src.IsValid() && !m.IOC.IsValid() && m.Cat == "":
		return errors.New("name what is muted: an address, a network or a category")
	case m.Why == "":
		return errors.New("give the reason, for example --why \"our own scanner\"")
	case !m.Until.After(time.Now()):
		return errors.New("the end lies in the past: say for how long, for example --for 7d")
	}
	return nil
}

// canonical returns m as the file says it, to the second and in UTC.
func canonical(m alert.Mute) alert.Mute {
	m.Src, m.IOC = masked(m.Src), masked(m.IOC)
	m.Until = m.Until.UTC().Truncate(time.Second)
	if !m.At.IsZero() {
		m.At = m.At.UTC().Truncate(time.Second)
	}
	return m
}

func masked(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// sameMute reports whether two entries are on the same.
func sameMute(a, b *alert.Mute) bool {
	return masked(a.Src) == masked(b.Src) && masked(a.IOC) == masked(b.IOC) && a.Cat == b.Cat
}

// muteText is an entry on one line.
func muteText(m *alert.Mute) string {
	parts := strings.Fields(m.String())
	for i := range parts {
		key, value, _ := strings.Cut(parts[i], "=")
		if strings.Contains(value, ":") {
			value = quoted(value)
		}
		parts[i] = key + ": " + value
	}
	parts = append(parts, "until: "+quoted(m.Until.Format(time.RFC3339)), "why: "+quoted(m.Why))
	if m.By != "" {
		parts = append(parts, "by: "+quoted(m.By))
	}
	if !m.At.IsZero() {
		parts = append(parts, "at: "+quoted(m.At.Format(time.RFC3339)))
	}
	return "{" + strings.Join(slices.Clip(parts), ", ") + "}"
}

// quoted returns s as a string of YAML in quotes, of which those of JSON are some.
func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}
