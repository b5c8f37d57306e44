package otx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/fetch"
)

func TestSyncGoesOn(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(w http.ResponseWriter){
		"429": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"503": func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		"504 with HTML": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusGatewayTimeout)
			fmt.Fprint(w, "<html><head><title>504 Gateway Time-out</title></head></html>")
		},
		"cut in the body": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "5000")
			fmt.Fprint(w, `{"results":[{"id":"`)
		},
		"half a page": func(w http.ResponseWriter) { fmt.Fprint(w, `{"results":[{"id":"`) },
		"other JSON":  func(w http.ResponseWriter) { fmt.Fprint(w, `{"results":7`) },
		"no results":  func(w http.ResponseWriter) { fmt.Fprint(w, `{"detail":"Internal error"}`) },
		"a web page":  func(w http.ResponseWriter) { fmt.Fprint(w, `<html>log in</html>`) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCopy(t)
			for n := range 9 {
				c.otx.put(n, time.Duration(n+1)*24*time.Hour, addr(n))
			}
			c.o.PageSize = 2
			c.otx.answer = func(w http.ResponseWriter, _ string, page, limit int) bool {
				if page*limit <= 4 {
					return false
				}
				harm(w)
				return true
			}
			changed, _, _, err := c.sync()
			if !changed || err == nil {
				t.Errorf("changed %v, %v", changed, err)
			}
			var status *fetch.StatusError
			if name == "429" && (!errors.As(err, &status) || status.RetryAfter != time.Hour) {
				t.Errorf("the wait is lost: %v", err)
			}
			c.expect(addr(0), addr(1), addr(2), addr(3))

			c.otx.answer = nil
			changed, asked, served := c.good()
			if !changed || len(served) >= 9 || strings.Contains(asked[0], "page=1&") {
				t.Errorf("began anew: %q", asked)
			}
			c.expect(addr(0), addr(1), addr(2), addr(3), addr(4), addr(5), addr(6), addr(7), addr(8))
			if _, asked, _ := c.good(); !strings.Contains(asked[len(asked)-1], "modified_since=") {
				t.Errorf("not incremental afterwards: %q", asked)
			}
		})
	}
}

func TestSyncHalvesPages(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	var want []string
	for n := range 20 {
		c.otx.put(n, time.Duration(n+1)*time.Hour, addr(n))
		want = append(want, addr(n))
	}
	c.o.PageSize = 16
	c.net.Idle = 2 * time.Second // no longer than the test waits, and long enough for a busy machine
	hang := make(chan struct{})
	defer close(hang)
	c.otx.answer = func(w http.ResponseWriter, _ string, _, limit int) bool {
		switch {
		case limit > 8:
			w.WriteHeader(http.StatusGatewayTimeout)
			fmt.Fprint(w, "<html>504</html>")
		case limit > 4:
			w.Header().Set("Content-Length", "5000")
			w.(http.Flusher).Flush()
			c.otx.mu.Unlock()
			select { // nothing more comes
			case <-hang:
			case <-time.After(time.Minute):
			}
			c.otx.mu.Lock()
		default:
			return false
		}
		return true
	}
	_, asked, _ := c.good()
	if len(asked) != 2+5 {
		t.Errorf("asked %q", asked)
	}
	c.expect(want...)
	// The next one does not begin with pages that are known to be too big, but
	// tries somewhat bigger ones.
	c.otx.answer = nil
	if _, asked, _ := c.good(); !strings.Contains(asked[len(asked)-1], "limit=8&") {
		t.Errorf("asked %q", asked)
	}
}

func TestSyncDamage(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	c.otx.put(1, 24*time.Hour, addr(1))
	c.otx.put(2, 48*time.Hour, addr(2))
	c.good()
	files, err := filepath.Glob(filepath.Join(c.dir, "*"))
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if err := os.WriteFile(file, []byte("\x00garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
		// What lies in the spool after a whole sync does not count.
		if _, _, served := c.good(); len(served) != 2 && filepath.Base(file) != "spool.ndjson" {
			t.Errorf("%s damaged: served %q", filepath.Base(file), served)
		}
		c.expect(addr(1), addr(2))
	}
}

func TestSyncPageIsGone(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	for n := range 6 {
		c.otx.put(n, time.Duration(n+1)*time.Hour, addr(n))
	}
	c.o.PageSize = 1
	c.otx.answer = func(w http.ResponseWriter, _ string, page, _ int) bool {
		if page == 6 {
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return page == 6
	}
	if _, _, _, err := c.sync(); err == nil {
		t.Fatal("no error")
	}
	c.otx.answer = nil
	for n := range 3 {
		delete(c.otx.pulses, id(n))
	}
	if _, _, _, err := c.sync(); err == nil {
		t.Fatal("no error")
	}
	c.good()
	c.expect(addr(3), addr(4), addr(5))
}

func TestSyncStopped(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	for n := range 6 {
		c.otx.put(n, time.Duration(n+1)*time.Hour, addr(n))
	}
	c.o.PageSize = 2
	ctx, stop := context.WithCancel(t.Context())
	c.otx.answer = func(_ http.ResponseWriter, _ string, page, _ int) bool {
		if page == 3 {
			stop()
		}
		return false
	}
	if changed, err := Sync(ctx, client(t), c.dir, c.o); !changed || !errors.Is(err, context.Canceled) {
		t.Errorf("changed %v, %v", changed, err)
	}
	c.expect(addr(0), addr(1), addr(2), addr(3))
	c.otx.requests()
	if _, asked, _ := c.good(); strings.Contains(asked[0], "page=1") {
		t.Errorf("asked %q", asked)
	}
	c.expect(addr(0), addr(1), addr(2), addr(3), addr(4), addr(5))
}
