package integrations_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/plugin/plugintest/peer"
)

// responder is the active response where the test's flowhound, log and sets are.
type responder struct {
	t                         *testing.T
	script, rules, log, state string
	words                     []string // that run in a network of their own
	nft                       string
	pause                     string // a command between two inputs
}

// newResponder lists, beside configure's addresses, a network, an address of a
// local network, one that an allow list takes away and one that is muted.
func newResponder(t *testing.T) *responder {
	t.Helper()
	peer.Path(t, "jq", "jq")
	r := &responder{t: t, nft: peer.Path(t, "nft", "nftables"), words: ownNetwork(t)}
	dir := t.TempDir()
	write := func(name, content string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	allow := write("allow.txt", "203.0.113.9 # the mail provider\n")
	more := write("more.txt", "203.0.113.9\n203.0.113.10\n192.168.7.7\n203.0.113.64/26\n2001:db8:bad::9\n")
	config := configure(t, "  - {name: more, type: list, path: "+more+", category: c2, confidence: 90}\nallow: ["+allow+"]\n"+
		"mute: [{ioc: 203.0.113.10, until: 2999-01-01, why: known}]\n")
	r.log = filepath.Join(dir, "active-responses.log")
	r.state = filepath.Join(dir, "ruleset.nft")
	r.rules = place(t, dir, "wazuh/block.nft")
	r.script = place(t, dir, "wazuh/flowhound-block", "/usr/local/bin/flowhound", flowhound(t), "/etc/flowhound/flowhound.yaml", config,
		"/var/ossec/logs/active-responses.log", r.log)
	return r
}

// alert is what Wazuh's execd writes, with some fields of the alert's data changed.
func alert(t *testing.T, command string, data map[string]any) string {
	t.Helper()
	all := map[string]any{
		"kind": "new", "sev": "critical", "dir": "outbound", "state": "established", "cat": "c2", "feed": "c2", "ioc": "198.51.100.7", "score": "90",
		"srcip": "10.1.2.3", "sport": "51234", "dstip": "198.51.100.7", "dport": "443", "proto": "tcp", "id": "7k3m9q2v8w1xz-1", "name": "C2",
	}
	for k, v := range data {
		all[k] = v
	}
	b, err := json.Marshal(map[string]any{
		"version": 1, "origin": map[string]any{"name": "node01", "module": "wazuh-execd"}, "command": command,
		"parameters": map[string]any{"extra_args": []string{}, "program": "active-response/bin/flowhound-block", "alert": map[string]any{
			"timestamp": "2026-06-07T12:38:21.104+0200", "id": "1780828701.4711", "location": "/var/log/flowhound/alerts.log",
			"rule":  map[string]any{"level": 14, "id": "100891", "firedtimes": 1, "groups": []string{"flowhound", "flowhound_block"}},
			"agent": map[string]any{"id": "001", "name": "gw"}, "manager": map[string]any{"name": "wazuh"},
			"decoder": map[string]any{"name": "flowhound"}, "data": all,
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

const (
	goOn = `{"version":1,"origin":{"name":"","module":"wazuh-execd"},"command":"continue","parameters":{}}` + "\n"
	stop = `{"version":1,"origin":{"name":"","module":"wazuh-execd"},"command":"abort","parameters":{}}` + "\n"
)

// run gives the script each of some inputs, one after the other in one network
// where block.nft is loaded twice, and returns what it said to Wazuh, what it
// logged, and the table as it was then.
func (r *responder) run(inputs ...string) (said, logged, table string) {
	r.t.Helper()
	_ = os.Remove(r.log)
	script := r.nft + " -f " + r.rules + " && " + r.nft + " -f " + r.rules
	for i, in := range inputs {
		if i > 0 && r.pause != "" {
			script += " && " + r.pause
		}
		name := filepath.Join(r.t.TempDir(), "input")
		if err := os.WriteFile(name, []byte(in), 0o644); err != nil {
			r.t.Fatal(err)
		}
		script += " && { sh " + r.script + " add <" + name + " || true; }"
	}
	script += " && " + r.nft + " -f " + r.rules + " && " + r.nft + " list table inet flowhound_block >" + r.state
	said = succeed(r.t, r.words[0], append(r.words[1:], "sh", "-c", script)...)
	b, err := os.ReadFile(r.state)
	if err != nil {
		r.t.Fatal(err)
	}
	l, err := os.ReadFile(r.log)
	if err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	return said, string(l), string(b)
}

func TestActiveResponseBlocks(t *testing.T) {
	t.Parallel()
	r := newResponder(t)
	succeed(t, peer.Path(t, "shellcheck", "shellcheck"), "-s", "sh", r.script)

	v6 := map[string]any{"ioc": "2001:db8:bad::9", "dstip": "2001:db8:bad::9"}
	said, logged, table := r.run(alert(t, "add", nil)+goOn, alert(t, "add", v6)+goOn)
	if said != "" {
		t.Errorf("Wazuh hears %q, and would end the block when it restarts", said)
	}
	for _, address := range []string{"198.51.100.7", "2001:db8:bad::9"} {
		if !strings.Contains(table, address+" expires ") || !strings.Contains(logged, address+" is blocked for a day\n") {
			t.Errorf("%s is not blocked for a time:\n%s\n%s", address, table, logged)
		}
	}
	if n := strings.Count(table, "ip daddr @block4"); n != 2 { // forward and output
		t.Errorf("the rule is there %d times, not twice:\n%s", n, table)
	}

	// What Wazuh says when it stops, and alerts that follow the first.
	repeat := map[string]any{"kind": "repeat"}
	for name, inputs := range map[string][]string{
		"Wazuh restarts":        {alert(t, "add", nil), alert(t, "delete", nil)},
		"again":                 {alert(t, "add", nil), alert(t, "add", nil)},
		"a repeat alone":        {alert(t, "add", repeat)},
		"after Wazuh's restart": {alert(t, "add", nil), alert(t, "delete", nil), alert(t, "add", repeat)},
		"an answer of execd's":  {alert(t, "add", nil) + stop},
	} {
		if _, logged, table := r.run(inputs...); !strings.Contains(table, "198.51.100.7 expires ") {
			t.Errorf("%s: it is not blocked:\n%s\n%s", name, table, logged)
		}
	}
	if _, logged, table := r.run(alert(t, "delete", nil)); strings.Contains(table, "elements") || logged != "" {
		t.Errorf("a delete does something:\n%s\n%s", table, logged)
	}
}

// TestActiveResponseRenews: an alert on an address that is blocked gives it its
// whole day again.
func TestActiveResponseRenews(t *testing.T) {
	t.Parallel()
	r := newResponder(t)
	element := " element inet flowhound_block block4 { 198.51.100.7"
	r.pause = r.nft + " delete" + element + " } && " + r.nft + " add" + element + " timeout 1d expires 1h }" // 23 hours pass
	for name, tt := range map[string]struct {
		inputs []string
		left   string
	}{
		"renewed":     {[]string{alert(t, "add", nil), alert(t, "add", nil)}, "198.51.100.7 expires 23h"},
		"not renewed": {[]string{alert(t, "add", nil), alert(t, "delete", nil)}, "198.51.100.7 expires 59m"},
	} {
		if _, logged, table := r.run(tt.inputs...); !strings.Contains(table, tt.left) {
			t.Errorf("%s:\n%s\n%s", name, table, logged)
		}
	}
}

// TestActiveResponseRefuses: what flowhound does not list by itself stays open,
// whatever an alert says; and nothing in an alert is run.
func TestActiveResponseRefuses(t *testing.T) {
	t.Parallel()
	r := newResponder(t)
	canary := filepath.Join(t.TempDir(), "canary")
	to := func(address any) map[string]any { return map[string]any{"ioc": address, "dstip": address} }
	for name, tt := range map[string]struct {
		input, why string
	}{
		"allowed":           {alert(t, "add", to("203.0.113.9")) + goOn, "203.0.113.9 is not listed, or allowed"},
		"muted":             {alert(t, "add", to("203.0.113.10")) + goOn, "203.0.113.10 is muted"},
		"not listed":        {alert(t, "add", to("203.0.113.200")) + goOn, "203.0.113.200 is not listed, or allowed"},
		"in a network":      {alert(t, "add", to("203.0.113.70")) + goOn, "203.0.113.70 is listed as part of a network only"},
		"a network":         {alert(t, "add", to("203.0.113.64/26")) + goOn, "not of a critical outbound hit on a single address"},
		"a local address":   {alert(t, "add", to("192.168.7.7")) + goOn, "192.168.7.7 is not an address of the Internet"},
		"another target":    {alert(t, "add", map[string]any{"dstip": "203.0.113.200"}) + goOn, "single address"},
		"inbound":           {alert(t, "add", map[string]any{"dir": "inbound"}) + goOn, "critical outbound hit"},
		"high":              {alert(t, "add", map[string]any{"sev": "high"}) + goOn, "critical outbound hit"},
		"another command":   {alert(t, "enable", nil) + goOn, "critical outbound hit"},
		"a name":            {alert(t, "add", to("c2.example")) + goOn, "single address"},
		"a name of hex":     {alert(t, "add", to("dead.beef")) + goOn, "single address"},
		"a number":          {alert(t, "add", to(3325256711)) + goOn, "single address"},
		"octal":             {alert(t, "add", to("0306.063.0144.07")) + goOn, "single address"},
		"a command":         {alert(t, "add", to("198.51.100.7; touch "+canary)) + goOn, "single address"},
		"a substitution":    {alert(t, "add", to("$(touch "+canary+")")) + goOn, "single address"},
		"two lines":         {alert(t, "add", to("198.51.100.7\ntouch "+canary)) + goOn, "single address"},
		"another line":      {alert(t, "add", to("198.51.100.7\n")) + goOn, "single address"},
		"nft":               {alert(t, "add", to("198.51.100.7 }; flush ruleset; #")) + goOn, "single address"},
		"an option":         {alert(t, "add", to("--config=/etc/passwd")) + goOn, "single address"},
		"an object":         {alert(t, "add", to(map[string]any{"a": 1})) + goOn, "single address"},
		"not JSON":          {"add - 198.51.100.7 $(touch " + canary + ")\n", "single address"},
		"no alert":          {`{"version":1,"command":"add","parameters":{}}` + "\n", "single address"},
		"nothing":           {"", "no message"},
		"delete of nothing": {alert(t, "delete", to("203.0.113.200")), ""},
	} {
		_, logged, table := r.run(tt.input)
		if strings.Contains(table, "elements") || !strings.Contains(table, "@block4") {
			t.Errorf("%s: something is blocked, or the rules are gone:\n%s", name, table)
		}
		if tt.why == "" && logged != "" || !strings.Contains(logged, tt.why) || strings.Count(logged, "\n") > 1 {
			t.Errorf("%s: logged %q, not one line with %q", name, logged, tt.why)
		}
	}
	if _, err := os.Stat(canary); err == nil {
		t.Error("a command of an alert was run")
	}
}

// TestActiveResponseRules: what may block are the rules of block_rules.xml,
// which alone lack no_ar, and no other.
func TestActiveResponseRules(t *testing.T) {
	t.Parallel()
	rules, config := read(t, "wazuh/block_rules.xml"), read(t, "wazuh/active-response.xml")
	if n := strings.Count(rules, "<rule id="); n != 3 || strings.Contains(rules, "<options>") {
		t.Errorf("%d rules, or options that keep an active response away", n)
	}
	if !strings.Contains(config, "<rules_id>100891,100892,100893</rules_id>") || strings.Contains(config, "<level>") || strings.Contains(config, "<rules_group>") || strings.Contains(config, "<timeout>") {
		t.Error("the active response acts on other rules")
	}
	for _, id := range []string{"100891", "100892", "100893"} {
		if !strings.Contains(rules, `<rule id="`+id+`"`) {
			t.Errorf("there is no rule %s", id)
		}
	}
	shipped, err := os.ReadFile("../rules/wazuh/flowhound_rules.xml")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"100903", "100905", "100907", "100920"} { // the parents
		if !strings.Contains(rules, id) || !strings.Contains(string(shipped), `<rule id="`+id+`" level="14"`) {
			t.Errorf("rule %s is no critical parent", id)
		}
	}
}
