package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

// The pages as pages/build.mjs made them of pages/src.
//
//go:embed all:dist
var dist embed.FS

// asset is a file of the pages.
type asset struct {
	content, zipped []byte
	kind, etag      string
}

// assets returns all files, by name. Zipping takes 50 ms, the first time.
var assets = sync.OnceValue(func() map[string]*asset {
	all := map[string]*asset{}
	z, _ := gzip.NewWriterLevel(nil, gzip.BestCompression) // it knows the level; a writer takes 800 kB
	_ = fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		a := &asset{content: content, kind: mime.TypeByExtension(path.Ext(name)), etag: `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
		if kind, ok := kinds[path.Ext(name)]; ok { // whatever this host's mime.types says
			a.kind = kind
		}
		var b bytes.Buffer
		z.Reset(&b)
		_, _ = z.Write(content) // a Buffer takes everything
		_ = z.Close()
		a.zipped = b.Bytes()
		all[strings.TrimPrefix(name, "dist/")] = a
		return nil
	})
	return all
})

var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".json": "application/json", ".txt": "text/plain; charset=utf-8",
}

// ServeHTTP sends the file, zipped where the browser takes that. It is asked for
// again each time, and not sent again while it is the same.
func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", a.etag)
	if r.Header.Get("If-None-Match") == a.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", a.kind)
	content := a.content
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		content = a.zipped
	}
	_, _ = w.Write(content) // the browser may have gone
}

// notFound answers what nobody knows: a person with a page, a program with a line.
func notFound(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", kinds[".html"])
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write(assets()["notfound.html"].content) // the browser may have gone
}

// pages are the paths that people see, and the file of each.
var pages = map[string]string{
	"/{$}": "index.html", "/hits": "hits.html",
	"/map": "map.html", "/top": "top.html", "/talk": "talk.html",
	"/exporters": "exporters.html", "/feeds": "feeds.html", "/outputs": "outputs.html",
}
