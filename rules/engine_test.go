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
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
	"github.com/flowhound/flowhound/rules"
)

// answer is what an engine makes of one line. Rule 0 is none.
type answer struct {
	Rule, Level int
	Fields      []string // name=value, in the order of decoding
}

// engine is one of the two programs that read flowhound's lines, with its stock
// decoders and rules and ours after them.
type engine struct {
	name    string    // ossec or wazuh: the folder of its decoders, rules and golden answers
	env     string    // the variable that names its test program
	program string    // the test program, in the bin folder of an installation
	ours    []ourFile // what the answers depend on
	layOut  func(t *testing.T, from, root string, write func(name, content string))
}

type ourFile struct{ name, content string }

var ossec = &engine{
	name: "ossec", env: "FLOWHOUND_OSSEC_LOGTEST", program: "ossec-logtest", layOut: layOutOSSEC,
	ours: []ourFile{
		{"decoders/ossec/flowhound_decoders.xml", decoders.OSSEC},
		{"decoders/ossec/flowhound_bind_decoders.xml", decoders.OSSECBind},
		{"rules/ossec/flowhound_rules.xml", rules.OSSEC},
		{"rules/ossec/flowhound_bind_rules.xml", rules.OSSECBind},
	},
}

var wazuh = &engine{
	name: "wazuh", env: "FLOWHOUND_WAZUH_LOGTEST", program: "wazuh-logtest-legacy", layOut: layOutWazuh,
	ours: []ourFile{
		{"decoders/wazuh/flowhound_decoders.xml", decoders.Wazuh},
		{"decoders/wazuh/0001-flowhound_bind_decoders.xml", decoders.WazuhBind},
		{"rules/wazuh/flowhound_rules.xml", rules.Wazuh},
		{"rules/wazuh/flowhound_bind_rules.xml", rules.WazuhBind},
		{"integrations/wazuh/list_rules.xml", listRules()},
	},
}

// again says how the answers are recorded.
func (e *engine) again() string {
	return fmt.Sprintf("record again, as root: %s=.../bin/%s go test ./rules -update", e.env, e.program)
}

// find returns the engine's test program, "" where there is none or this is not root,
// which it needs to change its root directory.
func (e *engine) find() string { return peer.FindEngine(e.env, e.program) }

// ask runs the engine on lines, in a scratch copy of what it reads.
func (e *engine) ask(t *testing.T, program string, lines []string) (answers []answer, version string) {
	t.Helper()
	root := t.TempDir()
	e.layOut(t, filepath.Dir(filepath.Dir(program)), root, func(name, content string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	})
	// The engine reads and writes as a user of its own.
	for _, dir := range []string{"", "queue/fts"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, "-D", root, "-c", filepath.Join(root, "etc/ossec.conf"))
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, stderr.String())
	}
	if complaint := regexp.MustCompile(`(?m)^.*(?:WARNING|ERROR).*$`).FindString(stderr.String()); complaint != "" {
		t.Errorf("%s complains: %s", program, complaint)
	}
	answers = parseAnswers(t, stdout.String()+stderr.String())
	if len(answers) != len(lines) {
		t.Fatalf("%s gave %d answers to %d lines\n%.2000s", program, len(answers), len(lines), stderr.String())
	}
	out, _ := exec.CommandContext(t.Context(), program, "-V").CombinedOutput()
	return answers, regexp.MustCompile(`v\d[\w.]*`).FindString(string(out))
}

func layOutOSSEC(t *testing.T, from, _ string, write func(name, content string)) {
	t.Helper()
	stock := func(name string) string { return read(t, filepath.Join(from, name)) }
	for _, name := range []string{"etc/decoder.xml", "etc/internal_options.conf"} {
		write(name, stock(name))
	}
	conf := "<ossec_config>\n<rules>\n"
	for _, m := range regexp.MustCompile(`<include>([\w.-]+\.xml)</include>`).FindAllStringSubmatch(stock("etc/ossec.conf"), -1) {
		if !strings.HasPrefix(m[1], "flowhound_") {
			write("rules/"+m[1], stock("rules/"+m[1]))
			conf += "<include>" + m[1] + "</include>\n"
		}
	}
	write("etc/ossec.conf", conf+"<include>flowhound_rules.xml</include>\n<include>flowhound_bind_rules.xml</include>\n</rules>\n</ossec_config>\n")
	write("etc/local_decoder.xml", decoders.OSSEC+decoders.OSSECBind)
	write("rules/flowhound_rules.xml", rules.OSSEC)
	write("rules/flowhound_bind_rules.xml", rules.OSSECBind)
}

func layOutWazuh(t *testing.T, from, root string, write func(name, content string)) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(root, "ruleset"), os.DirFS(filepath.Join(from, "ruleset"))); err != nil {
		t.Fatal(err)
	}
	conf := "<ossec_config>\n<ruleset>\n<decoder_dir>ruleset/decoders</decoder_dir>\n<rule_dir>ruleset/rules</rule_dir>\n<rule_exclude>0215-policy_rules.xml</rule_exclude>\n"
	lists, err := filepath.Glob(filepath.Join(from, "etc/lists/*"))
	if err != nil {
		t.Fatal(err)
	}
	inFolders, err := filepath.Glob(filepath.Join(from, "etc/lists/*/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range append(lists, inFolders...) {
		if info, err := os.Stat(list); err != nil || info.IsDir() || strings.HasSuffix(list, ".cdb") {
			continue
		}
		name, _ := filepath.Rel(from, list)
		write(name, read(t, list))
		conf += "<list>" + name + "</list>\n"
	}
	write("etc/lists/flowhound", list)
	write("etc/rules/local_rules.xml", listRules())
	conf += "<list>etc/lists/flowhound</list>\n"
	write("etc/ossec.conf", conf+"<decoder_dir>etc/decoders</decoder_dir>\n<rule_dir>etc/rules</rule_dir>\n</ruleset>\n</ossec_config>\n")
	write("etc/internal_options.conf", read(t, filepath.Join(from, "etc/internal_options.conf")))
	write("etc/decoders/flowhound_decoders.xml", decoders.Wazuh)
	write("etc/decoders/0001-flowhound_bind_decoders.xml", decoders.WazuhBind)
	write("etc/rules/flowhound_rules.xml", rules.Wazuh)
	write("etc/rules/flowhound_bind_rules.xml", rules.WazuhBind)
}

var (
	phase = regexp.MustCompile(`^\*\*Phase (\d):`)
	field = regexp.MustCompile(`^       ([\w. ]+): '(.*)'$`)
)

// parseAnswers reads what the test programs print: per line a phase 1 (header), 2
// (decoder and fields) and 3 (rule).
func parseAnswers(t *testing.T, out string) []answer {
	t.Helper()
	var all []answer
	in := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if m := phase.FindStringSubmatch(line); m != nil {
			if in = m[1]; in == "1" {
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
		case in == "2":
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
