package otx

import (
	"strings"
	"testing"
	"time"
)

func TestSyncChoice(t *testing.T) {
	t.Parallel()
	c := newCopy(t)
	c.otx.put(1, 24*time.Hour, addr(1))
	c.otx.put(2, 25*time.Hour, addr(2)).tlp = "amber"
	c.otx.put(3, 26*time.Hour, addr(3)).author = "community"
	c.o.Choice = Choice{DenyTLPs: []string{"AMBER", "red"}}
	c.good()
	c.expect(addr(1), addr(3))

	// One that is chosen no more goes.
	c.otx.clock = now.Add(time.Hour)
	c.otx.put(3, 0, addr(3)).tlp = "red"
	c.good()
	c.expect(addr(1))

	// Another choice needs all of them.
	c.o.Choice = Choice{TLPs: []string{"amber"}}
	if _, asked, _ := c.good(); strings.Contains(asked[len(asked)-1], "modified_since") {
		t.Errorf("asked %q", asked)
	}
	c.expect(addr(2))
}

func TestChoice(t *testing.T) {
	t.Parallel()
	few := 3
	pl := &pulse{ID: id(1), Author: "AlienVault", TLP: "green", Tags: []string{"apt", "C2"}, Subscribers: &few}
	for name, tt := range map[string]struct {
		c    Choice
		want bool
	}{
		"nothing said":      {Choice{}, true},
		"author":            {Choice{Authors: []string{"x", "alienvault"}}, true},
		"other author":      {Choice{Authors: []string{"x"}}, false},
		"author denied":     {Choice{DenyAuthors: []string{"AlienVault"}}, false},
		"tag":               {Choice{Tags: []string{"c2"}}, true},
		"other tag":         {Choice{Tags: []string{"phishing"}}, false},
		"tag denied":        {Choice{Tags: []string{"c2"}, DenyTags: []string{"APT"}}, false},
		"id":                {Choice{Pulses: []string{id(1)}}, true},
		"other id":          {Choice{Pulses: []string{id(2)}}, false},
		"id denied":         {Choice{DenyPulses: []string{id(1)}}, false},
		"TLP":               {Choice{TLPs: []string{"TLP:GREEN"}}, true},
		"TLP not":           {Choice{TLPs: []string{"white"}}, false},
		"TLP denied":        {Choice{DenyTLPs: []string{"green"}}, false},
		"author but no tag": {Choice{Authors: []string{"alienvault"}, Tags: []string{"x"}}, false},
		"subscribers":       {Choice{MinSubscribers: 3}, true},
		"few subscribers":   {Choice{MinSubscribers: 4}, false},
	} {
		if got := tt.c.takes(pl); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	c := Choice{TLPs: []string{"clear"}, MinSubscribers: 5}
	if !c.takes(&pulse{TLP: "white"}) {
		t.Error("white is clear, and unknown subscribers are no reason")
	}
}
