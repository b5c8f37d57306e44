package rules_test

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/rules"
)

var update = flag.Bool("update", false, "write the golden lines, and record the engine's answers to them")

// set is a file of lines and of what the engines answered to them: NAME-lines.txt
// is the same for both, and each has its own NAME-answers.txt in its folder.
type set struct {
	name    string
	engines []*engine
}

var (
	// made is a line for each thing that the rules tell apart; golden makes them.
	made = set{"", []*engine{ossec, wazuh}}
	// asJSON are the same hits and statuses in the log's other form.
	asJSON = set{"json-", []*engine{wazuh}}
	// live is what the agent wrote of a real exporter's flows; its own test writes
	// the lines, and holds the answers against what was planted.
	live = set{"live-", []*engine{ossec, wazuh}}
	// bind is a line for each thing that the rules for BIND tell apart.
	bind = set{"bind-", []*engine{ossec, wazuh}}
	// named is what a real named logged with the snippets of integrations/bind;
	// the test there writes the lines.
	named = set{"named-", []*engine{ossec, wazuh}}
	// blocked is what named logged when the agent had told it of a new pulse; the
	// agent's own test writes the lines, and says what the answers must be.
	blocked = set{"blocked-", []*engine{ossec, wazuh}}
	// logins are other programs' lines, which integrations/wazuh holds against a list
	// of addresses.
	logins = set{"login-", []*engine{wazuh}}
	sets   = []set{made, asJSON, live, bind, named, blocked, logins}
)

const goldenDir = "../testdata/golden/"

// lines names the file of lines; they stand beside the first engine's answers.
func (s set) lines() string { return s.engines[0].name + "/" + s.name + "lines.txt" }

func (s set) answers(e *engine) string { return e.name + "/" + s.name + "answers.txt" }

func (s set) readLines(t *testing.T) []string {
	t.Helper()
	return strings.Split(strings.TrimSuffix(read(t, goldenDir+s.lines()), "\n"), "\n")
}

func TestMain(m *testing.M) {
	time.Local = time.UTC // headers have local time
	os.Exit(m.Run())
}

// TestGoldenLines: the lines are what the program writes today.
func TestGoldenLines(t *testing.T) {
	for _, made := range []struct {
		set
		lines []string
	}{{made, goldenLines()}, {asJSON, jsonLines(t)}, {bind, bindLines()}, {logins, loginLines()}} {
		path, want := goldenDir+made.set.lines(), strings.Join(made.lines, "\n")+"\n"
		if *update {
			write(t, path, want)
		}
		if got := read(t, path); got != want {
			t.Errorf("%s is not what today's code writes: %s", path, made.engines[0].again())
		}
	}
}

// TestLongestLine: the longest line of all is among them, and no longer than it
// may be.
func TestLongestLine(t *testing.T) {
	longest := 0
	for _, line := range goldenLines() {
		longest = max(longest, len(line)+len("\n"))
	}
	if longest != hit.MaxLine {
		t.Errorf("the longest line has %d bytes, not %d", longest, hit.MaxLine)
	}
}

// TestAnswersAreOfTheseFiles: the answers were recorded for these very lines,
// decoders and rules.
func TestAnswersAreOfTheseFiles(t *testing.T) {
	for _, s := range sets {
		for _, e := range s.engines {
			path := goldenDir + s.answers(e)
			if program := e.find(); *update && program != "" {
				answers, version := e.ask(t, program, s.readLines(t))
				write(t, path, fmt.Sprintf("Recorded from %s %s. A line for each of %s: rule, level, fields.\n%s\n%s",
					e.program, version, s.lines(), s.hashes(t, e), format(answers)))
			}
			if !strings.Contains(read(t, path), s.hashes(t, e)) {
				t.Errorf("%s was recorded for other lines, decoders or rules: %s", path, e.again())
			}
		}
	}
}

// TestEngine asks the real engines, where there are any.
func TestEngine(t *testing.T) {
	for _, e := range []*engine{ossec, wazuh} {
		t.Run(e.name, func(t *testing.T) {
			program := e.find()
			if program == "" {
				t.Skipf("SKIPPED: no %s in %s, PATH or /var/ossec/bin, or not root: the recorded answers of the engine have to do", e.program, e.env)
			}
			for _, s := range sets {
				if !slices.Contains(s.engines, e) {
					continue
				}
				lines, want := s.readLines(t), s.recorded(t, e)
				got, _ := e.ask(t, program, lines)
				for i, a := range strings.Split(strings.TrimSpace(format(got)), "\n") {
					if a != want[i] {
						t.Errorf("%s\n got %s\nwant %s", lines[i], a, want[i])
					}
				}
			}
		})
	}
}

