package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/plugintest"
	"github.com/flowhound/flowhound/plugin/text"
)

var update = flag.Bool("update", false, "write the messages to testdata/golden")

const (
	testToken  = "tok-5EcReT-0123456789"
	testKey    = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
	testPath   = "/hooks/T0PSECRETPATH/B0PSECRETPATH"
	testTopic  = "topic-5EcReT"
	testRoute  = "R0123456789ABCDEF0123456789ABCDE"
	testSecret = "5EcReT"
)

// settingsOf returns settings for each way to post, at the server's address.
func settingsOf(address string) map[string]settings {
	u := plugin.Secret(address + testPath)
	server := plugin.Secret(address)
	return map[string]settings{
		"slack":          {Service: "slack", URL: u},
		"slack-api":      {Service: "slack", URL: u, Token: testToken, Channel: "C024BE91L"},
		"mattermost":     {Service: "mattermost", URL: u, Channel: "town-square"},
		"mattermost-api": {Service: "mattermost", URL: server, Token: testToken, Channel: "4yuk5s8dgtbsdgh3"},
		"teams":          {Service: "teams", URL: u},
		"discord":        {Service: "discord", URL: u},
		"discord-forum":  {Service: "discord", URL: u, Forum: true},
		"rocketchat":     {Service: "rocketchat", URL: u},
		"googlechat":     {Service: "googlechat", URL: u + "?key=AIza5EcReT00&token=5EcReT11"},
		"telegram":       {Service: "telegram", URL: server, Token: testToken, Chat: "-1001234567890"},
		"ntfy":           {Service: "ntfy", URL: server, Token: testToken, Topic: testTopic},
		"pagerduty":      {Service: "pagerduty", URL: u, RoutingKey: testRoute},
		"generic":        {Service: "generic", URL: u, Secret: testKey},
	}
}

// hostile are texts that someone could put into a feed.
var hostile = []string{
	"@everyone @channel @here <!channel> <!here> <@U123> <users/all> <at>Team</at>",
	"*bold* _it_ ~no~ `code` **x** ||spoiler|| # title > quote\n- list",
	"[your bank](https://evil.example/login) <https://evil.example|x> http://evil.example www.evil.example evil.example",
	`</b><a href="javascript:alert(1)">x</a> <script>alert(1)</script> &amp; &#60;`,
	`"},{"text":"injected"} \" \\ {{.Title}} ${HOME} %s`,
	"\u202eright to left\u202c \x00\x1b[31m \xff\xfe bad \u2028 line",
	strings.Repeat("<&>\"\\*_", 2000),
	strings.Repeat("日本語🔥", 3000),
}

func hostileHits(n int) []plugin.Hit {
	hits := plugintest.Hits(n)
	for i := range hits {
		h, text := &hits[i], hostile[i%len(hostile)]
		h.Name, h.Feed, h.Category, h.Country, h.Ref = text, text, text, text, "https://evil.example/"+text
		h.SrcPlace.Host, h.DstPlace.Owner = text, text
		h.ID = fmt.Sprintf("7k3m9q2v8w1x%d-1", i)
		for j := range h.Indicators {
			h.Indicators[j].Name, h.Indicators[j].Feed = text, text
		}
	}
	return hits
}

// batches are what golden files show and limits are tried with.
func batches() map[string][]plugin.Hit {
	digest := plugintest.Hits(200)
	for i := range digest {
		digest[i].Local = netip.AddrFrom4([4]byte{10, 1, 0, byte(i * i % 13)})
	}
	empty := []plugin.Hit{{SrcPort: hit.NoPort, DstPort: hit.NoPort}}
	repeat := plugintest.Hits(1)
	repeat[0].Kind, repeat[0].Sources, repeat[0].Targets, repeat[0].Ref = hit.Repeat, 36, 9, "javascript:alert(1)"
	return map[string][]plugin.Hit{
		"one": plugintest.Hits(1), "three": plugintest.Hits(3), "digest": digest,
		"repeat": repeat, "empty": empty,
		"hostile": hostileHits(8), "oversize": oversize(10), "hostile-digest": hostileHits(40),
	}
}

