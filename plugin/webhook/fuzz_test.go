package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/plugintest"
	"github.com/flowhound/flowhound/plugin/text"
)

// FuzzMessage puts any texts into hits: each service's message stays within its
// limits, and a template's is JSON.
func FuzzMessage(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, s, s, uint8(3), uint8(2))
		f.Add("otx", s, "https://e.example/"+s, uint8(11), uint8(9))
	}
	targets := map[string]*target{}
	for name, s := range settingsOf("https://hooks.example") {
		targets[name] = resolved(f, s)
	}
	custom := settingsOf("https://hooks.example")["slack"]
	custom.Template = `{"text": {{json .Title}}, "blocks": [], "names": [{{range $i, $h := .Hits}}{{if $i}},{{end}}"{{jsonstr $h.Hit.Name}}"{{end}}], "md": {{json (md (clean (index .Hits 0).Hit.Feed))}}}`
	templated := resolved(f, custom)
	f.Fuzz(func(t *testing.T, feed, name, ref string, n, sev uint8) {
		if len(feed)+len(name)+len(ref) > 6000 {
			t.Skip()
		}
		hits := plugintest.Hits(1 + int(n)%12)
		for i := range hits {
			hits[i].Feed, hits[i].Name, hits[i].Ref, hits[i].Country, hits[i].ID = feed, name, ref, name, name
			hits[i].DstPlace = hit.Place{Country: name, Owner: feed, Host: ref, Site: name}
			hits[i].Severity = hit.Severity(sev)
			hits[i].Direction, hits[i].Category, hits[i].Kind = hit.Direction(name), ref, hit.Kind(feed)
		}
		for service, target := range targets {
			for _, b := range bodies(t, target, hits) {
				checkLimits(t, service, b)
			}
		}
		b, err := templated.body(newMessage(hits), "")
		if err != nil && !strings.Contains(err.Error(), "bytes") || err == nil && !json.Valid(b) {
			t.Errorf("template: %v: %s", err, b)
		}
	})
}

// FuzzAnswer reads any answer as each service.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{"ok", `{"ok":true,"ts":"1"}`, `{"ok":false,"error":"x"}`, `{"retry_after":1e308}`, `{"parameters":{"retry_after":-1}}`, `{"status":"success"}`, `{"success":false}`, `{"id":1}`, "<html>", "null", "[]"} {
		f.Add(200, s, "3")
		f.Add(429, s, "Fri, 31 Dec 1999 23:59:59 GMT")
	}
	f.Fuzz(func(t *testing.T, status int, body, after string) {
		a := answer{status: status, header: http.Header{"Retry-After": {after}}, body: []byte(body), said: text.Excerpt(body, maxSaid)}
		if w := a.wait(time.Now()); w < 0 || w > maxWait {
			t.Errorf("wait %v", w)
		}
		for _, s := range settingsOf("https://hooks.example") {
			thread, err := serviceOf(&s).read(a)
			if thread != "" && err != nil || err != nil && !utf8.ValidString(err.Error()) {
				t.Errorf("%s: %q %v", s.Service, thread, err)
			}
			if status >= 300 && err == nil {
				t.Errorf("%s: %d is delivered", s.Service, status)
			}
		}
	})
}
