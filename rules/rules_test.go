package rules_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/decoders"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/rules"
)

// rule is what the tests look at in a rule of either engine.
type rule struct {
	ID          int      `xml:"id,attr"`
	Level       int      `xml:"level,attr"`
	IfSID       string   `xml:"if_sid"`
	DecodedAs   string   `xml:"decoded_as"`
	Match       string   `xml:"match"`
	Regex       []string `xml:"regex"`
	Frequency   int      `xml:"frequency,attr"`
	Options     []string `xml:"options"`
	Description string   `xml:"description"`
	Group       string   `xml:"group"`
	MatchGroup  string   `xml:"if_matched_group"`
	MatchSID    string   `xml:"if_matched_sid"`
}

// parse reads a file of rules; an XML file of these engines has several roots.
func parse(t *testing.T, src string) []rule {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string `xml:"name,attr"`
			Rules []rule `xml:"rule"`
		} `xml:"group"`
	}
	if err := xml.Unmarshal([]byte("<file>"+src+"</file>"), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// both is an engine's two files of rules, in the order in which it reads them.
var both = map[string]string{"ossec": rules.OSSEC + rules.OSSECBind, "wazuh": rules.Wazuh + rules.WazuhBind}

// stockNamed is the stock rule of both engines that takes named's lines.
const stockNamed = 12100

func TestRules(t *testing.T) {
	for engine, src := range both {
		seen := map[int]bool{stockNamed: true}
		groups := ""
		for _, r := range parse(t, src) {
			if r.ID < 100900 || r.ID > 100999 || seen[r.ID] {
				t.Errorf("%s: rule %d is out of range or there twice", engine, r.ID)
			}
			if len(r.Options) == 0 || r.Options[0] != "no_ar" {
				t.Errorf("%s: rule %d may start an active response", engine, r.ID)
			}
			if inAlert := engine == "wazuh" && (r.ID < 100970 || r.ID == testRule); inAlert != slices.Contains(r.Options, "no_full_log") {
				t.Errorf("%s: rule %d: an alert on JSON holds its line twice", engine, r.ID)
			}
			if !strings.HasPrefix(r.Description, "flowhound: ") {
				t.Errorf("%s: rule %d: description %q does not say whose it is", engine, r.ID, r.Description)
			}
			if (r.DecodedAs != "" || r.IfSID == fmt.Sprint(stockNamed)) && r.Level != 0 {
				t.Errorf("%s: rule %d: a top rule above level 0 comes after the stock rules", engine, r.ID)
			}
			for _, parent := range strings.FieldsFunc(r.IfSID+" "+r.MatchSID, func(c rune) bool { return c == ',' || c == ' ' }) {
				var id int
				if _, err := fmt.Sscan(parent, &id); err != nil || !seen[id] {
					t.Errorf("%s: rule %d stands before its parent %s: fatal to the engine", engine, r.ID, parent)
				}
			}
			if r.MatchGroup != "" && !strings.Contains(groups, r.MatchGroup) {
				t.Errorf("%s: rule %d stands before the group %s that it counts: fatal to the engine", engine, r.ID, r.MatchGroup)
			}
			if r.MatchGroup != "" && strings.Contains(r.Group, r.MatchGroup) {
				t.Errorf("%s: rule %d counts itself", engine, r.ID)
			}
			seen[r.ID] = true
			groups += r.Group
		}
	}
}

// testRule is the one of what flowhound test plants: below 100970 no id is left.
const testRule = 100998

// TestBindIDs: ids tell whose line it is, and the two files stay apart.
func TestBindIDs(t *testing.T) {
	for name, src := range map[string]string{"ossec": rules.OSSECBind, "wazuh": rules.WazuhBind} {
		for _, r := range parse(t, src) {
			if r.ID < 100970 {
				t.Errorf("%s: rule %d is about BIND and below 100970", name, r.ID)
			}
		}
	}
	for name, src := range map[string]string{"ossec": rules.OSSEC, "wazuh": rules.Wazuh} {
		for _, r := range parse(t, src) {
			if r.ID >= 100970 && r.ID != testRule {
				t.Errorf("%s: rule %d is in BIND's range", name, r.ID)
			}
		}
	}
}

// TestSameRules: both engines have the same ids at the same levels in the same
// groups, but for 100901, as OSSEC cannot read JSON, and 100989, as only Wazuh cuts
// a client in two.
func TestSameRules(t *testing.T) {
	strip := func(src string) map[int]string {
		all := map[int]string{}
		for _, r := range parse(t, src) {
			all[r.ID] = fmt.Sprint(r.Level, " ", r.Group)
		}
		delete(all, 100901)
		delete(all, 100989)
		return all
	}
	ossec, wazuh := strip(both["ossec"]), strip(both["wazuh"])
	for id, want := range ossec {
		if wazuh[id] != want {
			t.Errorf("rule %d: OSSEC has %q, Wazuh %q", id, want, wazuh[id])
		}
	}
	if len(ossec) != len(wazuh) {
		t.Errorf("OSSEC has %d rules, Wazuh %d", len(ossec), len(wazuh))
	}
}

// TestSameBindConditions: the conditions of BIND's rules are on the line itself
// and the same in both engines. Only the top rules differ, as do the decoders, and
// the way in which the engines count.
func TestSameBindConditions(t *testing.T) {
	wazuh := map[int]rule{}
	for _, r := range parse(t, rules.WazuhBind) {
		wazuh[r.ID] = r
	}
	for _, r := range parse(t, rules.OSSECBind) {
		w := wazuh[r.ID]
		if r.IfSID == "100970, 100971" {
			r.IfSID += ", 100989"
		}
		if r.ID > 100971 && fmt.Sprint(r.Match, r.Regex, r.IfSID, r.MatchSID) != fmt.Sprint(w.Match, w.Regex, w.IfSID, w.MatchSID) {
			t.Errorf("rule %d: OSSEC asks for %q %q below %q, Wazuh for %q %q below %q", r.ID, r.Match, r.Regex, r.IfSID, w.Match, w.Regex, w.IfSID)
		}
		// OSSEC fires at the event after the next, Wazuh at the event itself.
		if r.Frequency != 0 && w.Frequency != r.Frequency+2 {
			t.Errorf("rule %d: frequency %d in OSSEC, %d in Wazuh", r.ID, r.Frequency, w.Frequency)
		}
	}
}

// TestREADME: the table names every rule with its level.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	all := parse(t, both["wazuh"])
	for _, r := range all {
		if !strings.Contains(string(readme), fmt.Sprintf("\n| %d | %d | ", r.ID, r.Level)) {
			t.Errorf("README.md lacks rule %d of level %d", r.ID, r.Level)
		}
	}
	if n := strings.Count(string(readme), "\n| 1009"); n != len(all) {
		t.Errorf("README.md has %d rules, the files %d", n, len(all))
	}
}

