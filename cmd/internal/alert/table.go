package alert

import (
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/plugin/hit"
)

// Table is the severity table: a heading and one row for each
// category and range of scores.
func (p *Policy) Table() [][]string {
	columns := []struct {
		title     string
		direction hit.Direction
		state     hit.State
		served    bool
	}{
		{"outbound established", hit.Outbound, hit.Established, false},
		{"outbound other", hit.Outbound, hit.Attempt, false},
		{"inbound established, service port", hit.Inbound, hit.Established, true},
		{"inbound established", hit.Inbound, hit.Established, false},
		{"inbound other", hit.Inbound, hit.Attempt, false},
	}
	heading := []string{"category", "score"}
	for _, c := range columns {
		heading = append(heading, c.title)
	}
	rows := [][]string{heading}
	for i := range intel.Category(intel.NumCategories) {
		category := (i + 1) % intel.NumCategories // other comes last
		for _, s := range []struct {
			text  string
			score uint8
		}{{"80-100", 80}, {"50-79", 50}, {"0-49", 49}} {
			row := []string{category.String(), s.text}
			for _, c := range columns {
				row = append(row, p.Severity(category, s.score, c.direction, c.state, c.served).String())
			}
			rows = append(rows, row)
		}
	}
	return rows
}
