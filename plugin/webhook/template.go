package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"text/template"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// A template gives the whole document that is posted. It is executed with a
// message, and is text of a person who may configure the agent, so it may do what
// it likes but for two things: write without end, and write what is no JSON.

// maxOutput bounds what a template writes, before the service's own limit.
const maxOutput = 1 << 20

var errTooLong = fmt.Errorf("the output of the template is larger than %d bytes", maxOutput)

// parseTemplate returns the template that s names, nil when none.
func (s *settings) parseTemplate() (*template.Template, error) {
	key, text := "template", s.Template
	if s.TemplateFile != "" {
		key = "template_file"
		b, err := readFile(s.TemplateFile)
		if err != nil {
			return nil, plugin.Problem{Key: key, Message: err.Error()}
		}
		text = string(b)
	}
	if text == "" {
		return nil, nil
	}
	t, err := template.New(key).Option("missingkey=error").Funcs(functions()).Parse(text)
	if err != nil {
		return nil, plugin.Problem{Key: key, Message: "is no template: " + strings.TrimPrefix(err.Error(), "template: ")}
	}
	return t, nil
}

// functions are what a template can call beside those of text/template.
func functions() template.FuncMap {
	return template.FuncMap{
		"json":    toJSON,
		"jsonstr": insideQuotes,
		"trim":    func(limit int, s string) string { return text.Short(s, limit) },
		"clean":   func(s string) string { return free(s, maxOutput) },
		"link":    func(ref string) string { return text.Link(ref, maxLink) },
		"icon":    icon,
		"color":   func(s hit.Severity) string { return fmt.Sprintf("#%06x", color(s)) },
		"html":    func(s string) string { return text.Markup.Fit(s, maxOutput) },
		"md":      func(s string) string { return text.Markdown.Fit(s, maxOutput) },
		"upper":   strings.ToUpper,
		"join":    func(sep string, s []string) string { return strings.Join(s, sep) },
		"utc":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}
}

func toJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

func insideQuotes(s string) (string, error) {
	j, err := toJSON(s)
	if err != nil {
		return "", err
	}
	return j[1 : len(j)-1], nil
}

// render executes the template for m.
func (t *target) render(m *message, thread string) ([]byte, error) {
	out := &bounded{}
	if err := t.template.Execute(out, m); err != nil {
		if errors.Is(err, errTooLong) {
			err = errTooLong
		}
		return nil, fmt.Errorf("template: %w", err)
	}
	var doc object
	if err := json.Unmarshal(out.b.Bytes(), &doc); err != nil || doc == nil {
		return nil, errors.New("template: its output is not a JSON object; pass values through json, as in {\"text\": {{json .Title}}}")
	}
	t.complete(doc, m, thread)
	body, err := t.encode(doc)
	if err != nil {
		return nil, fmt.Errorf("template: %w; {{trim 1000 .Title}} shortens a text", err)
	}
	return body, nil
}

type bounded struct{ b bytes.Buffer }

func (w *bounded) Write(p []byte) (int, error) {
	if w.b.Len()+len(p) > maxOutput {
		return 0, errTooLong
	}
	return w.b.Write(p)
}

// tryTemplate renders hits whose texts have quotes, backslashes and line ends,
// so that a value that is not escaped is found before the first hit.
func (t *target) tryTemplate() error {
	if t.template == nil {
		return nil
	}
	key := t.template.Name()
	for _, n := range []int{1, 2, maxListed + 1} {
		if t.service.perHit && n > 1 {
			break
		}
		if _, err := t.render(newMessage(sampleHits(n)), ""); err != nil {
			return plugin.Problem{Key: key, Message: strings.TrimPrefix(err.Error(), "template: ")}
		}
	}
	return nil
}

func sampleHits(n int) []plugin.Hit {
	now := time.Date(2026, 6, 7, 10, 38, 20, 0, time.UTC)
	src, dst := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("198.51.100.7")
	hits := make([]plugin.Hit, n)
	for i := range hits {
		hits[i] = plugin.Hit{
			Kind: hit.New, Severity: hit.High, Direction: hit.Outbound, State: hit.Established,
			Category: "c2", Feed: "otx", IOC: netip.PrefixFrom(dst, 32), Score: 60,
			Src: src, SrcPort: 51234, Dst: dst, DstPort: 443, Proto: 6, Count: 1, Bytes: 18412, Packets: 97,
			Country: "NL", Exporter: netip.MustParseAddr("192.0.2.1"), Start: now, End: now, First: now, Last: now, Time: now,
			ID: fmt.Sprintf("sample%d-1", i), Ref: "https://otx.example/pulse/5f?a=1&b=2", Name: "a \"quoted\" \\ name\nof two lines",
			Local: src, Remote: dst, Matched: hit.MatchedDst,
		}
		hits[i].Indicators = []hit.Indicator{{IOC: hits[i].IOC, Feed: "otx", Category: "c2", Score: 60, Name: hits[i].Name, Ref: hits[i].Ref}}
	}
	return hits
}
