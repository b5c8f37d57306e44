package setup

import (
	"bufio"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// block is an example in a page: lines that are indented by four columns, or fenced.
type block struct {
	page  string
	line  int
	first string // its first line
	text  string
	used  bool
}

// A paragraph of a list is indented too; a block in it stands further in.
var listItem = regexp.MustCompile(`^\s*([-*]|\d+\.) `)

// blocksOf returns the examples of a page.
func blocksOf(page, text string) (all []*block) {
	var b *block
	inFence, inList, blank := false, false, true
	end := func() {
		if b != nil {
			b.text = strings.TrimRight(b.text, "\n") + "\n"
			all = append(all, b)
		}
		b = nil
	}
	for i, line := range strings.Split(text, "\n") {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if listItem.MatchString(line) && indent < 4 {
			inList = true
		} else if line != "" && indent == 0 {
			inList = false
		}
		least := 4
		if inList {
			least = 6
		}
		switch {
		case strings.HasPrefix(line, "```"):
			if end(); !inFence {
				b = &block{page: page, line: i + 2}
			}
			inFence = !inFence
		case inFence:
			b.text += line + "\n"
		case strings.TrimSpace(line) == "" && b != nil:
			b.text += "\n"
		case indent >= least && (b != nil || blank):
			if b == nil {
				b = &block{page: page, line: i + 1}
			}
			b.text += line + "\n"
		default:
			end()
		}
		blank = strings.TrimSpace(line) == ""
	}
	end()
	for _, b := range all {
		margin := 99 // what all lines begin with
		for line := range strings.Lines(b.text) {
			if trimmed := strings.TrimLeft(line, " "); trimmed != "\n" {
				margin = min(margin, len(line)-len(trimmed))
			}
		}
		b.text = regexp.MustCompile(fmt.Sprintf(`(?m)^ {0,%d}`, margin)).ReplaceAllString(b.text, "")
		b.first, _, _ = strings.Cut(strings.TrimLeft(b.text, "\n"), "\n")
	}
	return all
}

// allBlocks returns the examples of all pages of the project.
func allBlocks(t *testing.T) (all []*block) {
	t.Helper()
	root := "../../.."
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".md") {
			return nil
		}
		page, err := filepath.Rel(root, path)
		all = append(all, blocksOf(filepath.ToSlash(page), read(t, path))...)
		return err
	})
	if err != nil || len(all) < 80 {
		t.Fatalf("%d blocks only: %v", len(all), err)
	}
	return all
}

