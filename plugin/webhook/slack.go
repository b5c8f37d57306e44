package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/text"
)

// Limits of Block Kit (docs.slack.dev/reference/block-kit/blocks).
const (
	slackBlocks  = 50
	slackHeader  = 150
	slackField   = 2000
	slackFields  = 10
	slackText    = 3000
	slackMessage = 40000
)

// slack posts to an incoming webhook. It answers "ok", without the message's
// timestamp, so nothing can be told in a thread.
func slack() *service {
	return &service{
		takes: []string{"token"}, how: " without a token", publicOnly: true, limit: slackMessage,
		message: slackMessageOf,
		accepted: func(a *answer) (string, error) {
			return "", said(a, "ok")
		},
	}
}

// slackAPI posts as a bot with chat.postMessage, which tells the timestamp that
// makes threads.
func slackAPI() *service {
	return &service{
		needs: []string{"token", "channel"}, how: " with a token", publicOnly: true, limit: slackMessage,
		address: "https://slack.com/api/chat.postMessage",
		message: slackMessageOf,
		envelope: func(s *settings, _ *message, thread string) object {
			o := object{"channel": s.Channel}
			if thread != "" {
				o["thread_ts"] = thread
			}
			return o
		},
		headers:  bearer,
		accepted: slackAPIAnswer,
	}
}

func slackAPIAnswer(a *answer) (string, error) {
	var v struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
		TS    string `json:"ts"`
	}
	if json.Unmarshal(a.body, &v) != nil || !v.OK && v.Error == "" {
		return "", a.unexpected()
	}
	if v.OK {
		return v.TS, nil
	}
	err := errors.New("answered " + strings.TrimPrefix(a.said, ": "))
	switch v.Error {
	case "ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org":
		return "", err
	}
	return "", plugin.Permanent(err)
}

// slackMessageOf shows texts from outside as plain_text, in which Slack knows
// neither links nor mentions nor formats.
func slackMessageOf(_ *settings, m *message) object {
	title := icon(m.Severity) + " " + m.Title
	blocks := list{object{"type": "header", "text": slackPlain(title, slackHeader)}}
	blocks = append(blocks, slackFieldsOf(m.Fields)...)
	for i := range m.Hits {
		h := &m.Hits[i]
		if len(m.Hits) > 1 || m.Digest {
			blocks = append(blocks, object{"type": "section", "text": slackPlain(icon(h.Severity)+" "+h.Title, slackText)})
		}
		blocks = append(blocks, slackFieldsOf(h.Fields)...)
		if h.Link != "" {
			text := "<" + text.Markup.Fit(h.Link, slackText-20) + "|reference>"
			blocks = append(blocks, object{"type": "context", "elements": list{object{"type": "mrkdwn", "text": text, "verbatim": true}}})
		}
	}
	return object{
		"text": text.Markup.Fit(title, slackText), "blocks": blocks[:min(len(blocks), slackBlocks)],
		"unfurl_links": false, "unfurl_media": false, "link_names": false,
	}
}

// slackFieldsOf returns fields in as many sections as they need.
func slackFieldsOf(fields []field) (sections list) {
	for some := range slices.Chunk(fields, slackFields) {
		var fs list
		for _, f := range some {
			fs = append(fs, object{"type": "plain_text", "text": f.Name + "\n" + text.Markup.Fit(f.Value, slackField-len(f.Name)-1), "emoji": false})
		}
		sections = append(sections, object{"type": "section", "fields": fs})
	}
	return sections
}

func slackPlain(s string, limit int) object {
	return object{"type": "plain_text", "text": text.Markup.Fit(s, limit), "emoji": false}
}

// said accepts an answer of one word.
func said(a *answer, word string) error {
	if strings.TrimSpace(string(a.body)) == word {
		return nil
	}
	return a.unexpected()
}

// unexpected says that a success does not look like one of this service: most
// often a login page or a proxy in between has answered.
func (a *answer) unexpected() error {
	said := a.said
	if said == "" {
		said = ": the body is empty"
	}
	return fmt.Errorf("unexpected answer (status %d%s); check the URL", a.status, said)
}
