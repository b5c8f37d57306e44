package rules

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/flowhound/flowhound/plugin/hit"
)

// Of returns the rule that OSSEC and Wazuh have for a hit's line, and its level: 0, 0
// where no rule takes it. A composite rule, which counts lines, or a rule of the
// site's own may stand in for it.
func Of(h *hit.Hit) (id, level int) {
	value := map[string]string{
		"kind": string(h.Kind), "sev": h.Severity.String(), "dir": string(h.Direction), "state": string(h.State),
		"cat": h.Category, "feed": h.Feed, "name": h.Name + h.Remarks(),
	}
	at := tree()
	for next := at; next != nil; {
		at, next = next, nil
		for _, c := range at.below {
			if c.takes(value) {
				next = c
				break
			}
		}
	}
	return at.id, at.level
}

// node is a rule about hits, with those that are asked when it fits, in their order.
type node struct {
	id, level int
	fields    []condition
	below     []*node
}

type condition struct {
	name string
	fits *regexp.Regexp
}

func (n *node) takes(value map[string]string) bool {
	return !slices.ContainsFunc(n.fields, func(c condition) bool { return !c.fits.MatchString(value[c.name]) })
}

// tree is what rules/wazuh says of hits; both engines have the same rules.
var tree = sync.OnceValue(func() *node {
	root := &node{}
	byID := map[string]*node{"100900": root, "100901": root}
	d := xml.NewDecoder(strings.NewReader("<all>" + Wazuh + "</all>"))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return root
		} else if err != nil {
			panic(err) // the file is part of the program
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "rule" {
			continue
		}
		var r struct {
			ID        int    `xml:"id,attr"`
			Level     int    `xml:"level,attr"`
			Frequency string `xml:"frequency,attr"`
			If        string `xml:"if_sid"`
			Fields    []struct {
				Name string `xml:"name,attr"`
				Text string `xml:",chardata"`
			} `xml:"field"`
		}
		if err := d.DecodeElement(&r, &start); err != nil {
			panic(err)
		}
		parent := byID[strings.TrimSpace(strings.Split(r.If, ",")[0])]
		if parent == nil || r.Frequency != "" {
			continue // it is not about hits alone
		}
		n := &node{id: r.ID, level: r.Level}
		for _, f := range r.Fields {
			n.fields = append(n.fields, condition{f.Name, regexp.MustCompile(f.Text)})
		}
		parent.below = append(parent.below, n)
		byID[strconv.Itoa(r.ID)] = n
	}
})
