package main

import (
	"strings"
	"unicode/utf8"

	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// ntfyLimit is the most bytes of a text; a longer one becomes a file. ntfyBody is
// what the server reads of a document.
const (
	ntfyLimit = 4096
	ntfyBody  = 8000
	ntfyTitle = 250
)

// ntfy publishes as JSON (docs.ntfy.sh/publish). There are no threads.
func ntfy() *service {
	return &service{
		needs: []string{"topic"}, takes: []string{"token"},
		address: "https://ntfy.sh/", limit: ntfyLimit, bytes: ntfyBody,
		size: func(doc object) int {
			text, _ := doc["message"].(string)
			return len(text)
		},
		message:  ntfyMessage,
		envelope: func(s *settings, _ *message, _ string) object { return object{"topic": s.Topic.Reveal()} },
		headers:  bearer,
		accepted: func(a *answer) (string, error) { _, err := idOf(a, "id"); return "", err },
	}
}

// ntfyMessage is plain text, without markup to escape.
func ntfyMessage(_ *settings, m *message) object {
	var b strings.Builder
	fields := func(fs []field) {
		for _, f := range fs {
			b.WriteString(f.Name + ": " + f.Value + "\n")
		}
	}
	fields(m.Fields)
	click := ""
	for i := range m.Hits {
		h := &m.Hits[i]
		if len(m.Hits) > 1 || m.Digest {
			b.WriteString("\n" + icon(h.Severity) + " " + h.Title + "\n")
			if h.Link != "" {
				b.WriteString(h.Link + "\n")
			}
		}
		fields(h.Fields)
		if click == "" {
			click = h.Link
		}
	}
	doc := object{"title": m.Title, "message": strings.TrimSpace(b.String()), "priority": ntfyPriority(m.Severity), "tags": list{ntfyTag(m.Severity)}}
	if utf8.RuneCountInString(m.Title) > ntfyTitle {
		doc["title"] = text.Short(m.Title, ntfyTitle)
	}
	if click != "" {
		doc["click"] = click
	}
	return doc
}

func ntfyPriority(s hit.Severity) int { return [...]int{2, 2, 3, 4, 5}[min(s, hit.Critical)] }

func ntfyTag(s hit.Severity) string {
	return [...]string{"white_circle", "large_blue_circle", "yellow_circle", "orange_circle", "rotating_light"}[min(s, hit.Critical)]
}
