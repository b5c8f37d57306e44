package taxii

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// maxResource bounds an answer that is not a page of objects, in bytes.
const maxResource = 4 << 20

// resource is what is wanted of a discovery, an API root, a list of collections,
// and a collection: the fields tell which it is.
type resource struct {
	Default     string       `json:"default"`
	Roots       []string     `json:"api_roots"`
	Versions    []string     `json:"versions"`
	Collections []collection `json:"collections"`
	collection
}

type collection struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Alias   string `json:"alias"`
	CanRead *bool  `json:"can_read"`
}

// collections returns the URLs of the wanted collections, each ending in a slash.
func (s *syncer) collections(ctx context.Context) ([]string, error) {
	at := withSlash(s.o.URL)
	r, err := s.resource(ctx, at)
	switch {
	case err != nil:
		return nil, err
	case r.ID != "" && r.CanRead != nil: // the collection itself
		return s.choose("", []collection{r.collection}, at)
	case r.Collections != nil:
		return s.choose(at, r.Collections, "")
	case r.Roots != nil || r.Default != "":
		return s.ofRoots(ctx, at, r)
	case r.Versions != nil:
		return s.ofRoot(ctx, at)
	}
	return nil, fmt.Errorf("%s is not a TAXII 2.1 discovery, API root or collection", fetch.Redact(at))
}

// ofRoots looks for collections in the API roots that a discovery names: the
// default one, or, without one, all. Those of other hosts are none of ours: the
// credentials are not for them.
func (s *syncer) ofRoots(ctx context.Context, at string, r *resource) ([]string, error) {
	roots := r.Roots
	if r.Default != "" {
		roots = []string{r.Default}
	}
	var out []string
	var failed []error
	for _, root := range roots {
		root, err := sameHost(at, root)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		found, err := s.ofRoot(ctx, root)
		out, failed = append(out, found...), append(failed, err)
	}
	if out == nil {
		return nil, errors.Join(append(failed, errors.New("the discovery names no API root with a readable collection"))...)
	}
	return out, nil
}

// ofRoot returns the wanted collections of an API root.
func (s *syncer) ofRoot(ctx context.Context, root string) ([]string, error) {
	at := root + "collections/"
	r, err := s.resource(ctx, at)
	if err != nil {
		return nil, err
	}
	return s.choose(at, r.Collections, "")
}

// choose returns the URLs of the wanted ones among collections: below at, or, for
// the one that was named itself, its own.
func (s *syncer) choose(at string, all []collection, own string) ([]string, error) {
	var out, others []string
	for _, c := range all {
		wanted := len(s.o.Collections) == 0 || slices.ContainsFunc(s.o.Collections, func(name string) bool {
			return name == c.ID || strings.EqualFold(name, c.Title) || c.Alias != "" && strings.EqualFold(name, c.Alias)
		})
		switch {
		case c.CanRead != nil && !*c.CanRead, !isCollectionID(c.ID):
		case !wanted:
			others = append(others, ingest.Text(c.Title+" ("+c.ID+")", 120))
		case own != "":
			out = append(out, own)
		default:
			out = append(out, at+c.ID+"/")
		}
	}
	if out == nil {
		return nil, fmt.Errorf("%s has none of the wanted collections, or they may not be read; it has %d others: %s",
			fetch.Redact(at+own), len(others), strings.Join(others[:min(len(others), 10)], ", "))
	}
	return out, nil
}

// isCollectionID keeps ids from leading elsewhere in a URL. They should be UUIDs.
func isCollectionID(id string) bool {
	for _, c := range []byte(id) {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return id != "" && len(id) <= 128
}

func withSlash(u string) string { return strings.TrimRight(u, "/") + "/" }

// sameHost returns the URL that a link at a page leads to, which must be on the
// page's host.
func sameHost(page, link string) (string, error) {
	from, err1 := url.Parse(page)
	to, err2 := url.Parse(link)
	if err1 != nil || err2 != nil {
		return "", errors.New("an API root is not a URL")
	}
	if to = from.ResolveReference(to); to.Host != from.Host || to.Scheme != from.Scheme {
		return "", fmt.Errorf("the discovery names an API root at %s://%s, but the credentials are for %s only; if that is right, set url to it",
			to.Scheme, ingest.Text(to.Host, 100), from.Host)
	}
	return withSlash(to.String()), nil
}

// resource asks for a small answer.
func (s *syncer) resource(ctx context.Context, at string) (*resource, error) {
	resp, err := s.client.Do(ctx, fetch.Request{URL: at, Accept: MediaType, Secret: s.o.Secret, MaxBytes: maxResource})
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var r resource
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("%s: %w", fetch.Redact(at), err)
	}
	return &r, nil
}

// page is one answer with objects.
type page struct {
	more        bool
	next        string
	first, last string // when its objects were added, by the server's clock; "": it does not say
	objects     int
}

// objects asks for one page and hands out its objects.
func (s *syncer) objects(ctx context.Context, at string, query url.Values, each func(*object) error) (*page, error) {
	resp, err := s.client.Do(ctx, fetch.Request{URL: at + "objects/?" + query.Encode(), Accept: MediaType, Secret: s.o.Secret, MaxBytes: maxPage})
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	p := &page{first: added(resp.Header, "X-TAXII-Date-Added-First"), last: added(resp.Header, "X-TAXII-Date-Added-Last")}
	if p.last == "" {
		p.last = p.first // medallion, of a page with one object
	}
	br := bufio.NewReader(resp.Body)
	if err := ingest.Sniff(br); err != nil {
		return nil, err
	}
	in := ingest.NewJSON(br)
	d := &document{in: in, drops: ingest.Drops{}, each: each}
	d.other = func(key string) (bool, error) {
		switch key {
		case "more":
			_, err := in.Decode(&p.more)
			return true, err
		case "next":
			var next ingest.Scalar
			_, err := in.Decode(&next)
			p.next = string(next)
			return true, err
		}
		return false, nil
	}
	err = d.read()
	p.objects = d.objects
	return p, err
}

// maxPage bounds one page, in bytes.
const maxPage = 256 << 20

// added reads a header with a time, in the server's own words: added_after wants
// them to the last digit.
func added(h http.Header, name string) string {
	v := h.Get(name)
	if len(v) > 40 || ingest.When(v).IsZero() {
		return ""
	}
	return v
}
