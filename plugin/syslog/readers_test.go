package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// splitEscaped splits s at sep where no backslash stands before it, and takes the
// backslashes away when n parts are found.
func splitEscaped(s string, sep byte, n int) (parts []string, rest string) {
	var part strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			part.WriteByte(s[i])
		case s[i] == sep:
			if parts = append(parts, part.String()); len(parts) == n {
				return parts, s[i+1:]
			}
			part.Reset()
		default:
			part.WriteByte(s[i])
		}
	}
	return append(parts, part.String()), ""
}

var cefKey = regexp.MustCompile(`(?:^| )([A-Za-z0-9]+)=`)

// cefKeys are the keys of the specification's dictionary that are used.
var cefKeys = strings.Fields("rt src c6a2 c6a2Label dst c6a3 c6a3Label spt dpt proto cnt act cat externalId deviceExternalId deviceDirection cs1 cs1Label cs2 cs2Label cn1 cn1Label " +
	"in out cs3 cs3Label cs4 cs4Label cs5 cs5Label cn2 cn2Label cn3 cn3Label start end flexString1 flexString1Label dvc c6a1 c6a1Label sourceTranslatedAddress destinationTranslatedAddress cs6 cs6Label msg")

// readCEF takes a CEF message apart as its specification says, strictly: seven
// header fields, then keys that are known and stand once, each at an unescaped
// equals sign.
func readCEF(t *testing.T, s string) (head []string, ext map[string]string) {
	t.Helper()
	head, rest := splitEscaped(s, '|', 7)
	if len(head) != 7 || head[0] != "CEF:0" || head[1] != "flowhound" || head[2] != "flowhound" || head[4] == "" || head[5] == "" {
		t.Fatalf("no CEF header: %q in %s", head, s)
	}
	ext = map[string]string{}
	at := cefKey.FindAllStringSubmatchIndex(rest, -1)
	if strings.Count(unescaped(rest), "=") != len(at) {
		t.Fatalf("an equals sign is not escaped: %s", rest)
	}
	for i, m := range at {
		end := len(rest)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		key := rest[m[2]:m[3]]
		if _, twice := ext[key]; twice || !slices.Contains(cefKeys, key) {
			t.Fatalf("key %q is unknown or stands twice: %s", key, rest)
		}
		value, _ := splitEscaped(rest[m[1]:end], 0, 1)
		ext[key] = value[0]
	}
	for key := range ext {
		if label, ok := strings.CutSuffix(key, "Label"); ok && ext[label] == "" {
			t.Fatalf("%s without %s: %s", key, label, rest)
		}
	}
	return head, ext
}

// unescaped is s without every backslash and what it escapes.
func unescaped(s string) string {
	return regexp.MustCompile(`\\.`).ReplaceAllString(s, "")
}

// readLEEF takes a LEEF 2.0 message apart: five header fields, the delimiter, and
// attributes at it, each key once.
func readLEEF(t *testing.T, s string) (head []string, ext map[string]string) {
	t.Helper()
	parts := strings.SplitN(s, "|", 7)
	if len(parts) != 7 || parts[0] != "LEEF:2.0" || parts[4] == "" || parts[5] != "^" {
		t.Fatalf("no LEEF header: %s", s)
	}
	ext = map[string]string{}
	for attr := range strings.SplitSeq(parts[6], parts[5]) {
		key, value, ok := strings.Cut(attr, "=")
		if _, twice := ext[key]; !ok || twice || !regexp.MustCompile(`^[A-Za-z]+$`).MatchString(key) || value == "" {
			t.Fatalf("attribute %q of %s", attr, s)
		}
		ext[key] = value
	}
	return parts[:5], ext
}

var kvPair = regexp.MustCompile(`^([a-z_]+)=("(?:[^"\\]|\\["\\])*"|[!#-<>-\[\]-~]+)(?: |$)`)

// readKV takes logfmt apart.
func readKV(t *testing.T, s string) map[string]string {
	t.Helper()
	kv := map[string]string{}
	for rest := s; rest != ""; {
		m := kvPair.FindStringSubmatch(rest)
		if m == nil {
			t.Fatalf("no pair at %q in %s", rest, s)
		}
		if _, twice := kv[m[1]]; twice {
			t.Fatalf("key %q stands twice: %q", m[1], slices.Sorted(maps.Keys(kv)))
		}
		value := m[2]
		if value[0] == '"' {
			inner, _ := splitEscaped(value[1:len(value)-1], 0, 1)
			value = inner[0]
		}
		kv[m[1]] = value
		rest = rest[len(m[0]):]
	}
	return kv
}
