package setup

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

const mine = `<group name="local,">
  <rule id="100900" level="5"><if_sid>5716</if_sid><description>mine</description></rule>
</group>`

func TestClash(t *testing.T) {
	rules := "<ossec_config><ruleset><rule_dir>ruleset/rules</rule_dir><rule_exclude>0215-policy_rules.xml</rule_exclude>" +
		"<rule_dir>etc/rules</rule_dir><rule_include>etc/more/one.xml</rule_include></ruleset></ossec_config>\n"
	for _, c := range []struct{ what, conf, file, content, want string }{
		{"Wazuh manager", rules, "etc/rules/a_mine.xml", mine, "rule 100900"},
		{"Wazuh manager", rules, "etc/rules/z_mine.xml", strings.ReplaceAll(mine, `id="100900" level="5"`, "level='5'\n\tid = ' 100977 '"), "rule 100977"},
		{"Wazuh manager", rules, "ruleset/rules/9999_stock.xml", mine, "rule 100900"},
		{"Wazuh manager", rules, "etc/more/one.xml", mine, "rule 100900"},
		{"Wazuh manager", rules, "etc/more/other.xml", mine, ""},
		{"Wazuh manager", rules, "ruleset/rules/0215-policy_rules.xml", mine, ""},
		{"Wazuh manager", rules, "etc/rules/a_mine.xml", "<!-- " + mine + " -->", ""},
		{"Wazuh manager", rules, "etc/rules/a_mine.xml", strings.ReplaceAll(mine, "100900", "100899"), ""},
		{"Wazuh manager", rules, "etc/rules/z_mine.xml", strings.ReplaceAll(mine, `id="100900"`, `id="100920" overwrite="yes"`), ""},
		{"Wazuh manager", rules, "etc/rules/z_mine.xml", strings.ReplaceAll(mine, "5716", "100920"), "rule 100900"},
		{"OSSEC manager", "<ossec_config><rules><include>mine_rules.xml</include></rules></ossec_config>\n", "rules/mine_rules.xml", mine, "rule 100900"},
		{"OSSEC manager", "<ossec_config><rules><!-- <include>mine_rules.xml</include> --></rules></ossec_config>\n", "rules/mine_rules.xml", mine, ""},
		{"Wazuh agent", "<ossec_config></ossec_config>\n", "etc/rules/a_mine.xml", mine, ""},
	} {
		home := engine(t, c.what)
		write(t, filepath.Join(home, "etc/ossec.conf"), c.conf)
		write(t, filepath.Join(home, c.file), c.content)
		before := picture(t, home)
		o, _ := options(t, home)
		err := Install(t.Context(), o)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s in %s: %v", c.file, c.what, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), filepath.Join(home, c.file)) {
			t.Errorf("%s in %s: %v, want %s and the file", c.file, c.what, err, c.want)
		}
		if after := picture(t, home); after != before {
			t.Errorf("%s in %s: something changed", c.file, c.what)
		}
	}
}

func TestSaysError(t *testing.T) {
	for line, want := range map[string]bool{
		"wazuh-analysisd: ERROR: (1202): Configuration error at 'etc/ossec.conf'.":                                               true,
		"wazuh-analysisd: CRITICAL: (1220): Error loading the rules":                                                             true,
		"wazuh-analysisd: ERROR: Could not set resource limit for file descriptors to 458752: Operation not permitted (1)":       false,
		"wazuh-analysisd: WARNING: (7612): Rule ID '100977' is duplicated. Only the first occurrence will be considered.":        true,
		"wazuh-analysisd: WARNING: (7617): Signature ID '100900' was not found and will be ignored in the 'if_sid' of '100910'.": true,
		"wazuh-analysisd: WARNING: (7619): Empty 'if_sid' value. Rule '100910' will be ignored.":                                 true,
		"wazuh-analysisd: WARNING: (7616): List 'etc/lists/x' could not be loaded. Rule '80202' will be ignored.":                false,
		"wazuh-testrule: INFO: Started (pid: 1).":                                                                                false,
	} {
		if got := saysError([]byte("2026/11/28 12:00:43 " + line + "\n")); got != want {
			t.Errorf("%v for %s", got, line)
		}
	}
}

