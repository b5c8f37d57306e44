package integrations_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestUnits: systemd takes the units, and finds little that the service may do.
func TestUnits(t *testing.T) {
	t.Parallel()
	analyze := peer.Path(t, "systemd-analyze", "systemd")
	dir := t.TempDir()
	program := filepath.Join(dir, "flowhound")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var units []string
	for _, name := range []string{"flowhound.service", "flowhound-reload.service", "flowhound-reload.path", "flowhound-reload.timer"} {
		units = append(units, place(t, dir, "systemd/"+name, "/usr/local/bin/flowhound", program))
	}
	if out := succeed(t, analyze, append([]string{"verify", "--man=no"}, units...)...); out != "" {
		t.Errorf("systemd-analyze verify says:\n%s", out)
	}
	out := succeed(t, analyze, "security", "--offline=yes", "--no-pager", units[0])
	m := regexp.MustCompile(`Overall exposure level for flowhound.service: ([\d.]+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatal(out)
	}
	if exposure, err := strconv.ParseFloat(m[1], 64); err != nil || exposure > 2 {
		t.Errorf("the service may do too much:\n%s", out)
	}
}

// TestOpenRC: the script is one that any shell reads.
func TestOpenRC(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	succeed(t, "sh", "-n", place(t, dir, "openrc/flowhound"))
	succeed(t, peer.Path(t, "shellcheck", "shellcheck"), "-s", "sh", "-e", "SC2034", filepath.Join(dir, "flowhound"))
}
