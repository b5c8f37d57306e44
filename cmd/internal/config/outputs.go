package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/settings"
	"github.com/flowhound/flowhound/plugin/nearest"
)

func (d *document) checkOutputs() {
	names := d.feedNames()
	first := map[string]int{}
	for i, o := range d.config.Outputs {
		key := fmt.Sprintf("outputs[%d]", i)
		for j, name := range o.Feeds {
			if at := fmt.Sprintf("%s.feeds[%d]", key, j); !slices.Contains(names, name) && !d.Reported(at) && !d.Reported("feeds") && !d.Reported("dnsbl") {
				d.Errorf(d.Line(at), at, "%s is not the name of a feed%s", d.Text(at), settings.DidYouMean(nearest.Word(name, names)))
			}
		}
		if d.Reported(key+".name") || o.Name == "" {
			continue
		}
		if j, twice := first[o.Name]; twice {
			d.Errorf(d.Line(key+".name"), key+".name", "%s is the name of outputs[%d] too (line %d); give each output its own, as its spool is named after it", d.Text(key+".name"), j, d.Line(fmt.Sprintf("outputs[%d].name", j)))
			continue
		}
		first[o.Name] = i
	}
}

// feedNames returns the names that a hit's feed may have.
func (d *document) feedNames() (names []string) {
	for _, f := range d.config.Feeds {
		names = append(names, f.Name)
	}
	for _, z := range d.config.DNSBL.Zones {
		names = append(names, z.Name)
	}
	return names
}

// keepPlaces notes where the outputs' keys stand, for what is found out of their
// settings later.
func (d *document) keepPlaces() {
	if len(d.config.Outputs) == 0 {
		return
	}
	d.config.where = &places{file: d.File(), lines: d.Lines("outputs")}
}

// places says where keys stand in the file.
type places struct {
	file  string
	lines map[string]int
}

// OutputProblem is a Problem with a key of output i, such as settings.address, that
// is in the file or not.
func (c *Config) OutputProblem(i int, key, text string) settings.Problem {
	p := settings.Problem{Key: settings.Join(fmt.Sprintf("outputs[%d]", i), "x"), Text: text}
	p.Key = strings.TrimSuffix(p.Key, "x") + key
	if c.where == nil {
		return p
	}
	p.File = c.where.file
	for at := p.Key; at != "" && p.Line == 0; at = settings.Parent(at) {
		p.Line = c.where.lines[at]
	}
	return p
}
