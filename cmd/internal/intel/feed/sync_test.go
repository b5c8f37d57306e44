package feed

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/otx"
)

func pulse(n int, author, address string) string {
	return fmt.Sprintf(`{"id":"5f%022x","name":"Wave %d","author_name":%q,"modified":%q,"created":"2026-01-01T00:00:00","tags":[],"indicators":[{"id":%d,"indicator":%q,"type":"IPv4","created":%q,"is_active":1}]}`,
		n, n, author, time.Now().UTC().Format("2006-01-02T15:04:05"), n, address, time.Now().UTC().Format("2006-01-02T15:04:05"))
}

// TestOTX wires a server's copy to the schedule; what a sync does is package otx's.
func TestOTX(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := filepath.Join(t.TempDir(), "otx.key")
	if err := os.WriteFile(key, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := publish(t, nil)
	pulses := pulse(1, "good", "192.0.2.1") + "," + pulse(2, "noisy", "192.0.2.2")
	p.answer(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Header.Get("X-OTX-API-KEY") != "0123456789abcdef":
			w.WriteHeader(http.StatusForbidden)
		case strings.HasSuffix(r.URL.Path, "/pulses/events"):
			fmt.Fprint(w, `{"results":[],"count":0,"next":null}`)
		default:
			fmt.Fprintf(w, `{"results":[%s],"count":2,"previous":null,"next":null}`, pulses)
		}
	})
	cfg := Source{Name: "ours", Type: OTX, URL: p.URL, KeyFile: key, Confidence: 60, Pulses: otx.Choice{DenyAuthors: []string{"noisy"}}}
	b := fetching(t, dir, cfg)
	b.nextSet()
	b.updated(true)
	b.nextSet("1")
	b.nextState(OK, "1 indicator")
	if s := b.feeds.States()[0]; s.URL != p.URL || s.NextAt.IsZero() {
		t.Errorf("state %+v", s)
	}
	b.updated(false)
	b.quiet()
	b.stop()

	p.answer(http.NotFound)
	b = fetching(t, dir, cfg)
	b.nextSet("1")
	b.nextState(OK, "1 indicator")
	b.failed("404")
	b.nextState(Error, "the 1 indicator of ")

	// A saved document is chosen from too.
	saved := filepath.Join(t.TempDir(), "p.json")
	if err := os.WriteFile(saved, []byte("["+pulses+"]"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Path, cfg.URL, cfg.KeyFile = saved, "", ""
	b = fetching(t, dir, cfg)
	b.nextSet("1")
	if s := b.feeds.States()[0]; s.Drops[ingest.NotChosen].Count != 1 {
		t.Errorf("state %+v", s)
	}
}

func TestMISP(t *testing.T) {
	t.Parallel()
	const uuid = "5758ebf5-c898-48e6-9fe9-5665c0a83866"
	event := fmt.Sprintf(`{"Event":{"uuid":%q,"info":"Wave","date":"2026-01-01","timestamp":"%d","Attribute":[{"uuid":"5758ebf5-c898-48e6-9fe9-5665c0a83867","type":"ip-dst","category":"Network activity","to_ids":true,"value":"192.0.2.1","timestamp":"%d"}]}}`,
		uuid, time.Now().Unix(), time.Now().Unix())
	manifest := fmt.Sprintf(`{%q:{"info":"Wave","timestamp":"%d"}}`, uuid, time.Now().Unix())
	p := publish(t, map[string]string{"/manifest.json": manifest, "/" + uuid + ".json": event})
	b := fetching(t, t.TempDir(), Source{Name: "ours", Type: MISP, URL: p.URL, Confidence: 60})
	b.nextSet()
	b.updated(true)
	b.nextSet("1")
	b.updated(false)

	dir := t.TempDir()
	for name, text := range map[string]string{"manifest.json": manifest, uuid + ".json": event} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b = fetching(t, t.TempDir(), Source{Name: "ours", Type: MISP, Path: dir, Confidence: 60})
	b.nextSet("1")
}
