package feed

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
)

func TestPacked(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("192.0.2.1\n"))
	_ = z.Close()
	p := publish(t, map[string]string{"/list.txt": packed.String()})
	b := fetching(t, t.TempDir(), ownList(p))
	b.nextSet()
	b.updated(true)
	b.nextSet("1")
}

// TestSeveralDocuments: one that fails costs itself.
func TestSeveralDocuments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := publish(t, map[string]string{
		"/drop_v4.json": `{"cidr":"192.0.2.0/30","sblid":"SBL1","rir":"x"}` + "\n" + `{"type":"metadata","records":1}` + "\n",
		"/drop_v6.json": `{"cidr":"2001:db8::/32","sblid":"SBL2","rir":"x"}` + "\n" + `{"type":"metadata","records":1}` + "\n",
		"/asndrop.json": `{"asn":64496,"asname":"BAD"}` + "\n" + `{"type":"metadata","records":1}` + "\n",
	})
	cfg := Source{Name: "ours", Type: Spamhaus, URL: p.URL, Confidence: 90}
	b := fetching(t, dir, cfg)
	b.nextSet()
	b.updated(true)
	b.nextSet("0", "1", "2", "3")
	b.nextState(OK, "2 indicators; left out: 1 unsupported type")

	p.set("/drop_v4.json", `{"cidr":"192.0.2.4/30","sblid":"SBL1","rir":"x"}`+"\n"+`{"type":"metadata","records":1}`+"\n")
	p.set("/drop_v6.json", `{"cidr":"2001:db8::/32","sblid":"SBL2","rir":"x"}`+"\n"+`{"type":"metadata","records":9}`+"\n")
	if o := b.update(); !o.Changed || o.Err == nil || !strings.Contains(o.Err.Error(), "/drop_v6.json: list has 1 records while its metadata says 9") {
		t.Errorf("one truncated: %+v", o)
	}
	b.nextSet("4", "5", "6", "7")
	b.nextState(Error, "the rest is used")
	b.stop()
	b = fetching(t, dir, cfg)
	b.nextSet("4", "5", "6", "7")
	if s := b.feeds.States()[0]; s.Indicators != 2 {
		t.Errorf("the other document is gone: %+v", s)
	}
}

// TestKeys follows a key into the request, and nowhere else.
func TestKeys(t *testing.T) {
	t.Parallel()
	const key = "0123456789abcdef0123456789abcdef"
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "key")
	p := publish(t, map[string]string{"/fox": `{"query_status":"no_result","data":"Your search did not yield any results"}`, "/" + key + "/list.txt": "192.0.2.1\n"})
	fox := Source{Name: "fox", Type: ThreatFox, URL: p.URL + "/fox", KeyFile: file}
	b := fetching(t, dir, fox)
	b.failed("does not exist")
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := b.update(); o.Err != nil {
		t.Errorf("with a header: %v", o.Err)
	}
	if got := p.header.Get("Auth-Key"); got != key {
		t.Errorf("the server got the key %q", got)
	}
	p.answer(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "no such key %s%s", r.Header.Get("Auth-Key"), r.URL)
	})
	b.failed("no such key <secret>")
	b.stop()

	p.answer(nil)
	b = fetching(t, dir, Source{Name: "list", Type: List, URL: p.URL + "/{key}/list.txt", KeyFile: file})
	b.updated(true)
	p.answer(http.NotFound)
	b.failed("404")
	state, _ := json.Marshal(b.feeds.States())
	if strings.Contains(string(state), key) || !strings.Contains(string(state), `/{key}/list.txt`) {
		t.Errorf("states: %s", state)
	}
	b.stop()
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if content, readErr := os.ReadFile(path); readErr == nil && bytes.Contains(content, []byte(key)) {
			t.Errorf("%s holds the key", path)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	b = fetching(t, dir, Source{Name: "none", Type: ThreatFox})
	b.failed("needs a key: see https://auth.abuse.ch/ and set api_key_file")
}

