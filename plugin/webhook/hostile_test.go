package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// live finds in the texts of a service what would be more than text to it.
var live = map[string]*regexp.Regexp{
	"slack":      regexp.MustCompile(`<|>|&(?:[^alg]|$)`),
	"teams":      regexp.MustCompile(`[\x00-\x1f]`), // a TextRun has no markup
	"discord":    regexp.MustCompile("(?:^|[^\\\\])[*`\\[\\]<>|~]"),
	"mattermost": regexp.MustCompile("(?:^|[^\\\\])[*`\\[\\]<>|~]"),
	"rocketchat": regexp.MustCompile("(?:^|[^\\\\])[*`\\[\\]<>|~]"),
	"googlechat": regexp.MustCompile(`<|>`),
	"telegram":   regexp.MustCompile(`<|>`),
}

// own is the markup that flowhound writes itself.
var own = regexp.MustCompile(`</?b>|<a href="https://evil\.example/[^"<>]*">reference</a>|^<https://evil\.example/[^<>|]*\|reference>$`)

// addresses are members that hold a link, not a text.
var addresses = map[string]bool{"url": true, "title_link": true, "click": true, "client_url": true, "href": true, "$schema": true, "contentType": true}

// reaches finds mentions, bare links, and characters that turn or end a line.
var reaches = regexp.MustCompile(`@(everyone|channel|here)|(^|[^="<])https?://|www\.evil|[\x{202a}-\x{202e}\x{2028}\x00-\x09\x0b-\x1f]`)

func TestHostileTextsAreMereText(t *testing.T) {
	t.Parallel()
	for name, s := range settingsOf("https://hooks.example") {
		if name == "generic" {
			continue // the hits themselves, as data
		}
		markup := live[s.Service]
		target := resolved(t, s)
		for _, batch := range []string{"hostile", "hostile-digest"} {
			for _, b := range bodies(t, target, batches()[batch]) {
				var doc object
				if err := json.Unmarshal(b, &doc); err != nil {
					t.Fatal(err)
				}
				if payload, ok := doc["payload"].(object); ok {
					delete(payload["custom_details"].(object), "hit") // as data
				}
				eachText("", doc, func(key, text string) {
					if addresses[key] {
						if !strings.HasPrefix(text, "http") && key != "contentType" {
							t.Errorf("%s: %s is %q", name, key, text)
						}
						return
					}
					text = own.ReplaceAllString(text, "")
					plain := key == "fallback" || key == "title" && s.Service != "discord" // not markup there
					if s.Service == "ntfy" {
						text = regexp.MustCompile(`(?m)^https://.*$`).ReplaceAllString(text, "") // a digest's links
					}
					if reaches.MatchString(text) || markup != nil && !plain && markup.MatchString(strings.ReplaceAll(text, `\\`, "")) {
						t.Errorf("%s: %s: %q", name, key, text)
					}
				})
			}
		}
	}
}

func eachText(key string, v any, f func(key, text string)) {
	switch v := v.(type) {
	case object:
		for k, e := range v {
			eachText(k, e, f)
		}
	case list:
		for _, e := range v {
			eachText(key, e, f)
		}
	case string:
		f(key, v)
	}
}
