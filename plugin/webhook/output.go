package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"text/template"
	"time"

	"github.com/flowhound/flowhound/plugin"
)

// output posts hits to one address of one service.
type output struct {
	settings

	target  *target
	sender  *sender
	threads threads
	gone    error // why nothing is posted any more
}

// target is what the settings come to.
type target struct {
	settings // with the secrets that files hold

	service  *service
	address  string
	template *template.Template // nil: the service's own message
	key      []byte             // to sign with
}

// Validate checks what tags cannot: that the settings fit the service, that files
// can be read, that the template gives what the service takes.
func (o *output) Validate() error {
	t, err := o.resolve()
	if err != nil {
		return err
	}
	if _, err := newClient(&t.settings); err != nil {
		return err
	}
	return t.tryTemplate()
}

func (o *output) resolve() (*target, error) {
	s, err := o.readSecrets()
	if err != nil {
		return nil, err
	}
	svc := serviceOf(&s)
	if err := s.suit(svc); err != nil {
		return nil, err
	}
	if err := checkHeaders(s.Headers); err != nil {
		return nil, err
	}
	t := &target{settings: s, service: svc}
	if t.address, err = svc.addressOf(&s); err != nil {
		return nil, err
	}
	if s.Secret != "" {
		if t.key, err = signingKey(s.Secret.Reveal()); err != nil {
			return nil, err
		}
	}
	t.template, err = s.parseTemplate()
	return t, err
}

// Open reads the files that the settings name. It asks nothing of the network: a
// webhook has no way to be tried without a message.
func (o *output) Open(context.Context) error {
	t, err := o.resolve()
	if err != nil {
		return err
	}
	client, err := newClient(&t.settings)
	if err != nil {
		return err
	}
	if unencrypted(t.address) {
		slog.Warn("the address starts with http://: hits and the secret in it cross the network unencrypted; use https:// where the server can")
	}
	timeout := t.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	o.target, o.gone, o.threads = t, nil, threads{}
	o.sender = &sender{client: client, timeout: timeout, secrets: redactor(t.secrets(), t.address)}
	return nil
}

// Write posts hits: in one message, or in one event each where a service knows
// single incidents only.
func (o *output) Write(ctx context.Context, hits []plugin.Hit) error {
	switch {
	case len(hits) == 0:
		return nil
	case o.gone != nil:
		return plugin.Permanent(o.gone)
	case !o.target.service.perHit:
		return o.post(ctx, hits)
	}
	return o.writeEach(ctx, hits)
}

// reserve is the part of a Write's time in which no further event is begun, so
// that what was delivered is reported before the time is up.
const reserve = 4

// writeEach posts an event for each hit. When the service wants to be left alone
// or is not there, the rest waits with it.
func (o *output) writeEach(ctx context.Context, hits []plugin.Hit) error {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-time.Until(deadline)/reserve))
		defer cancel()
	}
	errs := make([]error, len(hits))
	for i := range hits {
		if errs[i] = o.post(ctx, hits[i:i+1]); errs[i] == nil || plugin.IsPermanent(errs[i]) {
			continue
		}
		for j := i + 1; j < len(hits); j++ {
			errs[j] = errs[i]
		}
		break
	}
	return plugin.Partial(errs)
}

// post delivers hits in one request.
func (o *output) post(ctx context.Context, hits []plugin.Hit) error {
	t := o.target
	if o.gone != nil {
		return plugin.Permanent(o.gone)
	}
	m := newMessage(hits)
	thread := o.threads.of(m.Series)
	body, err := t.body(m, thread)
	if err != nil {
		return plugin.Permanent(err)
	}
	a, err := o.sender.post(ctx, t.request(m, thread, body))
	if err != nil {
		return fmt.Errorf("%s: %w", t.Service, err)
	}
	started, err := t.service.read(a)
	switch {
	case errors.Is(err, errGone):
		o.gone = fmt.Errorf("%s has deleted this webhook (410): create a new one, put its URL into the configuration and reload", t.Service)
		return plugin.Permanent(o.gone)
	case thread != "" && plugin.IsPermanent(err):
		o.threads.forget(m.Series)                                                    // it may have been removed: the next try begins a new one
		return errors.New(t.Service + ": in a thread: " + o.sender.hide(err).Error()) // permanent no more
	case err != nil:
		return fmt.Errorf("%s: %w", t.Service, o.sender.hide(err))
	}
	if thread == "" && started != "" {
		for i := range hits {
			o.threads.begin(seriesOf(hits[i].ID), started)
		}
	}
	return nil
}

// Close gives up idle connections.
func (o *output) Close(context.Context) error {
	if o.sender != nil {
		o.sender.client.CloseIdleConnections()
	}
	return nil
}

// threads remembers in which thread of the channel a series of hits is told.
// After a restart a series begins a new one.
type threads struct {
	id    map[string]string
	order []string // oldest first
}

const maxThreads = 4096

func (t *threads) of(series string) string { return t.id[series] }

func (t *threads) begin(series, id string) {
	if series == "" || t.id[series] != "" {
		return
	}
	if t.id == nil {
		t.id = map[string]string{}
	}
	if len(t.order) >= maxThreads {
		delete(t.id, t.order[0])
		t.order = t.order[1:]
	}
	t.id[series] = id
	t.order = append(t.order, series)
}

func (t *threads) forget(series string) {
	delete(t.id, series)
	t.order = slices.DeleteFunc(t.order, func(s string) bool { return s == series })
}
