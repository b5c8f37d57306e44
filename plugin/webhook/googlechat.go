package main

import (
	"strings"

	"github.com/flowhound/flowhound/plugin/text"
)

// googleLimit is what a message may have: 32,000 bytes.
const googleLimit = 32000

// googlechat posts to a space's webhook. A thread has the key that its first
// message gave it, so that nothing has to be remembered.
func googlechat() *service {
	return &service{
		publicOnly: true, limit: googleLimit,
		message: googleMessage,
		envelope: func(_ *settings, m *message, _ string) object {
			if m.Series == "" {
				return nil
			}
			return object{"thread": object{"threadKey": text.Short("flowhound-"+m.Series, 100)}}
		},
		place: func(_ *settings, address, _ string) string {
			return withQuery(address, "messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD") // without it keys are ignored
		},
		accepted: func(a *answer) (string, error) {
			_, err := idOf(a, "name")
			return "", err
		},
	}
}

// googleMessage has texts from outside in the card, where markup is HTML. text is
// for notifications; its markup has no escape, and it is of our own words.
func googleMessage(_ *settings, m *message) object {
	title := icon(m.Severity) + " " + m.Title
	sections := list{}
	if fs := googleFields(m.Fields); len(fs) > 0 {
		sections = append(sections, object{"widgets": fs})
	}
	for i := range m.Hits {
		h := &m.Hits[i]
		section := object{}
		widgets := googleFields(h.Fields)
		if h.Link != "" {
			widgets = append(widgets, object{"buttonList": object{"buttons": list{object{
				"text": "Reference", "onClick": object{"openLink": object{"url": h.Link}},
			}}}})
		}
		switch {
		case len(m.Hits) > 1 && len(widgets) > 0:
			section["header"] = googleText(icon(h.Severity) + " " + h.Title)
		case len(widgets) == 0:
			widgets = list{object{"textParagraph": object{"text": googleText(icon(h.Severity) + " " + h.Title)}}}
		}
		section["widgets"] = widgets
		sections = append(sections, section)
	}
	return object{
		"text": strings.NewReplacer("_", "_"+text.Joint).Replace(title),
		"cardsV2": list{object{"cardId": "flowhound", "card": object{
			"header": object{"title": title, "subtitle": "flowhound"}, "sections": sections,
		}}},
	}
}

func googleFields(fields []field) list {
	var ws list
	for _, f := range fields {
		ws = append(ws, object{"decoratedText": object{"topLabel": f.Name, "text": googleText(f.Value), "wrapText": true}})
	}
	return ws
}

func googleText(s string) string { return text.Markup.Fit(s, 4000) }
