package rules_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// bindEntry is one line of BIND's and the rule that has to fire.
type bindEntry struct {
	rule   int
	line   string
	client string // the srcip of the answer; "" for none
	but    string // what the one engine cannot know of it: "ossec client", "wazuh client", "ossec line"
}

// want returns the rule and the client that an engine has to find.
func (b bindEntry) want(e *engine) (rule int, client string) {
	switch b.but {
	case e.name + " client":
		return b.rule, ""
	case e.name + " line": // a stock decoder takes it for another program's
		return 0, ""
	}
	return b.rule, b.client
}

// The heads that BIND 9.18 and a syslog daemon give a line.
const (
	ownFile  = "24-Nov-2026 03:53:14.989 "
	isoTime  = "2026-11-24T03:53:14.989 "
	zoneTime = "2026-11-24T03:53:14.989+01:00 "
	viaRPZ   = ownFile + "rpz: info: "          // print-category and print-severity
	viaPass  = ownFile + "rpz-passthru: info: " // BIND's category for PASSTHRU
	viaLocal = "Nov 24 03:53:14 ns1 named[123]: "
)

// printed is what print-category and print-severity put before BIND's words.
var printed = []string{"", "rpz: info: ", "rpz: ", "info: ", "rpz-passthru: info: ", "rpz-passthru: "}

// The times of BIND's own files (print-time no, local, iso8601, iso8601-utc and
// BIND 9.20's iso8601-tzinfo), and the usual heads of a syslog daemon.
var (
	ownTimes = []string{"", ownFile, isoTime, "2026-11-24T03:53:14.989Z ", zoneTime}
	syslogs  = []string{
		viaLocal, "Nov  4 03:53:14 ns1 named: ", "2026-11-24T03:53:14+01:00 ns1 named[123]: ", "2026-11-24T03:53:14.989123+01:00 ns1 named[123]: ",
		"2026 Nov 24 03:53:14 ns1 named[123]: ", viaLocal + ownFile, viaLocal + isoTime, "Nov 24 03:53:14 ns1 named-rpz: " + ownFile,
	}
)

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
		all = append(all, bindEntry{rule, head + rewrite(c, policy, "bad.example", zone) + more, c, ""})
	}
	all = append(all, bindHeads(client)...)
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
			all = append(all, bindEntry{rule, head + rewrite(c, k.policy, fmt.Sprintf("n%d.example", i), k.zone), c, ""})
		}
	}
	// Nine look-ups of listed names make nothing of an allowed one.
	c := client()
	for range 9 {
		all = append(all, bindEntry{100973, viaRPZ + rewrite(c, "NXDOMAIN", "bad.example", "rpz.flowhound"), c, ""})
	}
	return append(all, bindEntry{100976, viaRPZ + rewrite(c, "PASSTHRU", "good.example", "allow.rpz.flowhound"), c, ""})
}

// bindHeads are all heads that a line may have, with a client of IPv4, one of IPv6,
// and as BIND before 9.12 wrote a client. Where an engine takes a time for a syslog
// header of a fixed length it loses the client, or the line.
func bindHeads(client func() string) []bindEntry {
	var all []bindEntry
	for _, head := range slices.Concat(ownTimes, syslogs) {
		for _, p := range printed {
			v4, v6, old := client(), "2001:db8::"+fmt.Sprint(len(all)), client()
			but := ""
			switch {
			case strings.Contains(head, " named") && (p != "" || strings.Contains(head[10:], ".989 ")):
				but = "ossec client" // the stock decoder looks for it at the start alone
			case head == zoneTime && p == "info: ":
				but = "ossec line" // Dovecot's
			}
			all = append(all, bindEntry{100977, head + p + rewrite(v4, "NXDOMAIN", "bad.example", "c2.rpz.flowhound"), v4, but})
			if but == "" && p == "" && (head == isoTime || strings.HasSuffix(head, "Z ")) {
				but = "wazuh client" // its first group is the program's name
			}
			all = append(all, bindEntry{100977, head + p + rewrite(v6, "NXDOMAIN", "bad.example", "c2.rpz.flowhound"), v6, but})
			if strings.HasPrefix(head, "2026-11-24T03:53:14.989 ") || strings.HasPrefix(head, "2026-11-24T03:53:14.989Z") {
				continue // a time that BIND could not write yet
			}
			line := strings.Replace(head+p+rewrite(old, "NXDOMAIN", "bad.example", "c2.rpz.flowhound"), "client @0x7fa37446d098 ", "client ", 1)
			all = append(all, bindEntry{100977, line, old, but})
		}
	}
	return all
}

