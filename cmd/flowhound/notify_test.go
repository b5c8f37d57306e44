package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestNotify: the service manager hears that the agent is ready, that it reloads,
// that it is well and that it stops.
func TestNotify(t *testing.T) {
	peer.Long(t)
	t.Parallel()
	dir := t.TempDir()
	socket := filepath.Join(dir, "notify.sock")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for name, content := range map[string]string{
		"list.txt": "198.51.100.7\n",
		"flowhound.yaml": "listen: [\"udp://127.0.0.1:0\"]\nlog: {path: alerts.log}\ndata_dir: data\nweb: {listen: \"\"}\n" +
			"feeds: [{name: ours, type: list, path: list.txt}]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "flowhound") // testscript.Main goes by the name
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "run", "-c", filepath.Join(dir, "flowhound.yaml"))
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	heard := func(want string) {
		t.Helper()
		b := make([]byte, 1024)
		var all []string
		for end := time.Now().Add(time.Minute); ; {
			conn.SetReadDeadline(end)
			n, err := conn.Read(b)
			if err != nil {
				t.Fatalf("waited in vain for %s, heard %q", want, all)
			}
			if all = append(all, string(b[:n])); strings.Contains(all[len(all)-1], want) {
				return
			}
		}
	}
	heard("READY=1")
	heard("WATCHDOG=1")
	cmd.Process.Signal(syscall.SIGHUP)
	heard("RELOADING=1")
	heard("READY=1")
	cmd.Process.Signal(syscall.SIGTERM)
	heard("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
