package alert

import (
	"fmt"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/settings"
)

// maxMutes bounds the entries of mute: all are looked at for each match.
const maxMutes = 1000

// CompleteMutes says what is wrong with the entries of mute, section at of the file.
func CompleteMutes(mutes []Mute, at settings.Section) {
	if n := len(mutes); n > maxMutes {
		at.Errorf("", "has %d entries; the most is %d", n, maxMutes)
	}
	for i := range mutes {
		m, at := &mutes[i], at.Index(i)
		if !at.HasAny("src", "ioc", "cat") && !at.Reported("") {
			at.Errorf("", "does not say what is muted: give src, ioc or cat; to report less of everything, raise alert.min_severity")
		}
		if !at.Reported("until") && !m.Until.After(time.Now()) {
			at.Warnf("until", "%s has passed: what this entry muted is reported again; remove the entry, or set a later date", at.Text("until"))
		}
	}
}

// MarshalYAML returns what a configuration has. The library takes addresses and networks
// for empty, because it sees none of their fields.
func (m Mute) MarshalYAML() (any, error) {
	text := struct {
		Src   string `yaml:"src,omitempty"`
		IOC   string `yaml:"ioc,omitempty"`
		Cat   string `yaml:"cat,omitempty"`
		Until string `yaml:"until"`
		Why   string `yaml:"why"`
		By    string `yaml:"by,omitempty"`
		At    string `yaml:"at,omitempty"`
	}{Cat: m.Cat, Until: m.Until.UTC().Format(time.RFC3339), Why: m.Why, By: m.By}
	if !m.At.IsZero() {
		text.At = m.At.UTC().Format(time.RFC3339)
	}
	if m.Src.IsValid() {
		text.Src = m.Src.String()
	}
	if m.IOC.IsValid() {
		text.IOC = m.IOC.String()
	}
	return text, nil
}

// Ended remembers which entries of mute were said to have ended. It is for one
// goroutine.
type Ended map[Mute]bool

// News returns what to say of the entries that have ended since the last time, each
// once.
func (e Ended) News(entries []Muted, now time.Time) (say []string) {
	for _, m := range entries {
		if !m.Over(now) || e[m.Mute] {
			continue
		}
		e[m.Mute] = true
		say = append(say, fmt.Sprintf("the mute of %s (%s) ended at %s: it is reported again; remove the entry, or give it another end",
			m.String(), m.Why, m.Until.UTC().Format(time.RFC3339)))
	}
	return say
}
