package main

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/text"
)

// telegramLimit is what a text may have, in UTF-16 units. It holds after markup
// is taken out; ours is counted in, so as to be safe.
const telegramLimit = 4096

// telegram sends as a bot (core.telegram.org/bots/api#sendmessage). The token is
// a part of the address. A series is told in answers to its first message.
func telegram() *service {
	return &service{
		needs: []string{"token", "chat"}, publicOnly: true,
		address: "https://api.telegram.org", limit: telegramLimit, bytes: 60_000,
		size: func(doc object) int {
			text, _ := doc["text"].(string)
			return len(utf16.Encode([]rune(text)))
		},
		message: telegramMessage,
		envelope: func(s *settings, _ *message, thread string) object {
			o := object{"chat_id": s.Chat, "link_preview_options": object{"is_disabled": true}}
			if id, err := strconv.ParseInt(thread, 10, 64); err == nil {
				o["reply_parameters"] = object{"message_id": id, "allow_sending_without_reply": true}
			}
			return o
		},
		place: func(s *settings, address, _ string) string {
			return strings.TrimSuffix(address, "/") + "/bot" + s.Token.Reveal() + "/sendMessage"
		},
		accepted: telegramAnswer,
	}
}

func telegramMessage(_ *settings, m *message) object {
	var b strings.Builder
	html := func(s string) string { return text.Markup.Fit(s, telegramLimit) }
	b.WriteString("<b>" + icon(m.Severity) + " " + html(m.Title) + "</b>\n")
	fields := func(fs []field) {
		for _, f := range fs {
			b.WriteString("<b>" + html(f.Name) + ":</b> " + html(f.Value) + "\n")
		}
	}
	fields(m.Fields)
	for i := range m.Hits {
		h := &m.Hits[i]
		if len(m.Hits) > 1 || m.Digest {
			b.WriteString("\n" + icon(h.Severity) + " <b>" + html(h.Title) + "</b>\n")
		}
		fields(h.Fields)
		if h.Link != "" {
			b.WriteString(`<a href="` + html(h.Link) + `">reference</a>` + "\n")
		}
	}
	return object{"text": strings.TrimSpace(b.String()), "parse_mode": "HTML"}
}

func telegramAnswer(a *answer) (string, error) {
	var v struct {
		OK     bool `json:"ok"`
		Code   int  `json:"error_code"`
		Result struct {
			ID int64 `json:"message_id"`
		} `json:"result"`
	}
	switch {
	case json.Unmarshal(a.body, &v) != nil || !v.OK && v.Code == 0:
		return "", a.unexpected()
	case v.OK:
		return strconv.FormatInt(v.Result.ID, 10), nil
	case v.Code == 429 || v.Code >= 500: // a relay may hide the status
		b := *a
		b.status = v.Code
		return "", b.refusal()
	}
	return "", plugin.Permanent(errors.New("answered" + a.said))
}
