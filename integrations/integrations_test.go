package integrations_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/integrations"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

var update = flag.Bool("update", false, "write the lines of a real named to testdata/golden")

// flowhound returns the path of the program itself.
func flowhound(t *testing.T) string {
	t.Helper()
	return peer.Program(t, "cmd/flowhound")
}

// configure writes a configuration with a list for each of some categories, of a
// name such as c2.example and, in that of c2, addresses.
func configure(t *testing.T, more string) (path string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	config := "data_dir: " + dir + "/data\nlog: {path: " + dir + "/alerts.log}\nfeeds:\n"
	for _, category := range []string{"c2", "malware", "botnet", "phishing", "policy", "other"} {
		listed := category + ".example\n"
		if category == "c2" {
			listed += "198.51.100.7\n2001:db8:bad::7\n"
		}
		config += "  - {name: " + category + ", type: list, path: " + write(category+".txt", listed) + ", category: " + category + ", confidence: 90}\n"
	}
	return write("flowhound.yaml", config+more)
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := fs.ReadFile(integrations.Files, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// place writes a snippet into a folder, its absolute paths changed as said: each
// pair is a path and what stands for it.
func place(t *testing.T, dir, name string, paths ...string) string {
	t.Helper()
	to := filepath.Join(dir, path.Base(name))
	if err := os.WriteFile(to, []byte(strings.NewReplacer(paths...).Replace(read(t, name))), 0o644); err != nil {
		t.Fatal(err)
	}
	return to
}

func succeed(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func folders(t *testing.T) []string {
	t.Helper()
	entries, err := fs.ReadDir(integrations.Files, ".")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	if len(all) < 9 {
		t.Fatalf("%d folders only: %q", len(all), all)
	}
	return all
}

// TestREADMEs: every folder says what it is for in the one form, and names each
// of its snippets.
func TestREADMEs(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`(?s)^# \w+\n\n## Name\n\n_.+\n\n## Description\n\n.+\n\n## Syntax\n\n.+\n\n## Examples\n\n`)
	index, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range folders(t) {
		if !strings.Contains(string(index), "("+dir+"/README.md)") {
			t.Errorf("README.md does not link %s", dir)
		}
		readme := read(t, dir+"/README.md")
		if !form.MatchString(readme) {
			t.Errorf("%s/README.md has not the sections Name, Description, Syntax and Examples", dir)
		}
		snippets, err := fs.ReadDir(integrations.Files, dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range snippets {
			if s.Name() != "README.md" && !strings.Contains(readme, "`"+s.Name()+"`") {
				t.Errorf("%s/README.md does not say what %s is for", dir, s.Name())
			}
		}
	}
}

// TestExports: flowhound takes every snippet of its own configuration about exports.
func TestExports(t *testing.T) {
	t.Parallel()
	// The folders of the paths, which exist where the systems are installed.
	dir := t.TempDir()
	homes := strings.NewReplacer("/var/lib/bind/flowhound", dir, "/var/lib/unbound/flowhound", dir, "/var/lib/flowhound/export", dir,
		"/var/ossec/etc/lists", dir, "/var/ossec/lists", dir)
	for _, folder := range folders(t) {
		if _, err := fs.Stat(integrations.Files, folder+"/flowhound.yaml"); errors.Is(err, fs.ErrNotExist) {
			continue // what it reads are not lists
		}
		config := configure(t, homes.Replace(read(t, folder+"/flowhound.yaml")))
		for line := range strings.Lines(succeed(t, flowhound(t), "check", "-c", config)) {
			// What reloads is installed where the system is.
			if strings.Contains(line, "exports[") && !strings.Contains(line, "there is no program") {
				t.Errorf("flowhound check has something to say of %s/flowhound.yaml: %s", folder, line)
			}
		}
	}
}

// TestXML: the snippets for OSSEC and Wazuh are well-formed, and their rules stay
// out of the range of flowhound's own.
func TestXML(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(integrations.Files, "*/*.xml")
	if err != nil || len(names) < 6 {
		t.Fatalf("%q, %v", names, err)
	}
	for _, name := range names {
		d := xml.NewDecoder(strings.NewReader(read(t, name)))
		for {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "rule" && strings.HasPrefix(e.Attr[0].Value, "1009") {
				t.Errorf("%s: rule %s is flowhound's", name, e.Attr[0].Value)
			}
		}
	}
}

func TestUnboundTakesSnippet(t *testing.T) {
	t.Parallel()
	check := peer.Path(t, "unbound-checkconf", "unbound")
	dir := t.TempDir()
	config := configure(t, "")
	succeed(t, flowhound(t), "export", "rpz", "-c", config, "--category", "other", "--action", "passthru", "-o", filepath.Join(dir, "allow.rpz.flowhound"))
	succeed(t, flowhound(t), "export", "rpz", "-c", config, "-o", filepath.Join(dir, "rpz.flowhound"))
	snippet := place(t, dir, "unbound/unbound.conf", "/var/lib/unbound/flowhound", dir)
	main := filepath.Join(dir, "main.conf")
	conf := "server:\n\tchroot: \"\"\n\tdirectory: \"" + dir + "\"\n\tusername: \"\"\ninclude: \"" + snippet + "\"\n"
	if err := os.WriteFile(main, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	succeed(t, check, main)
}

// ownNetwork returns the words that run a program in a network namespace of its
// own, where it may change what it likes.
func ownNetwork(t *testing.T) []string {
	t.Helper()
	unshare := peer.Path(t, "unshare", "util-linux")
	words := []string{unshare, "-rn"}
	if out, err := exec.CommandContext(t.Context(), unshare, "-rn", "true").CombinedOutput(); err != nil {
		peer.Missing(t, "this user may not make network namespaces: unshare -rn: %v\n%s", err, out)
	}
	return words
}

// TestNftablesTakesSnippet loads the rules, then flowhound's file, then the rules
// again: they are there once, and what the sets hold stays.
func TestNftablesTakesSnippet(t *testing.T) {
	t.Parallel()
	nft := peer.Path(t, "nft", "nftables")
	words := ownNetwork(t)
	dir := t.TempDir()
	rules, export := place(t, dir, "nftables/rules.nft"), filepath.Join(dir, "flowhound.nft")
	succeed(t, flowhound(t), "export", "nftables", "-c", configure(t, ""), "-o", export)
	script := nft + " -f " + rules + " && " + nft + " -f " + export + " && " + nft + " -f " + rules + " && " + nft + " list table inet flowhound"
	table := succeed(t, words[0], append(words[1:], "sh", "-c", script)...)
	if n := strings.Count(table, "ip daddr @bad4 jump listed_out"); n != 2 { // forward and output
		t.Errorf("the rule is there %d times, not twice:\n%s", n, table)
	}
	if !strings.Contains(table, "elements = { 198.51.100.7 }") || !strings.Contains(table, "elements = { 2001:db8:bad::7 }") {
		t.Errorf("the sets do not hold what is listed:\n%s", table)
	}
}

// TestIPSetTakesSnippet makes the sets, lets iptables load the rules that name
// them, and then loads flowhound's file.
func TestIPSetTakesSnippet(t *testing.T) {
	t.Parallel()
	ipset, iptables, ip6tables := peer.Path(t, "ipset", "ipset"), peer.Path(t, "iptables-restore", "iptables"), peer.Path(t, "ip6tables-restore", "iptables")
	words := ownNetwork(t)
	dir := t.TempDir()
	sets, v4, v6, export := place(t, dir, "ipset/sets.ipset"), place(t, dir, "ipset/rules.v4"), place(t, dir, "ipset/rules.v6"), filepath.Join(dir, "flowhound.ipset")
	succeed(t, flowhound(t), "export", "ipset", "-c", configure(t, ""), "-o", export)
	script := ipset + " restore -file " + sets + " && " + iptables + " --noflush <" + v4 + " && " + ip6tables + " --noflush <" + v6 + " && " +
		ipset + " restore -file " + export + " && " + ipset + " list -output save"
	got := succeed(t, words[0], append(words[1:], "sh", "-c", script)...)
	if !strings.Contains(got, "add flowhound4 198.51.100.7\n") || !strings.Contains(got, "add flowhound6 2001:db8:bad::7\n") {
		t.Errorf("the sets do not hold what is listed:\n%s", got)
	}
}
