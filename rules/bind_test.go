package rules_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/flowhound/flowhound/rules"
)

// bindEntry is one line of BIND's and the rule that has to fire.
type bindEntry struct {
	rule   int
	line   string
	client string // the srcip of the answer; "" for none
}

// The heads that BIND 9.18 and a syslog daemon give a line.
const (
	ownFile  = "24-Nov-2026 03:53:14.989 "
	viaRPZ   = ownFile + "rpz: info: "          // print-category and print-severity
	viaPass  = ownFile + "rpz-passthru: info: " // BIND's category for PASSTHRU
	viaLocal = "Nov 24 03:53:14 ns1 named[123]: "
)

// ownHeads are the heads of BIND's own files: the three forms of time
// of BIND 9.18 with no category and severity, both, and either.
func ownHeads() []string {
	var all []string
	for _, time := range []string{"24-Nov-2026 03:53:14.989 ", "2026-11-24T03:53:14.989 ", "2026-11-24T03:53:14.989Z "} {
		for _, printed := range []string{"", "rpz: info: ", "rpz: ", "info: ", "rpz-passthru: info: "} {
			all = append(all, time+printed)
		}
	}
	return all
}

// syslogHeads are those of a syslog daemon, in both of its usual forms of time.
func syslogHeads() []string {
	return []string{viaLocal, "Nov  4 03:53:14 ns1 named: ", "2026-11-24T03:53:14+01:00 ns1 named[123]: ", "2026-11-24T03:53:14.989123+01:00 ns1 named[123]: "}
}

// rewrite is the line's body for a client's query of type A.
func rewrite(client, policy, name, zone string) string {
	return fmt.Sprintf("client @0x7fa37446d098 %s#52005 (%s): rpz QNAME %s rewrite %s/A/IN via %s.%s", client, name, policy, name, name, zone)
}

// bindEntries returns all lines in their order, which matters: rules about
// clients that keep asking remember what came before. Every other line has a
// client of its own.
func bindEntries() []bindEntry {
	var all []bindEntry
	n := 0
	client := func() string { n++; return fmt.Sprintf("10.0.%d.%d", n>>8, n&255) }
	add := func(rule int, head, policy, zone, more string) {
		c := client()
		all = append(all, bindEntry{rule, head + rewrite(c, policy, "bad.example", zone) + more, c})
	}
	for _, head := range slices.Concat(ownHeads(), syslogHeads()) {
		add(100977, head, "NXDOMAIN", "c2.rpz.flowhound", "")
	}
	for _, z := range []struct {
		zone              string
		blocked, answered int
	}{
		{"rpz.flowhound", 100973, 100974}, {"later.rpz.flowhound", 100973, 100974}, {"allow.rpz.flowhound", 100975, 100976},
		{"c2.rpz.flowhound", 100977, 100978}, {"malware.rpz.flowhound", 100977, 100978}, {"botnet.rpz.flowhound", 100977, 100978},
		{"phishing.rpz.flowhound", 100979, 100980}, {"scanner.rpz.flowhound", 100981, 100982}, {"bruteforce.rpz.flowhound", 100981, 100982},
		{"ddos.rpz.flowhound", 100981, 100982}, {"anonymizer.rpz.flowhound", 100983, 100984}, {"spam.rpz.flowhound", 100985, 100986},
		{"policy.rpz.flowhound", 100985, 100986}, {"other.rpz.flowhound", 100985, 100986}, {"rpz.corp.example", 100972, 100971},
	} {
		for _, policy := range []string{"NXDOMAIN", "NODATA", "DROP", "Local-Data"} {
			add(z.blocked, viaRPZ, policy, z.zone, "")
		}
		add(z.blocked, viaRPZ, "CNAME", z.zone, " (CNAME to: walled.example)")
		add(z.answered, viaPass, "PASSTHRU", z.zone, "")
		add(z.answered, viaRPZ, "TCP-ONLY", z.zone, "")
		syslog := z.answered
		if syslog == 100971 {
			syslog = 100970
		}
		add(z.blocked, viaLocal, "NXDOMAIN", z.zone, "")
		add(syslog, viaLocal, "PASSTHRU", z.zone, "")
	}
	all = append(all, bindForms()...)
	for _, k := range []struct {
		first, last  int
		policy, zone string
	}{
		{100977, 100990, "NXDOMAIN", "c2.rpz.flowhound"}, {100978, 100991, "PASSTHRU", "c2.rpz.flowhound"},
		{100979, 100992, "NODATA", "phishing.rpz.flowhound"}, {100973, 100993, "NXDOMAIN", "rpz.flowhound"},
	} {
		c := client()
		for i := range 10 {
			head, rule := viaRPZ, k.first
			if i%2 == 0 {
				head = viaLocal // both forms count as one
			}
			if i == 9 {
				rule = k.last
			}
			all = append(all, bindEntry{rule, head + rewrite(c, k.policy, fmt.Sprintf("n%d.example", i), k.zone), c})
		}
	}
	// Nine look-ups of listed names make nothing of an allowed one.
	c := client()
	for range 9 {
		all = append(all, bindEntry{100973, viaRPZ + rewrite(c, "NXDOMAIN", "bad.example", "rpz.flowhound"), c})
	}
	return append(all, bindEntry{100976, viaRPZ + rewrite(c, "PASSTHRU", "good.example", "allow.rpz.flowhound"), c})
}

