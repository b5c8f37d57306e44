package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/text"
)

// mattermostLimit is what a post may have (16,383 characters), its attachments
// counted in.
const mattermostLimit = 16000

// mattermost posts to an incoming webhook. It answers "ok" without the post's id
// and takes no root_id, so nothing can be told in a thread.
func mattermost() *service {
	return &service{
		takes: []string{"token", "channel"}, how: " without a token", limit: mattermostLimit,
		message: func(_ *settings, m *message) object {
			return object{"text": markdownTitle(m), "attachments": attachments(m)}
		},
		envelope: func(s *settings, _ *message, _ string) object { return channelOf(s) },
		accepted: func(a *answer) (string, error) { return "", said(a, "ok") },
	}
}

// mattermostAPI posts as a bot (POST /api/v4/posts), whose answer has the id that
// makes threads. channel is the channel's id.
func mattermostAPI() *service {
	return &service{
		needs: []string{"token", "channel"}, how: " with a token", limit: mattermostLimit,
		message: func(_ *settings, m *message) object {
			return object{"message": markdownTitle(m), "props": object{"attachments": attachments(m)}}
		},
		envelope: func(s *settings, _ *message, thread string) object {
			o := object{"channel_id": s.Channel}
			if thread != "" {
				o["root_id"] = thread
			}
			return o
		},
		place: func(_ *settings, address, _ string) string {
			return strings.TrimSuffix(address, "/") + "/api/v4/posts"
		},
		headers: bearer,
		accepted: func(a *answer) (string, error) {
			return idOf(a, "id")
		},
	}
}

// rocketchat posts to an incoming integration. Its answer has no id of the
// message, so nothing can be told in a thread.
func rocketchat() *service {
	return &service{
		takes: []string{"channel"}, limit: mattermostLimit,
		message: func(_ *settings, m *message) object {
			return object{"text": markdownTitle(m), "attachments": attachments(m)}
		},
		envelope: func(s *settings, _ *message, _ string) object { return channelOf(s) },
		accepted: func(a *answer) (string, error) { return "", succeeded(a) },
	}
}

func channelOf(s *settings) object {
	if s.Channel == "" {
		return nil
	}
	return object{"channel": s.Channel}
}

func markdownTitle(m *message) string {
	return icon(m.Severity) + " " + text.Markdown.Fit(m.Title, 500)
}

// attachments are of the form that Slack once had: one for what is about all
// hits, then one for each. Their titles are not Markdown, the values are.
func attachments(m *message) list {
	as := list{}
	if len(m.Fields) > 0 {
		as = append(as, object{"color": fmt.Sprintf("#%06x", color(m.Severity)), "fallback": m.Title, "fields": attachmentFields(m.Fields)})
	}
	for i := range m.Hits {
		h := &m.Hits[i]
		a := object{"color": fmt.Sprintf("#%06x", color(h.Severity)), "fallback": h.Title, "title": h.Title}
		if h.Link != "" {
			a["title_link"] = h.Link
		}
		if fs := attachmentFields(h.Fields); len(fs) > 0 {
			a["fields"] = fs
		}
		as = append(as, a)
	}
	return as
}

func attachmentFields(fields []field) list {
	var fs list
	for _, f := range fields {
		fs = append(fs, object{"title": f.Name, "value": text.Markdown.Fit(f.Value, 4000), "short": len(f.Value) < 60})
	}
	return fs
}

// idOf returns the member key of an answer that is an object and has one.
func idOf(a *answer, key string) (string, error) {
	var doc object
	if json.Unmarshal(a.body, &doc) == nil {
		if id, ok := doc[key].(string); ok && id != "" {
			return id, nil
		}
	}
	return "", a.unexpected()
}

// succeeded reads {"success": true}.
func succeeded(a *answer) error {
	var v struct {
		Success *bool `json:"success"`
	}
	switch {
	case json.Unmarshal(a.body, &v) != nil || v.Success == nil:
		return a.unexpected()
	case !*v.Success:
		return plugin.Permanent(errors.New("answered" + a.said))
	}
	return nil
}