// bindForms are lines of other shapes, and lines that pose.
func bindForms() []bindEntry {
	body := func(client, between string) string {
		return "client @0x7fa37446d098 " + client + " (bad.example): " + between + "rpz QNAME NXDOMAIN rewrite bad.example/A/IN via bad.example.c2.rpz.flowhound"
	}
	odd := `\"x\;\$\@\032y\):\032rpz.allow.rpz.flowhound.example`
	return []bindEntry{
		{100977, viaRPZ + body("10.1.0.1#52005", "view internal: "), "10.1.0.1", ""},
		{100977, viaRPZ + body("10.1.0.2#40524/key some.key", ""), "10.1.0.2", ""},
		{100978, viaRPZ + body("10.1.0.3#40524/key some.key", "view internal: disabled "), "10.1.0.3", ""},
		{100978, viaLocal + body("10.1.0.4#40524", "disabled "), "10.1.0.4", ""},
		{100977, viaRPZ + body("2001:db8::4#52005", ""), "2001:db8::4", ""},
		{100977, viaLocal + body("2001:db8::5#52005", ""), "2001:db8::5", ""},
		{100977, viaLocal + body("fe80::1%eth0#52005", ""), "fe80::1%eth0", ""},
		{100977, viaRPZ + rewrite("10.1.0.6", "NXDOMAIN", odd, "c2.rpz.flowhound"), "10.1.0.6", ""},
		{100977, viaLocal + rewrite("10.1.0.7", "NXDOMAIN", odd, "c2.rpz.flowhound"), "10.1.0.7", ""},
		{100977, viaRPZ + "client @0x7fa3 10.1.0.8#5 (ip.example): rpz IP NXDOMAIN rewrite ip.example/A/IN via 32.7.100.51.198.rpz-ip.c2.rpz.flowhound", "10.1.0.8", ""},
		{100973, viaRPZ + "client @0x7fa3 10.1.0.9#5 (ip.example): rpz IP NXDOMAIN rewrite ip.example/AAAA/IN via 48.zz.bad.db8.2001.rpz-ip.rpz.flowhound", "10.1.0.9", ""},
		{100977, viaRPZ + rewrite("10.1.0.10", "NXDOMAIN", "BaD.eXaMpLe", "C2.rpz.Flowhound"), "10.1.0.10", ""},
		{100977, viaRPZ + rewrite("10.1.0.11", "NXDOMAIN", strings.Repeat(strings.Repeat("n", 60)+".", 3)+"example", "c2.rpz.flowhound"), "10.1.0.11", ""},
		// Names that end as a zone does, but are no zone.
		{100972, viaRPZ + rewrite("10.1.0.12", "NXDOMAIN", "x.c2.rpz.flowhound", "rpz.example"), "10.1.0.12", ""},
		{100972, viaRPZ + rewrite("10.1.0.13", "NXDOMAIN", "bad.example", "c2.rpz.flowhound.example"), "10.1.0.13", ""},
		// Another program that repeats BIND's words, BIND about other things, and nobody's line.
		{0, "some text: " + body("10.1.0.14#52005", ""), "10.1.0.14", ""},
		{0, "Nov 24 03:53:14 ns1 sshd[123]: " + body("10.1.0.17#52005", ""), "", ""},
		{0, "Nov 24 03:53:14 ns1 sshd[123]: Failed password for client @0x1 10.1.0.18#5 (bad.example): rpz QNAME NXDOMAIN rewrite a/A/IN via a.c2.rpz.flowhound", "", ""},
		{12108, viaLocal + "client @0x7fa3 10.1.0.15#5 (bad.example): query (cache) 'bad.example/A/IN' denied", "10.1.0.15", "wazuh client"},
		{0, viaRPZ + "client @0x7fa3 10.1.0.16#5 (bad.example): query: bad.example IN A +E(0)K (127.0.0.1)", "", ""},
		{0, ownFile + "rpz: c2.rpz.flowhound: reload done: success", "", ""},
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
// zone; the engine found the client in it and, where its decoder is ours, all else.
func TestBindAnswers(t *testing.T) {
	for _, e := range bind.engines {
		t.Run(e.name, func(t *testing.T) { checkBind(t, e) })
	}
}

// rpzNames are the fields of a line's parts: trigger, policy, query, entry.
var rpzNames = map[string][4]string{
	"ossec": {"status", "action", "url", "extra_data"},
	"wazuh": {"rpz.trigger", "rpz.action", "rpz.query", "rpz.via"},
}

func checkBind(t *testing.T, e *engine) {
	fired := map[string]bool{}
	answers := bind.recorded(t, e)
	level := map[string]string{"0": "0"}
	ours := parse(t, e.ours[3].content)
	for _, r := range ours {
		level[fmt.Sprint(r.ID)] = fmt.Sprint(r.Level)
	}
	for i, b := range bindEntries() {
		a := strings.Split(answers[i], "\t")
		fired[a[0]] = true
		rule, client := b.want(e)
		if want, known := level[a[0]]; known && a[1] != want || rule != 0 && a[0] != fmt.Sprint(rule) || rule == 0 && known && a[0] != "0" {
			t.Errorf("rule %s of level %s, want %d of level %s: %s", a[0], a[1], rule, want, b.line)
		}
		if got := "srcip=" + client; client != "" && !slices.Contains(a, got) {
			t.Errorf("%s is not decoded: %q\n%s", got, a, b.line)
		}
		if client == "" && slices.ContainsFunc(a, func(f string) bool { return strings.HasPrefix(f, "srcip=") }) {
			t.Errorf("a client that is none: %q\n%s", a, b.line)
		}
		m := rpzBody.FindStringSubmatch(b.line)
		if m == nil || !strings.Contains(answers[i], "decoder=flowhound-") {
			continue
		}
		for k, name := range rpzNames[e.name] {
			if !slices.Contains(a, name+"="+m[k+1]) {
				t.Errorf("%s=%s is not decoded: %q", name, m[k+1], a)
			}
		}
	}
	for _, r := range ours {
		if id := fmt.Sprint(r.ID); !fired[id] && r.ID != 100989 {
			t.Errorf("no line makes rule %s fire", id)
		}
	}
}

// TestNamedAnswers: a real named's own lines reach the rule of their zone, and
// the engine found the client.
func TestNamedAnswers(t *testing.T) {
	rule := map[string]string{"allow": "100976", "c2": "100977", "malware": "100977", "botnet": "100977", "phishing": "100979", "policy": "100985"}
	zone := regexp.MustCompile(`\.(\w+)\.rpz\.flowhound$`)
	for _, e := range named.engines {
		answers := named.recorded(t, e)
		for i, line := range named.readLines(t) {
			m := zone.FindStringSubmatch(line)
			if m == nil || !strings.HasPrefix(answers[i], rule[m[1]]+"\t") || !strings.Contains(answers[i], "\tsrcip=") {
				t.Errorf("%s\n%s", line, answers[i])
			}
		}
	}
}