// bindForms are lines of other shapes, and lines that pose.
func bindForms() []bindEntry {
	body := func(client, between string) string {
		return "client @0x7fa37446d098 " + client + " (bad.example): " + between + "rpz QNAME NXDOMAIN rewrite bad.example/A/IN via bad.example.c2.rpz.flowhound"
	}
	odd := `\"x\;\$\@\032y\):\032rpz.allow.rpz.flowhound.example`
	return []bindEntry{
		{100977, viaRPZ + body("10.1.0.1#52005", "view internal: "), "10.1.0.1"},
		{100977, viaRPZ + body("10.1.0.2#40524/key some.key", ""), "10.1.0.2"},
		{100978, viaRPZ + body("10.1.0.3#40524/key some.key", "view internal: disabled "), "10.1.0.3"},
		{100978, viaLocal + body("10.1.0.4#40524", "disabled "), "10.1.0.4"},
		{100977, viaRPZ + body("2001:db8::4#52005", ""), "2001:db8::4"},
		{100977, viaLocal + body("2001:db8::5#52005", ""), "2001:db8::5"},
		{100977, "2026-11-24T03:53:14.989 " + body("2001:db8::6#52005", ""), "2001:db8::6"},
		// OSSEC's own decoder finds no client behind a category in syslog.
		{100977, viaLocal + "rpz: info: " + body("10.1.0.5#52005", ""), ""},
		{100977, viaRPZ + rewrite("10.1.0.6", "NXDOMAIN", odd, "c2.rpz.flowhound"), "10.1.0.6"},
		{100977, viaLocal + rewrite("10.1.0.7", "NXDOMAIN", odd, "c2.rpz.flowhound"), "10.1.0.7"},
		{100977, viaRPZ + "client @0x7fa3 10.1.0.8#5 (ip.example): rpz IP NXDOMAIN rewrite ip.example/A/IN via 32.7.100.51.198.rpz-ip.c2.rpz.flowhound", "10.1.0.8"},
		{100973, viaRPZ + "client @0x7fa3 10.1.0.9#5 (ip.example): rpz IP NXDOMAIN rewrite ip.example/AAAA/IN via 48.zz.bad.db8.2001.rpz-ip.rpz.flowhound", "10.1.0.9"},
		{100977, viaRPZ + rewrite("10.1.0.10", "NXDOMAIN", "BaD.eXaMpLe", "C2.rpz.Flowhound"), "10.1.0.10"},
		{100977, viaRPZ + rewrite("10.1.0.11", "NXDOMAIN", strings.Repeat(strings.Repeat("n", 60)+".", 3)+"example", "c2.rpz.flowhound"), "10.1.0.11"},
		// Names that end as a zone does, but are no zone.
		{100972, viaRPZ + rewrite("10.1.0.12", "NXDOMAIN", "x.c2.rpz.flowhound", "rpz.example"), "10.1.0.12"},
		{100972, viaRPZ + rewrite("10.1.0.13", "NXDOMAIN", "bad.example", "c2.rpz.flowhound.example"), "10.1.0.13"},
		// Another program that repeats BIND's words, BIND about other things, and nobody's line.
		{0, "some text: " + body("10.1.0.14#52005", ""), "10.1.0.14"},
		{12108, viaLocal + "client @0x7fa3 10.1.0.15#5 (bad.example): query (cache) 'bad.example/A/IN' denied", "10.1.0.15"},
		{0, viaRPZ + "client @0x7fa3 10.1.0.16#5 (bad.example): query: bad.example IN A +E(0)K (127.0.0.1)", ""},
		{0, ownFile + "rpz: c2.rpz.flowhound: reload done: success", ""},
	}
}

