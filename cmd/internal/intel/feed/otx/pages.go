package otx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

const (
	maxFailures = 5         // of pages in a row
	maxPages    = 1_000_000 // of one run
	maxPageSize = 256 << 20 // of one page, in bytes
)

// pages asks for the pages of a run until the last. Where the server is too slow,
// as OTX is for big subscriptions, or a page too large, it goes on with pages of
// half the size.
func (s *syncer) pages(ctx context.Context) error {
	r := s.state.Run
	for failures := 0; ; {
		next, err := s.page(ctx, r)
		switch {
		case err == nil && next == 0:
			return nil
		case err == nil:
			failures = 0
			r.Page = next
			if err := s.archive.Save(&s.state); err != nil {
				return err
			}
		case ctx.Err() != nil || !smallerMayDo(err):
			var status *fetch.StatusError
			if errors.As(err, &status) && (status.Code == http.StatusNotFound || status.Code == http.StatusBadRequest) {
				s.state.Run = nil // the page is not there any more: do not come back to it
			}
			return err
		default:
			if failures++; failures >= maxFailures {
				return fmt.Errorf("%w (stopped after %d tries, the last with %d pulses a page)", err, failures, r.Size)
			}
			done := (r.Page - 1) * r.Size
			r.Size = max(r.Size/2, 1)
			r.Page = done/r.Size + 1
		}
	}
}

// smallerMayDo reports whether less at a time may help against an error.
func smallerMayDo(err error) bool {
	var status *fetch.StatusError
	if errors.As(err, &status) {
		return status.Code >= 500
	}
	return errors.Is(err, fetch.ErrTimeout) || errors.Is(err, fetch.ErrTruncated) || errors.Is(err, fetch.ErrTooLarge) || errors.Is(err, io.ErrUnexpectedEOF)
}

// page asks for one page and adds its pulses. next is the page that follows, 0 after the last.
func (s *syncer) page(ctx context.Context, r *run) (next int, err error) {
	query := url.Values{}
	if !r.Since.IsZero() {
		query.Set("modified_since", stamp(r.Since))
	}
	var more []*pulse // have indicators on pages of their own
	p := &paged{}
	p.each = func(pl *pulse) error {
		switch {
		case !isPulseID(pl.ID): // nothing of OTX's
			return nil
		case !s.o.Choice.takes(pl):
			pl.Indicators, pl.LeftOut = nil, nil // remembered, so that it replaces one that was chosen
		case pl.More:
			more = append(more, pl)
			return nil
		}
		return s.add(pl)
	}
	if err := s.get(ctx, "/api/v1/pulses/subscribed", query, r.Page, r.Size, p); err != nil {
		return 0, fmt.Errorf("page %d: %w", r.Page, err)
	}
	if r.Started.IsZero() {
		r.Started = p.date
	}
	for _, pl := range more {
		err := s.complete(ctx, pl)
		if err == nil {
			err = s.add(pl)
		}
		if err != nil {
			return 0, fmt.Errorf("page %d: indicators of pulse %s: %w", r.Page, pl.ID, err)
		}
	}
	if s.o.Progress != nil {
		s.o.Progress(min(r.Page*r.Size, p.count), p.count)
	}
	return p.next, nil
}

// add takes down a pulse that has come.
func (s *syncer) add(pl *pulse) error {
	if t := ingest.When(pl.Modified); t.After(s.state.Run.Newest) {
		s.state.Run.Newest = t
	}
	return s.archive.Add(pl)
}

// indicatorPage is how many indicators of one pulse are asked for at a time.
const indicatorPage = 1000

// complete asks for the indicators of a pulse that did not fit into its page. What
// OTX does not find any more is left as it is.
func (s *syncer) complete(ctx context.Context, pl *pulse) error {
	known := make(map[string]bool, len(pl.Indicators))
	for _, it := range pl.Indicators {
		known[it.Type+" "+it.Indicator] = true
	}
	for page := 1; page != 0; {
		p := &paged{items: func(it item) {
			if name := it.Type + " " + it.Indicator; !known[name] && len(known) < maxPending {
				known[name] = true
				pl.add(it)
			}
		}}
		err := s.get(ctx, "/api/v1/pulses/"+pl.ID+"/indicators", url.Values{}, page, indicatorPage, p)
		var status *fetch.StatusError
		if errors.As(err, &status) && status.Code == http.StatusNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		page = p.next
	}
	return nil
}

