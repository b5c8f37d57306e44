package main

import (
	"errors"
	"strings"

	"github.com/flowhound/flowhound/plugin"
)

// teamsLimit is what a message may have: 28 KB.
const teamsLimit = 28000

// teams posts an Adaptive Card to a workflow ("When a Teams webhook request is
// received"). The workflow says nothing of what it posted, so nothing can be told
// in a thread.
func teams() *service {
	return &service{publicOnly: true, limit: teamsLimit, message: teamsMessage, accepted: teamsAnswer}
}

// teamsMessage shows texts as runs of a RichTextBlock: unlike a TextBlock, it
// knows no Markdown.
func teamsMessage(_ *settings, m *message) object {
	body := list{teamsText(teamsRun(icon(m.Severity)+" "+m.Title, object{"weight": "Bolder", "size": "Medium", "color": teamsColor(m)}))}
	body = append(body, teamsFields(m.Fields)...)
	for i := range m.Hits {
		h := &m.Hits[i]
		if len(m.Hits) > 1 || m.Digest {
			title := teamsText(teamsRun(icon(h.Severity)+" "+h.Title, object{"weight": "Bolder"}))
			title["separator"] = true
			body = append(body, title)
		}
		body = append(body, teamsFields(h.Fields)...)
		if h.Link != "" {
			body = append(body, object{"type": "ActionSet", "actions": list{object{"type": "Action.OpenUrl", "title": "Reference", "url": h.Link}}})
		}
	}
	return object{"type": "message", "attachments": list{object{
		"contentType": "application/vnd.microsoft.card.adaptive",
		"contentUrl":  nil,
		"content": object{
			"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
			"msteams": object{"width": "Full"}, "fallbackText": m.Title, "body": body,
		},
	}}}
}

func teamsFields(fields []field) list {
	var bs list
	for _, f := range fields {
		b := teamsText(teamsRun(f.Name+": ", object{"weight": "Bolder"}), teamsRun(f.Value, nil))
		b["spacing"] = "None"
		bs = append(bs, b)
	}
	return bs
}

func teamsText(runs ...any) object { return object{"type": "RichTextBlock", "inlines": runs} }

func teamsRun(text string, style object) object {
	run := object{"type": "TextRun", "text": text}
	for k, v := range style {
		run[k] = v
	}
	return run
}

func teamsColor(m *message) string {
	return [...]string{"Default", "Accent", "Warning", "Warning", "Attention"}[min(int(m.Severity), 4)]
}

// teamsAnswer knows the way in which Teams has long told of failures: with 200,
// and the failure's own status in the text.
func teamsAnswer(a *answer) (string, error) {
	text := string(a.body)
	switch {
	case strings.Contains(text, "Webhook message delivery failed"):
		err := errors.New("answered" + a.said)
		if strings.Contains(text, "HTTP error 413") || strings.Contains(text, "HTTP error 400") {
			err = plugin.Permanent(err)
		}
		return "", err
	case strings.Contains(strings.ToLower(text), "<html"):
		return "", a.unexpected()
	}
	return "", nil
}
