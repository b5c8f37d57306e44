package integrations_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// reloadScript returns what root's reload unit runs, with the folders of a test.
func reloadScript(t *testing.T, dir string) string {
	t.Helper()
	unit, err := os.ReadFile("systemd/flowhound-reload.service")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?s)ExecStart=/bin/sh -euc '(.*?)'\n`).FindStringSubmatch(string(unit))
	if m == nil {
		t.Fatal("the unit runs something else")
	}
	script := strings.ReplaceAll(m[1], "\\\n", " ")      // as systemd joins lines
	script = strings.ReplaceAll(script, "sleep 1; ", "") // for those to come
	if strings.ContainsAny(script, "%\\'") || strings.Contains(script, "${") {
		t.Error("systemd would read more into the script")
	}
	return strings.NewReplacer("/var/lib/flowhound/export", dir+"/export", "/var/lib/bind", dir+"/bind", "/var/lib/unbound", dir+"/unbound", "/var/ossec", dir+"/ossec").Replace(script)
}

// TestReloadUnit runs root's part of handing exports on: files that the program
// itself has written are loaded, once, by each tool; what flowhound does not write in a
// format is not.
func TestReloadUnit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, folder := range []string{"export", "run", "stub", "bind/flowhound", "ossec/lists", "ossec/etc/lists", "ossec/bin"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	stub := "#!/bin/sh\necho \"$(basename \"$0\")\" \"$@\" >>" + dir + "/calls\n"
	for _, program := range []string{"stub/nft", "stub/ipset", "stub/rndc", "stub/suricatasc", "stub/systemctl", "ossec/bin/ossec-makelists"} {
		if err := os.WriteFile(filepath.Join(dir, program), []byte(stub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := configure(t, "")
	for name, args := range map[string][]string{
		"flowhound.nft": {"nftables"}, "flowhound.ipset": {"ipset"}, "c2.rpz.flowhound.rpz": {"rpz", "--zone", "c2.rpz.flowhound"},
		"allow.rpz.flowhound.rpz": {"rpz", "--action", "allow"}, "flowhound.ossec": {"ossec"}, "flowhound.wazuh": {"wazuh"},
		"suricata.list": {"suricata"}, "suricata-domains.lst": {"suricata-domains"},
	} {
		succeed(t, flowhound(t), append([]string{"export"}, append(args, "-c", config, "-o", filepath.Join(dir, "export", name))...)...)
	}
	script := reloadScript(t, dir)
	run := func() (calls, said string, err error) {
		t.Helper()
		_ = os.Remove(filepath.Join(dir, "calls"))
		cmd := exec.Command("/bin/sh", "-euc", script)
		cmd.Env = []string{"PATH=" + dir + "/stub:/usr/bin:/bin", "RUNTIME_DIRECTORY=" + dir + "/run"}
		out, err := cmd.CombinedOutput()
		b, _ := os.ReadFile(filepath.Join(dir, "calls"))
		return strings.ReplaceAll(string(b), dir+"/run/", ""), string(out), err
	}
	calls, said, err := run()
	want := `nft -f new.flowhound.nft
ipset restore -file new.flowhound.ipset
rndc reload allow.rpz.flowhound
rndc reload c2.rpz.flowhound
ossec-makelists
systemctl restart wazuh-manager
suricatasc -c ruleset-reload-nonblocking
suricatasc -c ruleset-reload-nonblocking
`
	if calls != want || err != nil {
		t.Fatalf("%v\n%s\n%s\nwant\n%s", err, said, calls, want)
	}
	for copied, from := range map[string]string{"bind/flowhound/c2.rpz.flowhound": "c2.rpz.flowhound.rpz", "ossec/lists/flowhound": "flowhound.ossec", "ossec/etc/lists/flowhound": "flowhound.wazuh"} {
		a, _ := os.ReadFile(filepath.Join(dir, copied))
		b, _ := os.ReadFile(filepath.Join(dir, "export", from))
		if len(b) == 0 || string(a) != string(b) {
			t.Errorf("%s is not %s", copied, from)
		}
	}
	if calls, said, err := run(); calls != "" || err != nil {
		t.Errorf("once more, with nothing new: %v\n%s%s", err, said, calls)
	}

	for name, more := range map[string]string{
		"flowhound.nft":        "add rule inet filter input accept\n",
		"flowhound.ipset":      "add flowhound4_new 192.0.2.1 -exist; destroy other\n",
		"c2.rpz.flowhound.rpz": "$INCLUDE /etc/shadow\n",
		"suricata.list":        "reputation-files: [/etc/shadow]\n",
		"flowhound.wazuh":      "root:x:0:0:root:/root:/bin/bash\n",
		"flowhound.ossec":      "daemon:*:19000:0:99999:7:::\n",
	} {
		path := filepath.Join(dir, "export", name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write := func(b []byte) {
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write(append(good, more...))
		if calls, said, err := run(); calls != "" || err == nil || !strings.Contains(said, name+" holds what flowhound does not write") {
			t.Errorf("%s with %q: %v\n%s%s", name, more, err, said, calls)
		}
		write(good)
		if calls, said, err := run(); calls != "" || err != nil { // as it was loaded last
			t.Errorf("%s as it was: %v\n%s%s", name, err, said, calls)
		}
	}
	// Sets of other people's.
	if err := os.WriteFile(filepath.Join(dir, "export/other.ipset"), []byte("flush allowed4\nadd allowed4 192.0.2.1 -exist\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if calls, said, err := run(); calls != "" || err == nil || !strings.Contains(said, "other.ipset holds what flowhound does not write") {
		t.Errorf("a set of another name: %v\n%s%s", err, said, calls)
	}
	if err := os.Remove(filepath.Join(dir, "export/other.ipset")); err != nil {
		t.Fatal(err)
	}
	// What could come in a file's place between the look at it and the copy.
	if !strings.Contains(script, "iflag=fullblock,nofollow,nonblock") {
		t.Error("root follows links, or waits for pipes")
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "export", "link.nft")); err != nil {
		t.Fatal(err)
	}
	if calls, said, err := run(); calls != "" || err != nil {
		t.Errorf("a link: %v\n%s%s", err, said, calls)
	}
}

// TestReloadUnitInTheKernel loads the sets with the real tools.
func TestReloadUnitInTheKernel(t *testing.T) {
	t.Parallel()
	nft, ipset := peer.Path(t, "nft", "nftables"), peer.Path(t, "ipset", "ipset")
	words := ownNetwork(t)
	dir := t.TempDir()
	for _, folder := range []string{"export", "run"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := configure(t, "")
	succeed(t, flowhound(t), "export", "nftables", "-c", config, "-o", filepath.Join(dir, "export/x.nft"))
	succeed(t, flowhound(t), "export", "ipset", "-c", config, "-o", filepath.Join(dir, "export/x.ipset"))
	script := filepath.Join(dir, "reload.sh")
	if err := os.WriteFile(script, []byte("set -eu\nPATH=$PATH:/usr/sbin:/sbin RUNTIME_DIRECTORY="+dir+"/run\n("+reloadScript(t, dir)+")\n"+nft+" list ruleset\n"+ipset+" list -output save\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := succeed(t, words[0], append(words[1:], "sh", script)...)
	for _, want := range []string{"elements = { 198.51.100.7 }", "elements = { 2001:db8:bad::7 }", "add flowhound4 198.51.100.7\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing:\n%s", want, got)
		}
	}
}
