package taxii

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

// maxPages bounds the pages of one collection in one sync, maxEmpty those in a row
// that hold no object and yet say where more is.
const (
	maxPages = 1_000_000
	maxEmpty = 1_000
)

// collection asks for what was added to a collection since the last time (TAXII
// 2.1, section 3.4 and 5.4: objects come in the order of their adding).
func (s *syncer) collection(ctx context.Context, at string) error {
	added := s.state.Run.Added
	query := url.Values{"match[type]": {"indicator"}, "limit": {strconv.Itoa(s.o.PageSize)}}
	if since := added[at]; since != "" {
		query.Set("added_after", since)
	}
	var before uint64 // the ids of the page before
	empty := 0        // pages in a row without an object: filters leave such behind
	for n := 1; n <= maxPages; n++ {
		ids := fnv.New64a()
		p, err := s.objects(ctx, at, query, func(x *object) error {
			_, _ = io.WriteString(ids, x.ID) // never fails
			if x.Type != "indicator" || !isIndicatorID(x.ID) {
				return nil
			}
			s.done++
			if newest := s.newest[x.ID]; newest != "" && ingest.When(x.Modified).Before(ingest.When(newest)) {
				return nil // a later version has come before
			}
			s.newest[x.ID] = x.Modified
			return s.archive.Add(x)
		})
		if err != nil {
			s.afresh(at, err)
			return fmt.Errorf("collection %s, page %d: %w", path.Base(at), n, err)
		}
		if s.o.Progress != nil {
			s.o.Progress(s.done)
		}
		if !p.more {
			if p.last != "" {
				added[at] = p.last
			}
			return s.archive.Save(&s.state)
		}
		if p.objects == 0 {
			empty++
		} else {
			empty = 0
		}
		same := p.objects > 0 && ids.Sum64() == before || p.objects == 0 && (p.next == "" || p.next == query.Get("next"))
		if same || empty > maxEmpty {
			return fmt.Errorf("collection %s, page %d: has nothing new, but says that more follows", path.Base(at), n)
		}
		before = ids.Sum64()
		// What was added before the last moment of this page has come by now, all
		// of it only when the page goes over several moments.
		if ingest.When(p.first).Before(ingest.When(p.last)) {
			added[at] = p.first
		}
		if err := s.archive.Save(&s.state); err != nil {
			return err
		}
		if err := follow(query, p); err != nil {
			return fmt.Errorf("collection %s, page %d: %w", path.Base(at), n, err)
		}
	}
	return fmt.Errorf("collection %s: more than %d pages", path.Base(at), maxPages)
}

// follow sets the query for the next page. Everything else in it must stay as it
// was. Without next, the next page is what was added after this one.
func follow(query url.Values, p *page) error {
	switch {
	case p.next != "":
		query.Set("next", p.next)
	case p.last != "" && ingest.When(p.last).After(ingest.When(query.Get("added_after"))):
		query.Del("next")
		query.Set("added_after", p.last)
	default:
		return errors.New("the server says that more follows, but not where (neither next nor X-TAXII-Date-Added-Last)")
	}
	return nil
}

// afresh makes the next sync ask from the start when the server does not take
// what it is asked for any more.
func (s *syncer) afresh(at string, err error) {
	var status *fetch.StatusError
	if errors.As(err, &status) && status.Code == http.StatusBadRequest {
		delete(s.state.Run.Added, at)
	}
}

// isIndicatorID reports whether id is that of an indicator, and can be written as
// it is.
func isIndicatorID(id string) bool {
	const kind = "indicator--"
	if len(id) != len(kind)+36 || id[:len(kind)] != kind {
		return false
	}
	return isCollectionID(id)
}