func oversize(n int) []plugin.Hit {
	hits := plugintest.Hits(n)
	for i := range hits {
		hits[i].Name = strings.Repeat("<*&日", 5000)
		hits[i].Ref = "https://otx.example/" + strings.Repeat("a", 950)
	}
	return hits
}

func resolved(t testing.TB, s settings) *target {
	t.Helper()
	o := &output{settings: s}
	target, err := o.resolve()
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// bodies returns what is posted for hits: one document, or one each.
func bodies(t testing.TB, target *target, hits []plugin.Hit) [][]byte {
	t.Helper()
	groups := [][]plugin.Hit{hits}
	if target.service.perHit {
		groups = nil
		for i := range hits {
			groups = append(groups, hits[i:i+1])
		}
	}
	var all [][]byte
	for _, g := range groups {
		b, err := target.body(newMessage(g), "")
		if err != nil {
			t.Fatalf("%s: %v", target.Service, err)
		}
		all = append(all, b)
	}
	return all
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, s := range settingsOf("https://hooks.example") {
		target := resolved(t, s)
		for _, batch := range []string{"one", "three", "digest", "repeat", "hostile"} {
			if name == "generic" && batch == "digest" || target.service.perHit && len(batches()[batch]) > 3 {
				continue // all hits as they are
			}
			t.Run(name+"/"+batch, func(t *testing.T) {
				var got bytes.Buffer
				for _, b := range bodies(t, target, batches()[batch]) {
					if err := json.Indent(&got, b, "", " "); err != nil {
						t.Fatal(err)
					}
					got.WriteByte('\n')
				}
				path := filepath.Join("testdata", "golden", name+"-"+batch+".json")
				if *update {
					if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got.Bytes(), want) {
					t.Errorf("differs from %s (go test -update writes it):\n%s", path, got.Bytes())
				}
			})
		}
	}
}

// TestLimits holds each message against what the services' pages say, with a
// reader of its own.
func TestLimits(t *testing.T) {
	t.Parallel()
	for name, s := range settingsOf("https://hooks.example") {
		target := resolved(t, s)
		for batch, hits := range batches() {
			for _, b := range bodies(t, target, hits) {
				checkLimits(t, name+"/"+batch, b)
			}
		}
	}
}

func checkLimits(t testing.TB, name string, body []byte) {
	t.Helper()
	var doc object
	if err := json.Unmarshal(body, &doc); err != nil || !utf8.Valid(body) {
		t.Fatalf("%s: no JSON: %v: %.200s", name, err, body)
	}
	most := func(what string, n, limit int) {
		if n > limit {
			t.Errorf("%s: %s is %d of at most %d", name, what, n, limit)
		}
	}
	switch service, _, _ := strings.Cut(strings.SplitN(name, "/", 2)[0], "-"); service {
	case "slack":
		blocks := doc["blocks"].(list)
		most("blocks", len(blocks), 50)
		walk(doc, func(o object) {
			text, _ := o["text"].(object)
			switch o["type"] {
			case "header":
				most("header", utf8.RuneCountInString(text["text"].(string)), 150)
			case "section":
				if text != nil {
					most("section", utf8.RuneCountInString(text["text"].(string)), 3000)
				}
				fields, _ := o["fields"].(list)
				most("fields", len(fields), 10)
			case "plain_text":
				most("text", utf8.RuneCountInString(o["text"].(string)), 2000)
			}
		})
	case "teams":
		most("bytes", len(body), 28*1024)
	case "discord":
		embeds := doc["embeds"].(list)
		most("embeds", len(embeds), 10)
		content, _ := doc["content"].(string)
		most("content", utf8.RuneCountInString(content), 2000)
		total := 0
		walk(doc["embeds"], func(o object) {
			for key, limit := range map[string]int{"title": 256, "description": 4096, "name": 256, "value": 1024} {
				v, _ := o[key].(string)
				most(key, utf8.RuneCountInString(v), limit)
				total += utf8.RuneCountInString(v)
			}
		})
		most("total", total, 6000)
		if fmt.Sprint(doc["allowed_mentions"]) != "map[parse:[]]" {
			t.Errorf("%s: mentions are allowed", name)
		}
	case "mattermost", "rocketchat":
		most("bytes", len(body), 16383)
	case "googlechat":
		most("bytes", len(body), 32000)
	case "telegram":
		most("text", utf8.RuneCountInString(doc["text"].(string)), 4096)
	case "ntfy":
		most("bytes", len(doc["message"].(string)), 4096)
	case "pagerduty":
		most("summary", utf8.RuneCountInString(doc["payload"].(object)["summary"].(string)), 1024)
		most("dedup_key", utf8.RuneCountInString(doc["dedup_key"].(string)), 255)
		most("bytes", len(body), 512_000)
	}
}

func walk(v any, f func(object)) {
	switch v := v.(type) {
	case object:
		f(v)
		for _, e := range v {
			walk(e, f)
		}
	case list:
		for _, e := range v {
			walk(e, f)
		}
	}
}

func TestDigestIsBoundedAndWorstFirst(t *testing.T) {
	t.Parallel()
	m := newMessage(batches()["digest"])
	if !m.Digest || len(m.Hits) != maxWorst || m.Hits[0].Severity != hit.Critical || m.Count != 200 || m.Fields[0].Value != "40 critical, 40 high, 40 medium, 40 low, 40 info" {
		t.Errorf("digest: %+v", m)
	}
	if m := newMessage(plugintest.Hits(10)); m.Digest || len(m.Hits) != 10 {
		t.Error("ten hits are a digest")
	}
	if m := newMessage(plugintest.Hits(11)); !m.Digest {
		t.Error("eleven hits are none")
	}
}

func TestOversizeSaysWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	target := resolved(t, settingsOf("https://hooks.example")["telegram"])
	b := string(bodies(t, target, oversize(10))[0])
	if !strings.Contains(b, "more hits, for want of room") {
		t.Errorf("nothing is said: %s", b)
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://otx.example/pulse/5f?a=1&b=<2>":         "https://otx.example/pulse/5f?a=1&b=%3C2%3E",
		"https://[2001:db8::1]/x":                        "https://[2001:db8::1]/x",
		"https://e.example/a|b)c":                        "https://e.example/a%7Cb%29c",
		"javascript:alert(1)":                            "",
		"data:text/html,x":                               "",
		"//e.example/x":                                  "",
		"https://bank.example@evil.example/":             "",
		"https://e.example/\n":                           "",
		"https://e.example/" + strings.Repeat("a", 2000): "",
		"": "",
	} {
		if got := text.Link(in, maxLink); got != want {
			t.Errorf("link(%.60q) = %q, want %q", in, got, want)
		}
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	if got := size(999_960); got != "1.0 MB" {
		t.Errorf("size: %s", got)
	}
	if got := seen(&plugin.Hit{End: time.Unix(0, 0)}); got != "1970-01-01 00:00:00 UTC" {
		t.Errorf("seen: %s", got)
	}
}

// TestSlackShowsAllFields: a section of Slack's takes ten, a hit may have twelve.
func TestSlackShowsAllFields(t *testing.T) {
	t.Parallel()
	h := plugintest.Hits(1)[0]
	h.Sources, h.Targets, h.Shared, h.Scanner = 3, 2, "cloudflare", "censys"
	h.Regular = &hit.Regular{Score: 0.9, PeriodSeconds: 300, Contacts: 40}
	m := newMessage([]plugin.Hit{h})
	if len(m.Hits[0].Fields) <= slackFields {
		t.Fatalf("%d fields only", len(m.Hits[0].Fields))
	}
	b, err := json.Marshal(slackMessageOf(&settings{}, m))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Hits[0].Fields {
		if !strings.Contains(string(b), `"`+f.Name+`\n`) {
			t.Errorf("%s is missing", f.Name)
		}
	}
}
