package ingest

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

// Lengths in bytes to which free text of feeds is cut.
const (
	MaxName = 256
	MaxTags = 512
	MaxRef  = 512
)

// Text makes free text of a feed fit for a line: white space and control
// characters become single blanks, what is not UTF-8 or does not print goes, and
// at most limit bytes stay.
func Text(s string, limit int) string {
	if plain(s) && len(s) <= limit {
		return strings.TrimSpace(s)
	}
	var b strings.Builder
	blank := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			blank = b.Len() > 0
			continue
		case r == utf8.RuneError || !unicode.IsPrint(r):
			continue
		}
		if blank && b.Len()+1 <= limit {
			b.WriteByte(' ')
		}
		blank = false
		if b.Len()+utf8.RuneLen(r) > limit {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// plain reports whether s is ASCII that prints, without two blanks in a row.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == ' ' && i > 0 && s[i-1] == ' ' {
			return false
		}
	}
	return true
}

// Link returns s when it is an http or https URL that fits a line, else "".
func Link(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > MaxRef || !plain(s) || strings.ContainsAny(s, ` "`) {
		return ""
	}
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
		return ""
	}
	return s
}

// When reads a time as feeds write it: RFC 3339, the same with a blank or
// without an offset (then UTC), or a date alone. What it cannot read is the zero
// time.
func When(s string) time.Time {
	s = strings.TrimSuffix(strings.TrimSpace(s), " UTC")
	layout := time.RFC3339
	switch {
	case len(s) == len(time.DateOnly):
		layout = time.DateOnly
	case len(s) < len(time.DateTime):
		return time.Time{}
	case s[10] == ' ':
		layout = time.DateTime
	case !strings.ContainsAny(s[19:], "Z+-"):
		layout = "2006-01-02T15:04:05"
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// Category reads a feed's word for a category: one of ours, or one that feeds
// use for it (OTX roles, abuse.ch threat types, common tags).
func Category(word string) (intel.Category, bool) {
	word = strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(word)))
	switch word {
	case "c2", "c&c", "cnc", "c2_server", "command_and_control", "command_&_control", "botnet_cc", "botnet_c2",
		"cobalt_strike", "cobaltstrike":
		return intel.C2, true
	case "malware", "malware_hosting", "malware_download", "malware_distribution", "payload", "payload_delivery", "trojan", "rat",
		"ransomware", "backdoor", "worm", "stealer", "infostealer", "loader", "dropper", "exploit_kit", "exploit_source":
		return intel.Malware, true
	case "botnet", "bot", "mirai", "zombie":
		return intel.Botnet, true
	case "phishing", "phish", "spearphishing", "credential_harvesting":
		return intel.Phishing, true
	case "scanner", "scan", "scanning", "scanning_host", "port_scan", "portscan", "web_attack", "recon", "reconnaissance":
		return intel.Scanner, true
	case "bruteforce", "brute_force", "brute_forcing", "ssh_bruteforce", "ssh_brute_force", "credential_stuffing":
		return intel.Bruteforce, true
	case "spam", "spammer", "delivery_email", "malspam":
		return intel.Spam, true
	case "anonymizer", "tor", "tor_exit", "tor_exit_node", "vpn", "proxy", "open_proxy":
		return intel.Anonymizer, true
	case "ddos", "dos", "ddos_source", "amplification":
		return intel.DDoS, true
	case "policy":
		return intel.Policy, true
	case "other":
		return intel.Other, true
	}
	return intel.Other, false
}