// use finds the block of a page that begins with words.
func use(all []*block, page, words string) (*block, error) {
	var found *block
	for _, b := range all {
		if b.page == page && strings.HasPrefix(b.first, words) && !b.used {
			if found == nil {
				found = b
			}
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%s has no block that begins with %q", page, words)
	}
	found.used = true
	return found, nil
}

var (
	onPage = regexp.MustCompile(`^\s*page (\S+)$`)
	ofPage = regexp.MustCompile(`^[^#]*\b(?:block|text|found) ['"]([^'"]+)['"]`)
)

// scripts returns the scripts of testdata/pages in their order, and marks the blocks
// that they run.
func scripts(t *testing.T, all []*block) (paths []string) {
	t.Helper()
	paths, err := filepath.Glob("testdata/pages/[0-9]*.sh")
	if err != nil || len(paths) == 0 {
		t.Fatal(err)
	}
	for _, path := range paths {
		page := ""
		for line := range strings.Lines(read(t, path)) {
			line = strings.TrimRight(line, "\n")
			if m := onPage.FindStringSubmatch(line); m != nil {
				page = m[1]
			} else if m := ofPage.FindStringSubmatch(line); m != nil {
				if _, err := use(all, page, m[1]); err != nil {
					t.Errorf("%s: %v", path, err)
				}
			}
		}
	}
	return paths
}

// TestEveryExample: each example of each page is run by a script of testdata/pages, or
// stands in testdata/pages/not-run with the reason.
func TestEveryExample(t *testing.T) {
	t.Parallel()
	all := allBlocks(t)
	scripts(t, all)
	tests := testNames(t)
	list, err := os.Open("testdata/pages/not-run")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	for in := bufio.NewScanner(list); in.Scan(); {
		if in.Text() == "" || in.Text()[0] == '#' {
			continue
		}
		f := strings.Split(in.Text(), " | ")
		if len(f) != 3 || len(f[2]) < 8 {
			t.Errorf("not-run: %q is not PAGE | FIRST WORDS | REASON", in.Text())
		} else if _, err := use(all, f[0], f[1]); err != nil {
			t.Errorf("not-run: %v", err)
		}
		for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(f[len(f)-1], -1) {
			if !slices.Contains(tests, name) {
				t.Errorf("not-run: there is no %s", name)
			}
		}
	}
	for _, b := range all {
		if !b.used {
			t.Errorf("%s:%d: no test runs this example: use it in testdata/pages, or list it in testdata/pages/not-run with the reason:\n%s", b.page, b.line, b.text)
		}
	}
}

// testNames returns the names of all tests of the project.
func testNames(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir("../../..", func(path string, d os.DirEntry, err error) error {
		if d.IsDir() && d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if err == nil && strings.HasSuffix(path, "_test.go") {
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(read(t, path), -1) {
				names = append(names, m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// takes has flowhound check read the section of the configuration that an example is. Files
// that it names are there; a type of output that is the reader's own is not.
func takes(t *testing.T, program string, b *block) {
	t.Helper()
	config, _, _ := strings.Cut(b.text, "\n\n") // an example may go on with something else
	config = strings.Replace(config, "type: appender, settings: {path: /var/lib/ours/hits.ndjson}", "type: syslog, settings: {address: \"udp://127.0.0.1\"}", 1)
	path := filepath.Join(t.TempDir(), "flowhound.yaml")
	if !strings.HasPrefix(config, "feeds:") {
		config = "feeds: [{name: ours, type: list, path: blacklist.txt}]\n" + config
	}
	config = regexp.MustCompile(`\b(\w+_file|path|password_file|url_file): */etc/\S+?([,}\n])`).ReplaceAllStringFunc(config, func(s string) string {
		name := filepath.Base(strings.TrimRight(s, ",}\n"))
		write(t, filepath.Join(filepath.Dir(path), name), "https://chat.example/x\n")
		return s[:strings.Index(s, "/etc/")] + name + s[len(s)-1:]
	})
	write(t, filepath.Join(filepath.Dir(path), "blacklist.txt"), "198.51.100.7\n")
	write(t, path, config+"\n")
	cmd := exec.CommandContext(t.Context(), program, "check", "-c", path)
	cmd.Env = append(os.Environ(), "NTFY_TOPIC=x")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s:%d: flowhound check: %v\n%s\n%s", b.page, b.line, err, out, config)
	}
}

var section = regexp.MustCompile(`^(exports|outputs|feeds|geo|log|alert|networks|exporters|web|history):`)

// TestExamplesAreWellFormed: what is a section of the configuration is one that flowhound
// takes, what is XML or JSON can be read.
func TestExamplesAreWellFormed(t *testing.T) {
	t.Parallel()
	program := program(t)
	n := map[string]int{}
	for _, b := range allBlocks(t) {
		first, rest, _ := strings.Cut(b.text, "\n")
		switch {
		case strings.HasPrefix(first, "settings:"): // of one output, or of two
			config, _, _ := strings.Cut(b.text, "\n\n")
			for _, settings := range strings.SplitAfter(strings.ReplaceAll(config, "\nsettings:", "\n\x00settings:"), "\x00") {
				settings = strings.TrimRight(settings, "\x00\n")
				b.text = "outputs:\n  - name: siem\n    type: syslog\n    " + strings.ReplaceAll(settings, "\n", "\n    ") + "\n"
				takes(t, program, b)
				n["yaml"]++
			}
		case section.MatchString(first):
			n["yaml"]++
			takes(t, program, b)
		case strings.HasPrefix(first, "<"):
			n["xml"]++
			for d := xml.NewDecoder(strings.NewReader(b.text)); ; {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Errorf("%s:%d: %v", b.page, b.line, err)
					break
				}
			}
		case regexp.MustCompile(`^(GET|PUT|POST) \S+$`).MatchString(first) && strings.Contains(rest, "{"):
			n["json"]++
			if !json.Valid([]byte(rest)) {
				t.Errorf("%s:%d: not JSON:\n%s", b.page, b.line, rest)
			}
		}
	}
	if n["yaml"] < 9 || n["xml"] < 1 || n["json"] < 3 {
		t.Errorf("examples of too few kinds: %v", n)
	}
}

// TestPages has a reader of the pages do what they say, one page after the other, on a
// machine that systemd runs: as a person of flesh would, with the files of a release.
func TestPages(t *testing.T) {
	t.Parallel()
	all := allBlocks(t)
	for _, p := range [][2]string{
		{"named", "bind9"}, {"rndc", "bind9-utils"}, {"dig", "bind9-dnsutils"}, {"unbound", "unbound"}, {"nft", "nftables"}, {"ipset", "ipset"}, {"iptables", "iptables"},
		{"rsyslogd", "rsyslog"}, {"promtool", "prometheus"}, {"logrotate", "logrotate"}, {"tcpdump", "tcpdump"}, {"ufw", "ufw"}, {"firewall-cmd", "firewalld"},
		{"curl", "curl"}, {"openssl", "openssl"}, {"python3", "python3"},
	} {
		peer.Path(t, p[0], p[1])
	}
	paths := scripts(t, all)
	dir := complete(t)
	if err := os.CopyFS(filepath.Join(dir, "pages"), os.DirFS("testdata/pages")); err != nil {
		t.Fatal(err)
	}
	capture, err := exec.Command("gzip", "-dc", "../../../testdata/pcap/mixed-v5.pcap.gz").Output()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "pages/router.pcap"), string(capture))
	var index strings.Builder
	for i, b := range all {
		write(t, filepath.Join(dir, fmt.Sprintf("blocks/%d", i)), b.text)
		fmt.Fprintf(&index, "%d\t%s\t%s\n", i, b.page, b.first)
	}
	write(t, filepath.Join(dir, "blocks/index"), index.String())
	ossec := "" // a real one's home, but for one in its usual place, which the machine hides
	if logtest := peer.FindEngine("FLOWHOUND_OSSEC_LOGTEST", "ossec-logtest"); logtest != "" && !strings.HasPrefix(logtest, "/var/ossec/") {
		ossec = filepath.Dir(filepath.Dir(logtest))
	}
	m := boot(t, dir)
	for _, path := range paths {
		name, began := strings.TrimSuffix(filepath.Base(path), ".sh"), time.Now()
		out, err := m.run("OSSEC=" + ossec + "; cd /root; LC_ALL=C.UTF-8; . /flowhound/pages/lib.sh; . /flowhound/pages/" + filepath.Base(path))
		if strings.Contains(out, "SKIP: ") {
			t.Logf("%s: %s", name, out[strings.Index(out, "SKIP: "):])
		}
		if err != nil {
			log, _ := m.run("journalctl -q --no-pager -n 40 -u 'flowhound*' -u named -u unbound -u rsyslog 2>&1 || true")
			t.Fatalf("%s: %v\n%s\n-- journal --\n%s", name, err, out, log)
		}
		t.Logf("%s, %.1f s\n%s", name, time.Since(began).Seconds(), out) // with -v, to be read as a user would
	}
	for i, b := range all {
		if !strings.Contains("\n"+b.text, "\n$ ") {
			continue
		}
		got, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("blocks/%d.out", i)))
		if errors.Is(err, os.ErrNotExist) {
			continue // not run
		}
		for line := range strings.Lines(b.text) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "$ ") && !shape(line).Match(got) {
				t.Errorf("%s:%d: the page shows\n%s\nbut there came\n%s", b.page, b.line, line, got)
			}
		}
	}
}

