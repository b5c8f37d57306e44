package agent_test

import (
	"os"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// TestConfigurationBehindLinks: Kubernetes mounts a file as a link into a folder that
// is a link itself, and swaps that; configuration management saves the file that
// a link leads to. Both are taken over without a signal, as are the lists beside it.
func TestConfigurationBehindLinks(t *testing.T) {
	t.Parallel()
	peer.Long(t)
	dir := t.TempDir()
	link := func(to, at string) {
		t.Helper()
		_ = os.Remove(dir + "/" + at + ".new")
		if err := os.Symlink(to, dir+"/"+at+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(dir+"/"+at+".new", dir+"/"+at); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range []string{"v1", "v2"} {
		if err := os.Mkdir(dir+"/"+v, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link("v1", "..data")
	link("..data/flowhound.yaml", "flowhound.yaml")
	link("..data/known.txt", "known.txt")
	write(t, dir, "v1/known.txt", "203.0.113.66\n")
	write(t, dir, "v2/known.txt", "203.0.113.66\n203.0.113.67\n")
	r := start(t, dir, "feeds:\n  - {name: known, type: list, path: known.txt}\n")
	r.write("v2/flowhound.yaml", strings.Join(r.lines("flowhound.yaml"), "\n")+"\ncontact: ops@example.net\n")
	link("v2", "..data")
	r.awaitLine(`agent status=reloaded .*the configuration file changed`)
	r.awaitMetric(`flowhound_indicators{feed="known"}`, 2)

	r.write("v2/flowhound.yaml", strings.Join(r.lines("flowhound.yaml"), "\n")+"\nmute: [{ioc: 203.0.113.67}]\nno_such_key: 1\n")
	r.awaitLine(`agent status=error .*no_such_key`)
}
