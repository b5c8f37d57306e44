package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/retry"
	"github.com/flowhound/flowhound/plugin/text"
)

// maxReason bounds what an error repeats of a server's words, maxWait how long a
// server may ask to be left alone.
const (
	maxReason = 300
	maxWait   = time.Hour
)

// statusError is an answer other than 2xx.
type statusError struct {
	status   int
	reasoned bool // the server said why in its own form: no proxy answered in its place
	state    bool // it is about the index or the cluster, not about what was sent
	msg      string
}

func (e *statusError) Error() string { return e.msg }

// refused turns an answer other than 2xx into an error: how long to wait when the
// server says so, and what a person can do. It never repeats a header's value.
func (o *output) refused(res *esapi.Response, body []byte) error {
	reason := causeOf(body)
	why := ""
	if reason != nil {
		why = reason.String()
	}
	e := &statusError{status: res.StatusCode, reasoned: why != "", state: reason.trouble() != ""}
	e.msg = fmt.Sprintf("%s answers %d %s", o.Flavor, res.StatusCode, http.StatusText(res.StatusCode))
	if why != "" {
		e.msg += ": " + why
	}
	switch {
	case res.StatusCode/100 == 3:
		e.msg += redirect(res.Header.Get("Location"))
	case res.StatusCode == http.StatusUnauthorized:
		e.msg += ": it does not know these credentials: check api_key or username and password"
	case e.state:
		e.msg += ": " + reason.trouble()
	case res.StatusCode == http.StatusForbidden && reason.aboutRights(res.StatusCode):
		e.msg += ": these credentials lack a privilege: see the README of the output for those it needs"
	case res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusMethodNotAllowed:
		e.msg += ": check the path in addresses"
	}
	if d, _ := retry.After(res.Header, time.Now()); d > 0 {
		return plugin.RetryAfter(e, min(d, maxWait))
	}
	return e
}

func redirect(location string) string {
	if u, err := url.Parse(location); err == nil && u.Host != "" {
		return fmt.Sprintf(": it sends elsewhere (%s), which is not followed: set addresses to where it is", text.Excerpt(u.Host, maxReason))
	}
	return ": it sends elsewhere, which is not followed: set addresses to where it is"
}

// causeOf finds the server's words in the body of an error: an object with a
// type and a reason, or a plain string; nil where there are none.
func causeOf(body []byte) *cause {
	var answer struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Error) == 0 {
		return nil
	}
	var c cause
	if json.Unmarshal(answer.Error, &c.Reason) != nil && json.Unmarshal(answer.Error, &c) != nil {
		return nil
	}
	return &c
}

// cause is how Elasticsearch says what is wrong.
type cause struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
	By     *struct {
		Reason string `json:"reason"`
	} `json:"caused_by"`
}

func (c *cause) String() string {
	s := c.Type
	if s != "" && c.Reason != "" {
		s += ": "
	}
	s += c.Reason
	if c.By != nil && c.By.Reason != "" {
		s += ": " + c.By.Reason
	}
	return text.Excerpt(s, maxReason)
}