// forbidden are words that keep an engine from starting, or crash it.
var forbidden = map[string]*regexp.Regexp{
	"ossec": regexp.MustCompile(`pcre2|<mitre>|<protocol>|<field|same_srcip|same_field|different_dstip|different_field|\$\(`),
	"wazuh": regexp.MustCompile(`<pcre2>|_pcre2>|not_same_id|different_url`),
}

func TestNothingForbidden(t *testing.T) {
	for name, src := range map[string]string{
		"ossec rules": both["ossec"], "ossec decoders": decoders.OSSEC + decoders.OSSECBind,
		"wazuh rules": both["wazuh"], "wazuh decoders": decoders.Wazuh + decoders.WazuhBind,
	} {
		engine, _, _ := strings.Cut(name, " ")
		for _, e := range elements(t, src) {
			if w := forbidden[engine].FindString(e); w != "" {
				t.Errorf("%s: %q in %s", name, w, e)
			}
		}
	}
}

// elements returns src without its comments, an element an entry, and fails when
// it is not well-formed.
func elements(t *testing.T, src string) []string {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader("<file>" + src + "</file>"))
	var all []string
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			all = append(all, fmt.Sprintf("<%s> %v", tok.Name.Local, tok.Attr))
		case xml.CharData:
			all = append(all, string(tok))
		}
	}
}

// TestWazuhDecodesAsJSON holds the fields that Wazuh's decoder makes of a line
// against the JSON form of the same hit, which Wazuh decodes by itself: rules
// fire alike on both only as long as the names are the same.
func TestWazuhDecodesAsJSON(t *testing.T) {
	var file struct {
		Decoders []struct {
			Name  string `xml:"name,attr"`
			Regex string `xml:"regex"`
			Order string `xml:"order"`
		} `xml:"decoder"`
	}
	if err := xml.Unmarshal([]byte("<file>"+decoders.Wazuh+"</file>"), &file); err != nil {
		t.Fatal(err)
	}
	h := golden()[0].Hit
	asJSON, err := hit.AppendLogJSON(nil, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decoders {
		if d.Name != "flowhound-hit" {
			continue
		}
		// OS_Regex's \. is any character; the rest of this one is RE2's too.
		m := regexp.MustCompile(strings.ReplaceAll(d.Regex, `\.*`, `.*`)).FindSubmatch(hit.AppendLine(nil, h))
		names := strings.Split(d.Order, ", ")
		if len(m) != len(names)+1 {
			t.Fatalf("%d fields for %d names", len(m)-1, len(names))
		}
		for i, name := range names {
			quoted, plain := fmt.Sprintf("%q:%q", name, m[i+1]), fmt.Sprintf("%q:%s", name, m[i+1])
			if !strings.Contains(string(asJSON), quoted) && !strings.Contains(string(asJSON), plain) {
				t.Errorf("the JSON lacks %s: %s", quoted, asJSON)
			}
		}
		return
	}
	t.Error("no decoder flowhound-hit")
}
