package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/host"
	"github.com/flowhound/flowhound/plugin/plugintest"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// sink accepts connections and reads them until the test ends.
func sink(t *testing.T) string {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(io.Discard, c)
				c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func TestContract(t *testing.T) {
	t.Parallel()
	plugintest.Run(t, plugintest.Suite{
		New:      func() plugin.Output { return defaults() },
		Settings: `{"address": "tcp://` + sink(t) + `"}`,
		Broken:   []string{`{"address": "tcp://` + peer.FreePort(t, "tcp").String() + `"}`, `{"address": "unix:///no/such/socket"}`},
	})
}

// TestBinary runs the program as flowhound does.
func TestBinary(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir, err := os.MkdirTemp("", "fh") // t.TempDir is too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, d := range []string{"/plugins", "/run"} {
		if err := os.Mkdir(dir+d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	peer.InstallProgram(t, "plugin/syslog", dir+"/plugins")
	l := listen(t, "127.0.0.1:0")
	got := make(chan []string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		got <- ids(c)
	}()
	settings, _ := json.Marshal(map[string]string{"address": "tcp://" + l.Addr().String()})
	p := host.New(host.Options{Name: "siem", Type: "syslog", Dir: dir + "/plugins", RunDir: dir + "/run", Settings: settings})
	p.Start()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !p.State().Ready {
		select {
		case <-p.Changed():
		case <-ctx.Done():
			t.Fatalf("not ready: %+v", p.State())
		}
	}
	if err := p.Write(ctx, plugintest.Hits(200)); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case ids := <-got:
		equal(t, "through the program", ids, want(0, 200))
	case <-ctx.Done():
		t.Fatal("nothing arrived")
	}

	var stderr strings.Builder
	alone := exec.Command(dir + "/plugins/flowhound-output-syslog")
	alone.Stderr = &stderr
	if err := alone.Run(); err == nil || !strings.Contains(stderr.String(), "address") {
		t.Errorf("started by a person it says %q, %v", stderr.String(), err)
	}
}

// TestNotOpen: no panic, whatever the order of calls.
func TestNotOpen(t *testing.T) {
	t.Parallel()
	o := defaults()
	if err := o.Write(t.Context(), plugintest.Hits(1)); err == nil {
		t.Error("written by an output that is not open")
	}
	if err := o.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
