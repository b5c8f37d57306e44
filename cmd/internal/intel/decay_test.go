package intel

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"
)

const oneDay = 24 * time.Hour

// seen returns a's indicator with the dates that its feed gives, as days from now;
// no day is no date.
func seen(c Category, score uint8, last, expires float64) Indicator {
	days := func(n float64) time.Time {
		if math.IsNaN(n) {
			return time.Time{}
		}
		return now.Add(time.Duration(n * float64(oneDay)))
	}
	return Indicator{Prefix: netip.MustParsePrefix("198.51.100.7/32"), Category: c, Score: score, LastSeen: days(last), Expires: days(expires)}
}

func TestScoreDecays(t *testing.T) {
	none := math.NaN()
	named := func(i Indicator) Indicator { i.Prefix, i.Domain = netip.Prefix{}, "bad.example"; return i }
	for name, tt := range map[string]struct {
		i    Indicator
		want int // -1: over
	}{
		"seen now":                           {seen(Scanner, 60, 0, none), 60},
		"seen later than now":                {seen(Scanner, 60, 3, none), 60},
		"a scanner after half its time":      {seen(Scanner, 60, -7, none), 30},
		"a scanner after nearly all of it":   {seen(Scanner, 60, -13.99, none), 1},
		"a scanner after its time":           {seen(Scanner, 60, -14, none), -1},
		"a controller after that time":       {seen(C2, 90, -14, none), 90},
		"a controller after half its time":   {seen(C2, 90, -60, none), 81},
		"a controller after its time":        {seen(C2, 90, -120, none), -1},
		"a controller's name then":           {named(seen(C2, 90, -120, none)), 88},
		"malware after half its time":        {seen(Malware, 80, -45, none), 60},
		"a policy after ten years":           {seen(Policy, 70, -3650, none), 70},
		"no dates":                           {seen(Scanner, 60, none, none), 60},
		"an expiry that has come":            {seen(Policy, 70, none, 0), -1},
		"an expiry alone does not decay":     {seen(Scanner, 60, none, 0.01), 60},
		"an expiry beyond the lifetime":      {seen(Scanner, 60, -20, 20), 30},
		"an expiry before its end":           {seen(Scanner, 60, -1, 1), 30},
		"an expiry in a policy":              {seen(Policy, 70, -10, 10), 70},
		"an expiry before the last sighting": {seen(Scanner, 60, -1, -2), -1},
		"nothing is not over":                {seen(Scanner, 0, -1, none), 0},
	} {
		s := NewSet(block("f", tt.i))
		got := s.Lookup(netip.MustParseAddr("198.51.100.7"), now)
		if tt.i.Domain != "" {
			got = s.LookupDomain("bad.example", now)
		}
		switch {
		case tt.want < 0 && len(got) > 0, tt.want >= 0 && (len(got) != 1 || int(got[0].Score) != tt.want):
			t.Errorf("%s: %v, want %d", name, got, tt.want)
		}
		if over := !tt.i.Ends().IsZero() && !tt.i.Ends().After(now); over != (tt.want < 0) {
			t.Errorf("%s: ends at %v", name, tt.i.Ends())
		}
	}
}

// What a feed without dates names was seen when the feed was last asked.
func TestUndatedAgesWithItsFeed(t *testing.T) {
	b := block("f", seen(Scanner, 60, math.NaN(), math.NaN()))
	s := NewSet(b)
	score := func() (out []uint8) {
		for _, i := range s.Lookup(netip.MustParseAddr("198.51.100.7"), now) {
			out = append(out, i.Score)
		}
		return out
	}
	for _, tt := range []struct {
		confirmed time.Duration
		want      []uint8
	}{{0, []uint8{60}}, {7 * oneDay, []uint8{30}}, {14 * oneDay, nil}, {time.Hour, []uint8{60}}} {
		b.Confirm(now.Add(-tt.confirmed))
		if got := score(); !slices.Equal(got, tt.want) {
			t.Errorf("asked %v ago: %d, want %d", tt.confirmed, got, tt.want)
		}
	}
}

// What is over when a feed is loaded can be looked up and nothing else.
func TestExpiredIsKeptForPeople(t *testing.T) {
	b := NewBuilder("f")
	b.AsOf(now)
	live, dead, deadName := seen(C2, 90, 0, 10), seen(C2, 80, -20, -1), Indicator{Domain: "old.example", Score: 60, Expires: now}
	dead.Prefix = netip.MustParsePrefix("198.51.100.8/32")
	for _, i := range []Indicator{live, dead, deadName} {
		b.Add(&i)
	}
	s := NewSet(b.Block())
	if !contains(s, "198.51.100.7") || contains(s, "198.51.100.8") {
		t.Error("Contains does not tell the live from the expired")
	}
	if got := all(s, nil); len(got) != 1 || got[0].Prefix != live.Prefix {
		t.Errorf("All = %v", got)
	}
	if got := s.Feeds()[0]; got.Indicators != 1 || got.Expired != 2 || s.Len() != 1 {
		t.Errorf("%+v, Len %d", got, s.Len())
	}
	got := s.LookupAll(netip.MustParseAddr("198.51.100.8"), now)
	if len(got) != 1 || !got[0].Over || got[0].Base != 80 || got[0].Score != 0 || !got[0].Ends.Equal(now.Add(-oneDay)) {
		t.Errorf("LookupAll = %+v", got)
	}
	if got := s.LookupDomainAll("old.example", now); len(got) != 1 || !got[0].Over {
		t.Errorf("LookupDomainAll = %+v", got)
	}
}

