package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
)

func TestLookup(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"bad.txt":        "198.51.100.0/24\n203.0.113.9\nbad.example\ngood.example\nhttp://198.51.100.53/x\n",
		"allow.txt":      "198.51.100.53 # our resolver\ngood.example\n.fine.bad.example\n192.0.2.1\n",
		"flowhound.yaml": "feeds: [{name: ours, type: list, path: bad.txt}]\nallow: [allow.txt]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const (
		byList  = ": allowed by DIR/allow.txt: "
		without = " (allowed: does not match)"
	)
	for query, tt := range map[string]struct {
		says   []string // one for each line that is not indented
		status int
	}{
		"203.0.113.9":  {[]string{": 203.0.113.9 in feed ours, category other, score 60"}, exitFine},
		"198.51.100.1": {[]string{": 198.51.100.0/24 in feed ours, category other, score 60"}, exitFine},
		"198.51.100.53": {[]string{
			byList + "198.51.100.53, our resolver",
			": 198.51.100.0/24 in feed ours, category other, score 60" + without,
			": http://198.51.100.53/x in feed ours, category other, score 60" + without,
		}, exitNoMatch},
		"192.0.2.1":          {[]string{byList + "192.0.2.1"}, exitNoMatch},
		"192.0.2.2":          {[]string{": no indicator covers it"}, exitNoMatch},
		"x.bad.example":      {[]string{": bad.example in feed ours, category other, score 60"}, exitFine},
		"GOOD.example":       {[]string{byList + "good.example", ": good.example in feed ours, category other, score 60" + without}, exitNoMatch},
		"x.good.example":     {[]string{byList + "good.example", ": good.example in feed ours, category other, score 60" + without}, exitNoMatch},
		"x.fine.bad.example": {[]string{byList + ".fine.bad.example", ": bad.example in feed ours, category other, score 60" + without}, exitNoMatch},
	} {
		out, said, status := flowhound(t, "lookup", "-c", filepath.Join(dir, "flowhound.yaml"), query)
		var got []string
		for line := range strings.Lines(strings.ReplaceAll(out, dir, "DIR")) {
			if !strings.HasPrefix(line, " ") {
				got = append(got, strings.TrimSpace(strings.TrimPrefix(line, query)))
			}
		}
		if _, err := netip.ParseAddr(query); err == nil {
			tt.says = append(tt.says, ": country unknown")
		}
		want := strings.TrimSpace(strings.Join(tt.says, "\n"))
		if strings.Join(got, "\n") != want || status != tt.status {
			t.Errorf("%s: status %d, want %d, %q\n%s\nwant\n%s", query, status, tt.status, said, strings.Join(got, "\n"), want)
		}
	}

	out, _, status := flowhound(t, "lookup", "-c", filepath.Join(dir, "flowhound.yaml"), "--json", "198.51.100.53")
	out = strings.ReplaceAll(out, dir, "DIR")
	for _, want := range []string{
		`{"query":"198.51.100.53","ioc":"198.51.100.53","allowed_by":"DIR/allow.txt","reason":"our resolver"}`,
		`"ioc":"198.51.100.0/24","feed":"ours"`, `"allowed":true}`,
	} {
		if !strings.Contains(out, want) || status != exitNoMatch {
			t.Errorf("status %d, no %s in\n%s", status, want, out)
		}
	}
}

func TestLookupTellsAge(t *testing.T) {
	now := time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC)
	seen, ends := now.AddDate(0, 0, -4), now.AddDate(0, 0, 20)
	a := answer{now: now}
	for want, i := range map[string]intel.Indicator{
		"60 at first, 56 now, last seen 4 days ago; it falls to 0 by 2026-06-30T00:00:00Z unless it is seen again": {LastSeen: seen},
		"60 at first, 56 now, last seen 4 days ago":                                                                {LastSeen: seen, Expires: ends},
		"60 at first, 56 now; if the feed cannot be fetched any more, it falls to 0 by 2026-06-30T00:00:00Z":       {},
	} {
		s := intel.Sighting{Indicator: i, Base: 60, Seen: seen, Ends: ends, Lifetime: 24 * 24 * time.Hour}
		s.Score = 56
		if got := a.age(&cover{Sighting: s}); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