// TestLiveAnswers: the engine decoded every value of the agent's own lines, and
// has a rule for each.
func TestLiveAnswers(t *testing.T) {
	answers := live.recorded(t, ossec)
	for i, line := range live.readLines(t) {
		a := strings.Split(answers[i], "\t")
		if a[0] <= "100900" || a[0] > "100969" {
			t.Errorf("rule %s: %s", a[0], line)
		}
		checkFields(t, line, a[2:])
	}
}

// TestAnswers: the engine decoded every value as the line has it, and raised the
// rule that is meant, at the level of the severity.
func TestAnswers(t *testing.T) {
	levels := map[string]string{"info": "3", "low": "5", "medium": "8", "high": "12", "critical": "14"}
	fired := map[string]bool{}
	answers := made.recorded(t, ossec)
	for i, e := range golden() {
		line := e.line()
		a := strings.Split(answers[i], "\t")
		fired[a[0]] = true
		if e.Rule != 0 && a[0] != fmt.Sprint(e.Rule) {
			t.Errorf("rule %s, want %d: %s", a[0], e.Rule, line)
		}
		if e.Hit != nil && a[1] != levels[e.Hit.Severity.String()] && e.Rule != 100902 {
			t.Errorf("level %s for severity %s: %s", a[1], e.Hit.Severity, line)
		}
		if e.Rule != 100900 {
			checkFields(t, line, a[2:])
		}
	}
	for _, r := range parse(t, rules.OSSEC) {
		if !fired[fmt.Sprint(r.ID)] {
			t.Errorf("no line makes rule %d fire", r.ID)
		}
	}
}

// ossecNames are the keys that OSSEC decodes into fields of its own.
var ossecNames = map[string]string{
	"sev": "status", "dir": "action", "cat": "extra_data", "ioc": "id", "src": "srcip", "sport": "srcport", "dst": "dstip",
	"dport": "dstport", "proto": "proto", "exporter": "system_name", "status": "status", "msg": "extra_data",
	"pkts": "flowhound.packets", "cc": "flowhound.country",
}

var keyValue = regexp.MustCompile(`([a-z]+)=(?:"([^"]*)"|(\S+))`)

// checkFields holds decoded fields against the keys of the line.
func checkFields(t *testing.T, line string, fields []string) {
	t.Helper()
	_, body, _ := strings.Cut(line, "]: ")
	isHit := strings.HasPrefix(body, "hit ")
	keys := keyValue.FindAllStringSubmatch(body, -1)
	for _, kv := range keys {
		name := ossecNames[kv[1]]
		switch {
		case kv[1] == "id" && !isHit:
			name = "id"
		case name == "":
			name = "flowhound." + kv[1]
		}
		if want := name + "=" + kv[2] + kv[3]; !slices.Contains(fields, want) {
			t.Errorf("%s is not decoded: %q\n%s", want, fields, line)
		}
	}
	extra := 1 // decoder=
	if isHit {
		extra = 2 // and url=, the pair of indicator and source
	}
	if len(fields) != len(keys)+extra {
		t.Errorf("%d fields of %d keys: %q\n%s", len(fields), len(keys), fields, line)
	}
}

func goldenLines() []string {
	var lines []string
	for _, e := range golden() {
		lines = append(lines, e.line())
	}
	return lines
}

// jsonLines are the golden lines in the log's other form. Lines that a longer
// header makes are the same in it.
func jsonLines(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, e := range golden() {
		var line []byte
		var err error
		if e.Hit != nil {
			line, err = hit.AppendLogJSON(nil, e.Hit)
		} else {
			line, err = json.Marshal(e.Status)
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	return lines
}

// recorded returns the recorded answers, one for each line.
func (s set) recorded(t *testing.T, e *engine) []string {
	t.Helper()
	_, answers, _ := strings.Cut(read(t, goldenDir+s.answers(e)), "\n\n")
	all := strings.Split(strings.TrimSpace(answers), "\n")
	if n := len(s.readLines(t)); len(all) != n {
		t.Fatalf("%s has %d answers to %d lines: %s", s.answers(e), len(all), n, e.again())
	}
	return all
}

func format(answers []answer) string {
	var b strings.Builder
	for _, a := range answers {
		fmt.Fprintf(&b, "%d\t%d\t%s\n", a.Rule, a.Level, strings.Join(a.Fields, "\t"))
	}
	return b.String()
}

// hashes names what the answers depend on, as sha256sum does.
func (s set) hashes(t *testing.T, e *engine) string {
	t.Helper()
	var b strings.Builder
	for _, f := range append(slices.Clone(e.ours), ourFile{"testdata/golden/" + s.lines(), read(t, goldenDir+s.lines())}) {
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256([]byte(f.content)), f.name)
	}
	return b.String()
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