// TestDamagedCopy: what is broken on disk is fetched anew, whole.
func TestDamagedCopy(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(folder string) error{
		"copy":  func(folder string) error { return os.WriteFile(folder+"/document-0", []byte("\x00\x01"), 0o600) },
		"gone":  func(folder string) error { return os.Remove(folder + "/document-0") },
		"state": func(folder string) error { return os.WriteFile(folder+"/"+stateFile, []byte("{"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := publish(t, map[string]string{"/list.txt": "192.0.2.1\n"})
			b := fetching(t, dir, ownList(p))
			b.updated(true)
			b.stop()
			if err := damage(filepath.Join(dir, "ours")); err != nil {
				t.Fatal(err)
			}
			b = fetching(t, dir, ownList(p))
			b.nextSet()
			b.updated(true)
			b.nextSet("1")
		})
	}
}

// TestOtherPlace: an address that changed is asked from scratch, and what came from
// the old one stays until the new one answers.
func TestOtherPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := publish(t, map[string]string{"/list.txt": "192.0.2.1\n", "/other.txt": "192.0.2.2\n"})
	cfg := ownList(p)
	b := fetching(t, dir, cfg)
	b.updated(true)
	b.stop()
	cfg.URL = p.URL + "/other.txt"
	b = fetching(t, dir, cfg)
	b.nextSet("1")
	b.updated(true)
	b.nextSet("2")
	if p.header.Get("If-None-Match") != "" {
		t.Error("the other place was asked whether the first one's copy has changed")
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	p := publish(t, map[string]string{"/list.txt": strings.Repeat("192.0.2.1\n", 100_000)})
	b := fetching(t, t.TempDir(), ownList(p))
	var last Progress
	if _, err := b.feeds.Update(t.Context(), []string{"ours"}, func(p Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	if (last != Progress{Feed: "ours", Done: 1_000_000, Total: 1_000_000}) {
		t.Errorf("the last progress was %+v", last)
	}
}

// TestFolder reads and follows a folder of lists.
func TestFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := &bench{t: t, dir: dir, sets: make(chan *intel.Set, 100), states: make(chan State, 100)}
	b.write("a.txt", "192.0.2.1\n10.0.0.1\n")
	b.write("b.txt", "192.0.2.2\n10.0.0.2\n")
	b.write(".hidden", "192.0.2.9\n")
	b.write("b.txt~", "192.0.2.9\n")
	var err error
	b.feeds, err = open([]Source{{Name: "ours", Type: List, Path: dir}}, Options{
		OnSwap:  func(s *intel.Set, _ time.Duration) { b.sets <- s },
		OnState: func(s State) { b.states <- s },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.feeds.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.feeds.Run(ctx) }()
	defer func() { cancel(); <-done }()
	b.nextSet("1", "2")
	b.nextState(OK, "2 indicators; left out: 2 special-use network")
	b.write("c.txt", "192.0.2.3\n")
	b.nextSet("1", "2", "3")
	b.nextState(OK, "3 indicators")
	b.write("c.txt", "<html>")
	b.nextState(Stale, "c.txt: looks like a web page")
	if err := os.Remove(b.path("c.txt")); err != nil {
		t.Fatal(err)
	}
	b.nextSet("1", "2")
	b.nextState(OK, "2 indicators")
	if out, err := b.feeds.Update(t.Context(), []string{"ours"}, nil); err == nil {
		t.Errorf("an update of a folder: %v", out)
	}
}

// TestFolderHalfBad: at the start, the good files of a folder are better than none.
func TestFolderHalfBad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"a.txt": "192.0.2.1\n", "b.txt": "<html>"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var set *intel.Set
	f, err := open([]Source{{Name: "ours", Type: List, Path: dir}}, Options{OnSwap: func(s *intel.Set, _ time.Duration) { set = s }})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "b.txt: looks like a web page") {
		t.Errorf("Load: %v", err)
	}
	if len(set.Lookup(netip.MustParseAddr("192.0.2.1"), time.Now())) != 1 {
		t.Error("the good file is not used")
	}
	if s := f.States()[0]; s.Status != Stale || s.Drops[ingest.Allowed].Count != 0 {
		t.Errorf("state %+v", s)
	}
}
