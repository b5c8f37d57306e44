package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/flowhound/flowhound/integrations"
)

// templateName is that of the index template; those of its components begin with it.
const templateName = "logs-" + dataset

// maxSetupAnswer bounds the answers about templates and policies, in bytes.
const maxSetupAnswer = 1 << 20

// Where the index template is, and the retention of OpenSearch, whose data streams
// have none of their own.
const (
	templatePath = "/_index_template/" + templateName
	policyPath   = "/_plugins/_ism/policies/" + templateName
)

// errNoTemplate says that nobody has prepared the server.
var errNoTemplate = errors.New("the index template " + templateName + " is missing: run flowhound output setup with the name of this output, or set auto_setup: true")

// Setup installs the templates and the retention. Running it again brings them up
// to date; what they say holds for the next backing index.
func (o *output) Setup(ctx context.Context) error {
	if err := o.connect(); err != nil {
		return err
	}
	return errors.Join(o.setup(ctx), o.disconnect(ctx))
}

// setup installs what the template is composed of before the template itself: the
// server refuses one whose components are missing.
func (o *output) setup(ctx context.Context) error {
	components := []struct{ name, file string }{
		{templateName + "@mappings", "elasticsearch/mappings.json"},
		{templateName + "@settings", "elasticsearch/settings.json"},
	}
	for _, c := range components {
		body, err := integrations.Files.ReadFile(c.file)
		if err != nil {
			return err
		}
		if _, err := o.ask(ctx, call{http.MethodPut, "/_component_template/" + c.name, body}); err != nil {
			return fmt.Errorf("installing component template %s: %w", c.name, err)
		}
	}
	template, err := o.indexTemplate()
	if err != nil {
		return err
	}
	if _, err := o.ask(ctx, call{http.MethodPut, templatePath, template}); err != nil {
		return fmt.Errorf("installing index template %s: %w", templateName, err)
	}
	if o.Flavor == openSearchFlavor && o.Retention != "none" {
		return o.putPolicy(ctx)
	}
	return nil
}

// checkTemplate asks for the index template. Credentials that may write hits but
// not read templates are good enough to go on with.
func (o *output) checkTemplate(ctx context.Context) error {
	_, err := o.ask(ctx, call{http.MethodGet, templatePath, nil})
	var status *statusError
	switch {
	case !errors.As(err, &status):
		return err
	case status.status == http.StatusNotFound && status.reasoned:
		return errNoTemplate
	case status.status == http.StatusForbidden && status.reasoned:
		slog.Warn("cannot check whether flowhound output setup was run: the credentials may not read index templates", "template", templateName)
		return nil
	}
	return fmt.Errorf("looking for index template %s: %w", templateName, err)
}

// indexTemplate is the flavor's, with the retention of the settings.
func (o *output) indexTemplate() ([]byte, error) {
	body, err := integrations.Files.ReadFile(o.Flavor + "/index-template.json")
	if err != nil || o.Flavor == openSearchFlavor {
		return body, err
	}
	return edit(body, func(t map[string]any) {
		if o.Retention == "none" {
			delete(t, "template")
			return
		}
		t["template"] = map[string]any{"lifecycle": map[string]any{"data_retention": o.Retention}}
	})
}

// policy is OpenSearch's, with the retention of the settings.
func (o *output) policy() ([]byte, error) {
	body, err := integrations.Files.ReadFile("opensearch/ism-policy.json")
	if err != nil {
		return nil, err
	}
	var p struct {
		Policy struct {
			Description  string            `json:"description"`
			DefaultState string            `json:"default_state"`
			ISMTemplate  json.RawMessage   `json:"ism_template"`
			States       []json.RawMessage `json:"states"`
		} `json:"policy"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	p.Policy.States[0], err = edit(p.Policy.States[0], func(state map[string]any) {
		state["transitions"] = []any{map[string]any{"state_name": "deleted", "conditions": map[string]any{"min_rollover_age": o.Retention}}}
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(p)
}

func edit(body []byte, change func(map[string]any)) ([]byte, error) {
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, err
	}
	change(m)
	return json.Marshal(m)
}

// putPolicy writes the policy, over the one that is there: ISM wants to be told
// which version it replaces.
func (o *output) putPolicy(ctx context.Context) error {
	body, err := o.policy()
	if err != nil {
		return err
	}
	query := ""
	switch old, err := o.ask(ctx, call{http.MethodGet, policyPath, nil}); {
	case err == nil:
		var version struct {
			SeqNo int64 `json:"_seq_no"`
			Term  int64 `json:"_primary_term"`
		}
		if err := json.Unmarshal(old, &version); err != nil {
			return fmt.Errorf("reading the ISM policy %s: %w", templateName, err)
		}
		query = "?" + url.Values{"if_seq_no": {strconv.FormatInt(version.SeqNo, 10)}, "if_primary_term": {strconv.FormatInt(version.Term, 10)}}.Encode()
	case !isStatus(err, http.StatusNotFound):
		return o.noRetention(err)
	}
	if _, err := o.ask(ctx, call{http.MethodPut, policyPath + query, body}); err != nil {
		return o.noRetention(err)
	}
	return nil
}

func (o *output) noRetention(err error) error {
	return fmt.Errorf("the templates are installed, but nothing deletes hits after %s: the policy %s for Index State Management is not "+
		"(where that plugin is missing, set retention: none and delete old indices yourself): %w", o.Retention, templateName, err)
}

func isStatus(err error, status int) bool {
	var e *statusError
	return errors.As(err, &e) && e.status == status
}

// ask sends a request that may be sent twice, to the next node where one does not
// answer: the one that is down could be the first to be asked at each Open.
func (o *output) ask(ctx context.Context, c call) (body []byte, err error) {
	for range o.Addresses {
		var down *unreachableError
		if body, err = o.do(ctx, c, maxSetupAnswer); !errors.As(err, &down) || ctx.Err() != nil {
			break
		}
	}
	return body, err
}

// call is a request about templates and policies.
type call struct {
	method, path string
	body         []byte
}

// Do sends the request.
func (c call) Do(ctx context.Context, t esapi.Transport) (*esapi.Response, error) {
	req, err := http.NewRequestWithContext(ctx, c.method, c.path, bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := t.Perform(req) //nolint:bodyclose // do closes it
	if err != nil {
		return nil, err
	}
	return &esapi.Response{StatusCode: res.StatusCode, Body: res.Body, Header: res.Header}, nil
}
