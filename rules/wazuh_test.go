package rules_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// wazuhNames are the keys that Wazuh decodes into fields of other names: those
// that every product has in Wazuh.
var wazuhNames = map[string]string{"src": "srcip", "dst": "dstip", "indicators": "indicator_count"}

// TestWazuhAnswers: Wazuh raised the same rules as OSSEC, of both forms of the log,
// and decoded every value of the lines.
func TestWazuhAnswers(t *testing.T) {
	ofOSSEC, ofLine, ofJSON := made.recorded(t, ossec), made.recorded(t, wazuh), asJSON.recorded(t, wazuh)
	lines, inJSON := made.readLines(t), asJSON.readLines(t)
	for i, e := range golden() {
		o, l, j := strings.Split(ofOSSEC[i], "\t"), strings.Split(ofLine[i], "\t"), strings.Split(ofJSON[i], "\t")
		if !slices.Equal(o[:2], l[:2]) {
			t.Errorf("OSSEC has rule %s, Wazuh %s: %s", o[:2], l[:2], lines[i])
		}
		top := strings.ReplaceAll(fmt.Sprint(l[:2]), "100900", "100901") // the rule of all lines, in JSON
		if got := fmt.Sprint(j[:2]); got != top && (e.Hit == nil || e.Hit.Kind != "") {
			t.Errorf("as a line rule %s, as JSON %s: %s", top, got, inJSON[i])
		}
		if e.Rule == 100900 {
			continue
		}
		_, body, _ := strings.Cut(lines[i], "]: ")
		for _, kv := range keyValue.FindAllStringSubmatch(body, -1) {
			name := kv[1]
			if to := wazuhNames[name]; to != "" {
				name = to
			}
			if want := name + "=" + kv[2] + kv[3]; !slices.Contains(l, want) {
				t.Errorf("%s is not decoded: %q\n%s", want, l, lines[i])
			}
		}
	}
}

// cut are the fields that the line shortens, cleans or prints larger than Wazuh
// keeps a JSON number.
var cut = strings.Fields("decoder feed id ref name msg count bytes pkts")

// TestWazuhDecodesEqual: a value of both forms of the log has the same name in
// Wazuh, so that rules, dashboards and an index see no difference.
func TestWazuhDecodesEqual(t *testing.T) {
	ofLine, ofJSON, inJSON := made.recorded(t, wazuh), asJSON.recorded(t, wazuh), asJSON.readLines(t)
	for i, e := range golden() {
		var values map[string]any
		if err := json.Unmarshal([]byte(inJSON[i]), &values); err != nil {
			t.Fatal(err)
		}
		of := strings.Split(ofJSON[i], "\t")
		for _, f := range strings.Split(ofLine[i], "\t")[2:] {
			name, value, _ := strings.Cut(f, "=")
			if name == "decoder" || value == "-" || value == "" || value == "0" || e.Hit != nil && e.Hit.Kind == "" {
				continue // what is empty is absent in JSON
			}
			if _, ok := values[name]; !ok || !slices.Contains(cut, name) && !slices.Contains(of, f) {
				t.Errorf("%s is not in the JSON form: %q", f, of)
			}
		}
	}
}

// TestWazuhLiveAnswers: every line of the agent's own has a rule.
func TestWazuhLiveAnswers(t *testing.T) {
	for i, a := range live.recorded(t, wazuh) {
		if rule, _, _ := strings.Cut(a, "\t"); rule <= "100900" || rule > "100969" {
			t.Errorf("rule %s: %s", rule, live.readLines(t)[i])
		}
	}
}
