package main

import (
	"time"
	"unicode/utf8"

	"github.com/flowhound/flowhound/plugin/text"
)

// Limits of Discord (docs.discord.com/developers/resources/message), in
// characters; discordTotal is that of all embeds together.
const (
	discordContent = 2000
	discordEmbeds  = 10
	discordTotal   = 6000
	discordTitle   = 256
	discordName    = 256
	discordValue   = 1024
	discordFields  = 25
	discordThread  = 100
)

// discord posts to a webhook. A webhook can begin threads in a forum channel
// only: there each series of hits is a post.
func discord(forum bool) *service {
	return &service{
		takes: []string{"forum"}, publicOnly: true, limit: discordTotal, bytes: 100_000, size: discordSize,
		message: discordMessage,
		envelope: func(_ *settings, m *message, thread string) object {
			o := object{"allowed_mentions": object{"parse": list{}}}
			if forum && thread == "" {
				o["thread_name"] = text.Short(m.Title, discordThread)
			}
			return o
		},
		place: func(_ *settings, address, thread string) string {
			address = withQuery(address, "wait", "true") // else a failure is not told
			if thread != "" {
				address = withQuery(address, "thread_id", thread)
			}
			return address
		},
		accepted: func(a *answer) (string, error) {
			if _, err := idOf(a, "id"); err != nil || !forum {
				return "", err
			}
			return idOf(a, "channel_id") // of the post that the message has begun
		},
	}
}

func discordMessage(_ *settings, m *message) object {
	embeds := list{}
	if len(m.Fields) > 0 {
		embeds = append(embeds, object{"title": icon(m.Severity) + " " + text.Markdown.Fit(m.Title, discordTitle-8), "color": color(m.Severity), "fields": discordFieldsOf(m.Fields)})
	}
	for i := range m.Hits {
		h := &m.Hits[i]
		e := object{"title": icon(h.Severity) + " " + text.Markdown.Fit(h.Title, discordTitle-8), "color": color(h.Severity)}
		if h.Link != "" {
			e["url"] = h.Link
		}
		if !h.Hit.Time.IsZero() {
			e["timestamp"] = h.Hit.Time.UTC().Format(time.RFC3339)
		}
		if fs := discordFieldsOf(h.Fields); len(fs) > 0 {
			e["fields"] = fs
		}
		embeds = append(embeds, e)
	}
	doc := object{"embeds": embeds[:min(len(embeds), discordEmbeds)]}
	if len(m.Hits) > 1 {
		doc["content"] = icon(m.Severity) + " " + text.Markdown.Fit(m.Title, discordContent-8)
	}
	return doc
}

func discordFieldsOf(fields []field) list {
	var fs list
	for _, f := range fields[:min(len(fields), discordFields)] {
		fs = append(fs, object{"name": text.Short(f.Name, discordName), "value": text.Markdown.Fit(f.Value, discordValue), "inline": len(f.Value) < 60})
	}
	return fs
}

// discordSize counts all text in the embeds of doc, in whatever form they are,
// and a content that is too long as too much.
func discordSize(doc object) int {
	n := 0
	if c, ok := doc["content"].(string); ok && utf8.RuneCountInString(c) > discordContent {
		n = discordTotal
		n += utf8.RuneCountInString(c)
	}
	embeds, _ := doc["embeds"].(list)
	for _, e := range embeds {
		if e, ok := e.(object); ok {
			n += embedSize(e)
		}
	}
	return n
}

// embedSize counts title, description, names, values, footer and author, as
// Discord does. Addresses and times do not count.
func embedSize(v any) int {
	n := 0
	switch v := v.(type) {
	case object:
		for k, e := range v {
			if k != "url" && k != "timestamp" && k != "icon_url" {
				n += embedSize(e)
			}
		}
	case list:
		for _, e := range v {
			n += embedSize(e)
		}
	case string:
		return utf8.RuneCountInString(v)
	}
	return n
}
