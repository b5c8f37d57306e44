package rules_test

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/decoders"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/rules"
)

var update = flag.Bool("update", false, "write the golden lines, and record the engine's answers to them")

// again says how the answers are recorded.
const again = "record again, as root, with FLOWHOUND_OSSEC_LOGTEST=/var/ossec/bin/ossec-logtest go test ./rules -update"

const (
	linesFile   = "../testdata/golden/ossec/lines.txt"
	answersFile = "../testdata/golden/ossec/answers.txt"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // headers have local time
	os.Exit(m.Run())
}

// TestGoldenLines: the lines are what the program writes today.
func TestGoldenLines(t *testing.T) {
	want := strings.Join(goldenLines(), "\n") + "\n"
	if *update {
		write(t, linesFile, want)
	}
	if got := read(t, linesFile); got != want {
		t.Errorf("%s is not what today's code writes: %s", linesFile, again)
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
	if *update {
		answers, version := ask(t, engine(t), goldenLines())
		write(t, answersFile, "Recorded from ossec-logtest "+version+". A line for each of lines.txt: rule, level, fields.\n"+hashes(t)+"\n"+format(answers))
	}
	if !strings.Contains(read(t, answersFile), hashes(t)) {
		t.Errorf("%s was recorded for other lines, decoders or rules: %s", answersFile, again)
	}
}

// TestEngine asks the real engine, where there is one.
func TestEngine(t *testing.T) {
	got, _ := ask(t, engine(t), goldenLines())
	want := recorded(t)
	lines := goldenLines()
	for i, a := range strings.Split(strings.TrimSpace(format(got)), "\n") {
		if a != want[i] {
			t.Errorf("%s\n got %s\nwant %s", lines[i], a, want[i])
		}
	}
}

// TestAnswers: the engine decoded every value as the line has it, and raised the
// rule that is meant, at the level of the severity.
func TestAnswers(t *testing.T) {
	levels := map[string]string{"info": "3", "low": "5", "medium": "8", "high": "12", "critical": "14"}
	fired := map[string]bool{}
	answers := recorded(t)
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

// recorded returns the recorded answers, one for each line.
func recorded(t *testing.T) []string {
	t.Helper()
	_, answers, _ := strings.Cut(read(t, answersFile), "\n\n")
	all := strings.Split(strings.TrimSpace(answers), "\n")
	if n := len(golden()); len(all) != n {
		t.Fatalf("%s has %d answers to %d lines: %s", answersFile, len(all), n, again)
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
func hashes(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("%x  decoders/ossec/flowhound_decoders.xml\n%x  rules/ossec/flowhound_rules.xml\n%x  testdata/golden/ossec/lines.txt\n",
		sha256.Sum256([]byte(decoders.OSSEC)), sha256.Sum256([]byte(rules.OSSEC)), sha256.Sum256([]byte(read(t, linesFile))))
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatalf("%v: %s", err, again)
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