// TestRealWazuh installs into a copy of a real Wazuh manager, whose programs find
// their folder by their own place.
func TestRealWazuh(t *testing.T) {
	logtest := peer.Wazuh(t)
	home := filepath.Join(t.TempDir(), "wazuh")
	if out, err := exec.Command("cp", "-a", filepath.Dir(filepath.Dir(logtest)), home).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	before := picture(t, filepath.Join(home, "etc"))
	o, said := options(t, home)
	o.Root = "/"
	look := func() finding.List {
		var l finding.List
		examineEngine(t.Context(), &l, &o)
		return slices.DeleteFunc(l, func(f finding.Finding) bool { return strings.Contains(f.What, "does not run") }) // of no daemon here
	}
	clashing := filepath.Join(home, "etc/rules/a_mine.xml")
	write(t, clashing, mine)
	if err := Install(t.Context(), o); err == nil || !strings.Contains(err.Error(), clashing) {
		t.Errorf("a clash: %v\n%s", err, said)
	}
	os.Remove(clashing)
	write(t, filepath.Join(home, "etc/decoders/flowhound_bind_decoders.xml"), `<decoder name="flowhound-bind-rpz"><prematch>x</prematch></decoder>`)
	if err := Install(t.Context(), o); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, o.JSONLog = range []bool{true, false} {
		if err := Install(t.Context(), o); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		if l := look(); len(says(l, "reaches rule 100920")) != 1 || l.Worst() == finding.Bad {
			t.Errorf("JSON %v: %+v", o.JSONLog, l)
		}
	}
	child := filepath.Join(home, "etc/rules/z_mine.xml")
	write(t, child, `<group name="local,"><rule id="100100" level="15"><if_sid>100920</if_sid><description>mine</description></rule></group>`)
	if l := look(); len(says(l, "your rule 100100")) != 1 || l.Worst() == finding.Bad {
		t.Errorf("%+v", l)
	}
	write(t, child, `<group name="local,"><rule id="100100" level="15"><match>kind=new</match><description>mine</description></rule></group>`)
	if l := look(); len(says(l, "reaches rule 100920")) != 1 {
		t.Errorf("a rule for all lines comes first: %+v", l)
	}
	write(t, child, mine)
	if l := look(); l.Worst() != finding.Bad || len(says(l, child)) != 1 {
		t.Errorf("%+v", l)
	}
	os.Remove(child)
	if err := Uninstall(t.Context(), o); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if after := picture(t, filepath.Join(home, "etc")); after != before {
		t.Errorf("left\n%s\nof\n%s", after, before)
	}
}

// TestRealAgent: an agent validates its own configuration before and after.
func TestRealAgent(t *testing.T) {
	logtest := peer.Wazuh(t)
	home := engine(t, "Wazuh agent")
	o, said := options(t, home)
	o.Root = "/"
	for _, name := range []string{"bin/wazuh-logcollector", "etc/internal_options.conf"} {
		if out, err := exec.Command("cp", "-a", filepath.Join(filepath.Dir(filepath.Dir(logtest)), name), filepath.Join(home, name)).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	conf := filepath.Join(home, "etc/ossec.conf")
	write(t, conf, "<ossec_config><localfile><log_format>bogus</log_format><location>/x</location></localfile></ossec_config>\n")
	if err := Install(t.Context(), o); err == nil || !strings.Contains(err.Error(), "bogus") {
		t.Errorf("%v\n%s", err, said)
	}
	write(t, conf, "<ossec_config></ossec_config>\n")
	if err := Install(t.Context(), o); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}