func TestFeedsCombine(t *testing.T) {
	type says struct {
		feed      string
		category  Category
		score     uint8
		aggregate bool
	}
	for name, tt := range map[string]struct {
		say  []says
		want string // feed and combined, best first
	}{
		"one":                          {[]says{{"a", C2, 60, false}}, "a 60"},
		"two that are independent":     {[]says{{"a", C2, 60, false}, {"b", C2, 50, false}}, "a 80, b 80"},
		"three":                        {[]says{{"a", C2, 60, false}, {"b", Malware, 60, false}, {"c", Botnet, 60, false}}, "a 94, b 94, c 94"},
		"a scanner is no controller":   {[]says{{"a", C2, 60, false}, {"b", Scanner, 90, false}, {"c", Botnet, 50, false}}, "b 90, a 80, c 80"},
		"nor a spammer":                {[]says{{"a", Spam, 60, false}, {"b", Other, 50, false}, {"c", Phishing, 50, false}}, "a 80, b 80, c 50"},
		"one twice":                    {[]says{{"a", C2, 60, false}, {"a", Malware, 70, false}}, "a 70, a 70"},
		"an aggregate of weak sources": {[]says{{"a", Scanner, 60, false}, {"sum", Scanner, 45, true}}, "a 60, sum 60"},
		"an aggregate that knows more": {[]says{{"a", Scanner, 60, false}, {"sum", Scanner, 95, true}}, "sum 95, a 95"},
		"two and an aggregate":         {[]says{{"a", Scanner, 60, false}, {"sum", Scanner, 70, true}, {"b", Scanner, 60, false}}, "sum 84, a 84, b 84"},
		"two aggregates":               {[]says{{"x", Scanner, 60, true}, {"y", Scanner, 70, true}}, "y 70, x 70"},
		"an anonymizer is no scanner":  {[]says{{"a", Anonymizer, 60, false}, {"b", Scanner, 50, false}}, "a 60, b 50"},
		"two say anonymizer":           {[]says{{"a", Anonymizer, 60, false}, {"b", Anonymizer, 50, false}, {"c", Policy, 90, false}}, "c 90, a 80, b 80"},
		"certain":                      {[]says{{"a", C2, 100, false}, {"b", C2, 100, false}}, "a 100, b 100"},
		"nothing":                      {[]says{{"a", C2, 0, false}, {"b", C2, 0, false}}, "a 0, b 0"},
	} {
		var order []string
		rows := map[string][]says{}
		for _, s := range tt.say {
			if rows[s.feed] == nil {
				order = append(order, s.feed)
			}
			rows[s.feed] = append(rows[s.feed], s)
		}
		var blocks []*Block
		for _, feed := range order {
			b := NewBuilder(feed)
			for _, s := range rows[feed] {
				if s.aggregate {
					b.Aggregate()
				}
				i := seen(s.category, s.score, math.NaN(), math.NaN())
				b.Add(&i)
				i.Prefix, i.Domain = netip.Prefix{}, "bad.example"
				b.Add(&i)
			}
			blocks = append(blocks, b.Block())
		}
		s := NewSet(blocks...)
		for _, got := range [][]Indicator{s.Lookup(netip.MustParseAddr("198.51.100.7"), now), s.LookupDomain("bad.example", now)} {
			text := ""
			for n, i := range got {
				if n > 0 {
					text += ", "
				}
				text += fmt.Sprintf("%s %d", i.Feed, i.Confidence())
			}
			if text != tt.want {
				t.Errorf("%s: %s, want %s", name, text, tt.want)
			}
		}
		for _, i := range all(s, nil) {
			if got, _ := fmt.Sprintf("%s %d", i.Feed, i.Score), 0; got != tt.want[:min(len(got), len(tt.want))] {
				t.Errorf("%s: All says %s, Lookup %s", name, got, tt.want)
			}
		}
	}
}

// Networks of different size say different things and are not combined.
func TestOnlyTheSameThingCombines(t *testing.T) {
	s := NewSet(block("a", at("198.51.100.0/24", 60)), block("b", at("198.51.100.7/32", 50)))
	got := s.Lookup(netip.MustParseAddr("198.51.100.7"), now)
	if len(got) != 2 || got[0].Confidence() != 60 || got[1].Confidence() != 50 {
		t.Errorf("%+v", got)
	}
}
