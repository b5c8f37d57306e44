package taxii

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// medallion starts OASIS' TAXII 2.1 server with an empty collection, and returns
// its URL. Without it the test is skipped, or fails where FLOWHOUND_PEERS=required
// says that peers are installed.
func medallion(t *testing.T) (url string) {
	t.Helper()
	program := peer.Path(t, "medallion", "medallion==3.0.0 with pip")
	port := peer.FreePort(t, "tcp").Port
	url = fmt.Sprintf("http://127.0.0.1:%d", port)

	dir := t.TempDir()
	data := map[string]any{
		"/discovery": map[string]any{"title": "Test", "default": url + "/api1/", "api_roots": []string{url + "/api1/"}},
		"api1": map[string]any{
			"information": map[string]any{"title": "General", "versions": []string{MediaType}, "max_content_length": 9765625},
			"status":      []any{},
			"collections": []any{map[string]any{"id": collectionA, "title": "High value indicators", "can_read": true, "can_write": true,
				"media_types": []string{}, "objects": []any{}, "manifest": []any{}}},
		},
	}
	write := func(name string, v any) string {
		b, err := json.Marshal(v)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	config := write("config.json", map[string]any{
		"backend": map[string]any{"module": "medallion.backends.memory_backend", "module_class": "MemoryBackend", "filename": write("data.json", data)},
		"users":   map[string]string{"user": password},
		"taxii":   map[string]any{"max_page_size": 40},
	})
	var said bytes.Buffer
	cmd := exec.Command(program, "--host", "127.0.0.1", "--port", strconv.Itoa(port), config)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("medallion: %s", said.Bytes())
		}
	})
	for until := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			_ = conn.Close()
			return url
		}
		select {
		case <-ended:
			t.Fatalf("medallion ended: %s", said.Bytes())
		default:
		}
		if time.Now().After(until) {
			t.Fatal("medallion does not listen")
		}
	}
}

// post adds objects to the collection.
func post(t *testing.T, url string, objects ...map[string]any) {
	t.Helper()
	b, err := json.Marshal(map[string]any{"objects": objects})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api1/collections/"+collectionA+"/objects/", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = Basic("user", password)
	r.Header.Set("Content-Type", MediaType)
	r.Header.Set("Accept", MediaType)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("medallion answers %s", resp.Status)
	}
}

// indicator returns an object as its producer writes it.
func indicator(n, version int, pattern string) map[string]any {
	return map[string]any{"type": "indicator", "spec_version": "2.1", "id": fmt.Sprintf("indicator--5a000000-0000-4000-8000-%012d", n), "created": "2026-06-01T00:00:00.000Z",
		"modified": fmt.Sprintf("2026-06-01T00:00:%02d.000Z", version), "pattern": pattern, "pattern_type": "stix", "valid_from": "2026-06-01T00:00:00Z"}
}

// TestMedallion syncs with a real server: from its discovery, page by page, then
// what was added and changed.
func TestMedallion(t *testing.T) {
	t.Parallel()
	url := medallion(t)
	c := newCopy(t, url+"/taxii2/")
	c.o.PageSize = 7
	c.good()
	c.expect()

	var want []string
	var objects []map[string]any
	for n := range 100 {
		objects = append(objects, indicator(n, 0, address(n)))
		want = append(want, fmt.Sprintf("198.51.100.%d/32", n))
	}
	objects = append(objects, map[string]any{"type": "identity", "spec_version": "2.1", "id": "identity--5a000000-0000-4000-8000-000000000000", "name": "x",
		"created": "2026-06-01T00:00:00.000Z", "modified": "2026-06-01T00:00:00.000Z"})
	post(t, url, objects[:50]...)
	post(t, url, objects[50:]...)
	if !c.good() {
		t.Error("nothing changed")
	}
	c.expect(want...)
	if c.good() {
		t.Error("something changed")
	}

	revoked := indicator(4, 1, address(4))
	revoked["revoked"] = true
	post(t, url, indicator(3, 1, "[url:value = 'http://bad.example/']"), revoked, indicator(200, 0, "[ipv4-addr:value IN ('198.51.100.200', '198.51.100.201')]"))
	if !c.good() {
		t.Error("nothing changed")
	}
	want = append(slices.DeleteFunc(want, func(s string) bool { return s == "198.51.100.3/32" || s == "198.51.100.4/32" }),
		"http://bad.example/", "198.51.100.200/32", "198.51.100.201/32")
	c.expect(want...)

	// The server's own limit of a page is below ours.
	c = newCopy(t, url+"/api1/")
	c.o.PageSize = 1000
	c.good()
	c.expect(want...)
	c.o.Secret = Basic("user", "wrong-password")
	if _, err := c.sync(); err == nil {
		t.Error("a wrong password is taken")
	}
}