func bindLines() []string {
	var lines []string
	for _, e := range bindEntries() {
		lines = append(lines, e.line)
	}
	return lines
}

var rpzBody = regexp.MustCompile(` rpz (\S+) (\S+) rewrite (\S+) via (\S+)`)

// TestBindAnswers: each line raised the rule that is meant, at the level of its
// zone; the engine found the client in it and, in files of BIND's own, all else.
func TestBindAnswers(t *testing.T) {
	fired := map[string]bool{}
	answers := bind.recorded(t, ossec)
	level := map[string]string{"0": "0"}
	for _, r := range parse(t, rules.OSSECBind) {
		level[fmt.Sprint(r.ID)] = fmt.Sprint(r.Level)
	}
	for i, e := range bindEntries() {
		a := strings.Split(answers[i], "\t")
		fired[a[0]] = true
		if want, ours := level[a[0]]; a[0] != fmt.Sprint(e.rule) || ours && a[1] != want {
			t.Errorf("rule %s of level %s, want %d of level %s: %s", a[0], a[1], e.rule, want, e.line)
		}
		if client := "srcip=" + e.client; e.client != "" && !slices.Contains(a, client) {
			t.Errorf("%s is not decoded: %q\n%s", client, a, e.line)
		}
		if m := rpzBody.FindStringSubmatch(e.line); m != nil && slices.Contains(a, "decoder=flowhound-bind") {
			want := []string{"srcip=" + e.client, "status=" + m[1], "action=" + m[2], "url=" + m[3], "extra_data=" + m[4], "decoder=flowhound-bind"}
			if !slices.Equal(a[2:], want) {
				t.Errorf("decoded %q, want %q\n%s", a[2:], want, e.line)
			}
		}
	}
	for _, r := range parse(t, rules.OSSECBind) {
		if !fired[fmt.Sprint(r.ID)] {
			t.Errorf("no line makes rule %d fire", r.ID)
		}
	}
}

// TestNamedAnswers: a real named's own lines reach the rule of their zone, and
// the engine found the client.
func TestNamedAnswers(t *testing.T) {
	rule := map[string]string{"allow": "100976", "c2": "100977", "malware": "100977", "botnet": "100977", "phishing": "100979", "policy": "100985"}
	zone := regexp.MustCompile(`\.(\w+)\.rpz\.flowhound$`)
	answers := named.recorded(t, ossec)
	for i, line := range named.readLines(t) {
		m := zone.FindStringSubmatch(line)
		if m == nil || !strings.HasPrefix(answers[i], rule[m[1]]+"\t") || !strings.Contains(answers[i], "\tsrcip=") {
			t.Errorf("%s\n%s", line, answers[i])
		}
	}
}