// shape is a line of an example with all that is another in each run left open: numbers
// and addresses in memory, months, and space.
func shape(line string) *regexp.Regexp {
	return regexp.MustCompile(varies.ReplaceAllStringFunc(regexp.QuoteMeta(line), func(s string) string {
		switch {
		case strings.HasPrefix(s, "0x"):
			return "0x[0-9a-f]+"
		case s[0] >= 'A' && s[0] <= 'Z':
			return "[A-Z][a-z][a-z]"
		case s[0] >= '0' && s[0] <= '9':
			return "[0-9]+"
		}
		return `\s+`
	}))
}

var varies = regexp.MustCompile(`0x[0-9a-f]+|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b|[0-9]+|\s+`)

func TestShape(t *testing.T) {
	t.Parallel()
	line := shape("24-Nov-2026 03:53:14.989 rpz: client @0x7fa37446d098 10.1.2.3#52005 (bad.example)")
	for s, want := range map[string]bool{
		"x 1-Dec-2027 13:53:14.1 rpz:  client @0x1f 192.0.2.1#1 (bad.example): more": true,
		"1-Dec-2027 13:53:14.1 rpz: client @0x1f 192.0.2.1#1 (other.example)":        false,
	} {
		if line.MatchString(s) != want {
			t.Errorf("%q: %t", s, !want)
		}
	}
}

// TestBlocks: what a page shows is found as a reader sees it.
func TestBlocks(t *testing.T) {
	t.Parallel()
	page := "# x\n\ntext\n\n    one\n\n    two\n\n1. item:\n\n       three\n\n   goes on\n\n```\nfour\n```\ntext\n    no block\n"
	var got []string
	for _, b := range blocksOf("x", page) {
		got = append(got, fmt.Sprintf("%d %q", b.line, b.text))
	}
	if want := []string{`5 "one\n\ntwo\n"`, `11 "three\n"`, `16 "four\n"`}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