// stamp writes a time as OTX does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000") }

// paged is what is wanted of an answer with results.
type paged struct {
	each  func(*pulse) error // gets pulses,
	items func(item)         // or indicators,
	event func(event)        // or events

	count int       // all results, of all pages
	next  int       // the page that follows, 0 after the last
	date  time.Time // on the server's clock
}

// get asks for one page of something and reads it.
func (s *syncer) get(ctx context.Context, path string, query url.Values, page, size int, p *paged) error {
	query.Set("limit", strconv.Itoa(size))
	query.Set("page", strconv.Itoa(page))
	base := strings.TrimSuffix(s.o.URL, "/")
	var secret http.Header
	if s.o.Key != "" { // a mirror may want none
		secret = http.Header{"X-OTX-API-KEY": {s.o.Key}}
	}
	resp, err := s.client.Do(ctx, fetch.Request{URL: base + path + "?" + query.Encode(), Accept: "application/json", Secret: secret, MaxBytes: maxPageSize})
	var status *fetch.StatusError
	if errors.As(err, &status) && (status.Code == http.StatusForbidden || status.Code == http.StatusUnauthorized) {
		return fmt.Errorf("%w (%d)", ErrBadKey, status.Code)
	}
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if p.date, err = http.ParseTime(resp.Header.Get("Date")); err != nil {
		p.date = s.o.Now
	}
	next, err := p.read(resp.Body)
	if err != nil {
		return err
	}
	p.next, err = nextPage(base, next, page)
	return err
}

// read reads an answer and returns its link to the next page.
func (p *paged) read(r io.Reader) (next string, err error) {
	br := bufio.NewReader(r)
	if err := ingest.Sniff(br); err != nil {
		return "", err
	}
	in := ingest.NewJSON(br)
	d := &document{in: in, drops: ingest.Drops{}, each: p.each}
	var refusal string
	found := false
	isObject, err := in.Object(func(key string) error {
		switch key {
		case "results":
			found = true
			return p.results(d)
		case "next":
			return in.Text(&next)
		case "count":
			_, err := in.Decode(&p.count)
			return err
		case "detail", "error":
			return in.Text(&refusal)
		}
		return in.Skip()
	})
	if err == nil {
		err = in.End()
	}
	switch {
	case err != nil:
		return "", in.Explain(err)
	case refusal != "" && !found:
		return "", fmt.Errorf("%w: OTX answered %q", ErrNoPulses, ingest.Text(refusal, 200))
	case !isObject || !found:
		return "", fmt.Errorf("%w: no results", ErrNoPulses)
	}
	return next, nil
}

func (p *paged) results(d *document) error {
	if p.each != nil {
		return d.results()
	}
	_, err := d.in.Array(func() error {
		if p.items != nil {
			var it item
			ok, err := d.in.Decode(&it)
			if ok {
				p.items(it)
			}
			return err
		}
		var e event
		ok, err := d.in.Decode(&e)
		if ok {
			p.event(e)
		}
		return err
	})
	return err
}

// nextPage reads the number of the page that follows. The link itself is not
// followed: it must lead where the key may go, and ahead.
func nextPage(base, next string, page int) (int, error) {
	if next == "" {
		return 0, nil
	}
	link, err1 := url.Parse(next)
	from, err2 := url.Parse(base)
	if err1 != nil || err2 != nil {
		return 0, errors.New("the link to the next page is not a URL")
	}
	if link = from.ResolveReference(link); link.Host != from.Host || link.Scheme != from.Scheme {
		return 0, fmt.Errorf("the link to the next page points to %s://%s, but the key is for %s only; if that is right, set url to it", link.Scheme, ingest.Text(link.Host, 100), from.Host)
	}
	n, err := strconv.Atoi(link.Query().Get("page"))
	if err != nil || n <= page || n > maxPages {
		return 0, fmt.Errorf("the link to the page after %d says page %q", page, ingest.Text(link.Query().Get("page"), 40))
	}
	return n, nil
}
