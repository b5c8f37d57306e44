package rules_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/decoders"
	"github.com/flowhound/flowhound/rules"
)

// answer is what OSSEC makes of one line. Rule 0 is none.
type answer struct {
	Rule, Level int
	Fields      []string // name=value, in the order of decoding
}

// engine returns the ossec-logtest that FLOWHOUND_OSSEC_LOGTEST names or PATH
// has, in the bin folder of an installation; or skips.
func engine(t *testing.T) string {
	t.Helper()
	path := os.Getenv("FLOWHOUND_OSSEC_LOGTEST")
	if path == "" {
		path, _ = exec.LookPath("ossec-logtest")
	}
	if path == "" {
		t.Skip("SKIPPED: no ossec-logtest on PATH nor in FLOWHOUND_OSSEC_LOGTEST: the recorded answers of the engine have to do")
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: ossec-logtest changes its root directory and needs root: the recorded answers of the engine have to do")
	}
	return path
}

// ask runs the engine of an installation, with its stock decoders and rules and
// ours after them, on lines.
func ask(t *testing.T, logtest string, lines []string) (answers []answer, version string) {
	t.Helper()
	root := installation(t, filepath.Dir(filepath.Dir(logtest)))
	cmd := exec.CommandContext(t.Context(), logtest, "-D", root, "-c", filepath.Join(root, "etc/ossec.conf"))
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", logtest, err, stderr.String())
	}
	answers = parseAnswers(t, stdout.String()+stderr.String())
	if len(answers) != len(lines) {
		t.Fatalf("%s gave %d answers to %d lines\n%.2000s", logtest, len(answers), len(lines), stderr.String())
	}
	out, _ := exec.CommandContext(t.Context(), logtest, "-V").CombinedOutput()
	return answers, regexp.MustCompile(`v\d[\w.]*`).FindString(string(out))
}

// installation lays out a scratch copy of what the engine reads.
func installation(t *testing.T, from string) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"etc", "rules", "queue/fts"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatalf("%v: is ossec-logtest in the bin folder of an installation?", err)
		}
		return string(b)
	}
	for _, name := range []string{"etc/decoder.xml", "etc/internal_options.conf"} {
		write(name, read(name))
	}
	conf := "<ossec_config>\n<rules>\n"
	for _, m := range regexp.MustCompile(`<include>([\w.-]+\.xml)</include>`).FindAllStringSubmatch(read("etc/ossec.conf"), -1) {
		if !strings.HasPrefix(m[1], "flowhound_") {
			write("rules/"+m[1], read("rules/"+m[1]))
			conf += "<include>" + m[1] + "</include>\n"
		}
	}
	write("etc/ossec.conf", conf+"<include>flowhound_rules.xml</include>\n<include>flowhound_bind_rules.xml</include>\n</rules>\n</ossec_config>\n")
	write("etc/local_decoder.xml", decoders.OSSEC+decoders.OSSECBind)
	write("rules/flowhound_rules.xml", rules.OSSEC)
	write("rules/flowhound_bind_rules.xml", rules.OSSECBind)
	// The engine reads and writes as the user ossec.
	for dir, mode := range map[string]os.FileMode{"": 0o755, "queue/fts": 0o777} {
		if err := os.Chmod(filepath.Join(root, dir), mode); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

var field = regexp.MustCompile(`^       ([\w. ]+): '(.*)'$`)

// parseAnswers reads what ossec-logtest prints: per line a phase 1 (header), 2
// (decoder and fields) and 3 (rule).
func parseAnswers(t *testing.T, out string) []answer {
	t.Helper()
	var all []answer
	phase := 0
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if _, err := fmt.Sscanf(line, "**Phase %d:", &phase); err == nil {
			if phase == 1 {
				all = append(all, answer{})
			}
			continue
		}
		m := field.FindStringSubmatch(line)
		if m == nil || len(all) == 0 {
			continue
		}
		a := &all[len(all)-1]
		var err error
		switch {
		case phase == 2:
			a.Fields = append(a.Fields, m[1]+"="+m[2])
		case m[1] == "Rule id":
			a.Rule, err = strconv.Atoi(m[2])
		case m[1] == "Level":
			a.Level, err = strconv.Atoi(m[2])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}
