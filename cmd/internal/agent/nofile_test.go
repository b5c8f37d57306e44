package agent_test

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestNoFileIsWaitedFor: a named pipe in the place of the configuration, a list, an
// allow list or a key, which nobody ever writes to, is said and holds up nothing.
func TestNoFileIsWaitedFor(t *testing.T) {
	peer.Long(t)
	for _, name := range []string{"flowhound.yaml", "ours.txt", "allow.txt", "keyed.key"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, f := range []string{"allow.txt", "keyed.key"} {
				if err := os.WriteFile(dir+"/"+f, []byte("203.0.113.77\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := start(t, writeList(t, dir), `alert: {window: 1s, max_window: 1s}
feeds:
  - {name: ours, type: list, path: ours.txt, category: policy}
  - {name: keyed, type: list, url: "http://127.0.0.1:9/{key}", api_key_file: keyed.key}
allow: [allow.txt]
`)
			x := r.traffic()
			r.awaitHit(always)
			r.remove(name)
			if err := syscall.Mkfifo(r.path(name), 0o600); err != nil {
				t.Fatal(err)
			}
			r.sighup()
			if name != "keyed.key" { // a feed with its last good copy asks for its key when it is due
				r.awaitLine(`status=(?:error|stale) .*regular file`)
			}
			r.awaitHit(always) // new lines go on
			close(x.stop)
			<-x.done
			stopped := make(chan struct{})
			go func() { defer close(stopped); r.stop() }()
			select {
			case <-stopped:
			case <-time.After(patience):
				t.Error("it does not stop")
			}
		})
	}
}
