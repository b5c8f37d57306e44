package agent

import (
	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/plugin/hit"
)

// newPolicy is the part of cfg that judges matches.
func newPolicy(cfg *config.Config) *alert.Policy {
	return alert.NewPolicy(cfg.Networks.Own(), cfg.Networks.AllServicePorts(), cfg.Alert.Severity).WithMutes(Mutes(cfg)).WithNAT(cfg.Networks.NAT)
}

// Mutes is the configuration's mute in the words of package alert.
func Mutes(cfg *config.Config) []alert.Mute {
	out := make([]alert.Mute, len(cfg.Mute))
	for i := range cfg.Mute {
		m := &cfg.Mute[i]
		out[i] = alert.Mute{Src: m.Src, IOC: m.IOC, Until: m.Until, Why: m.Why}
		out[i].Category, out[i].HasCategory = m.Category()
	}
	return out
}

// ListsConfig is the default configuration with the given files as its only feeds.
func ListsConfig(paths []string) (cfg *config.Config, err error) {
	cfg = config.Default()
	cfg.Feeds, err = feed.OfFiles(paths)
	return cfg, err
}

// Severities is the severity table as cfg has it: a heading and one row for each
// category and range of scores.
func Severities(cfg *config.Config) [][]string {
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
	policy := newPolicy(cfg)
	for i := range intel.Category(intel.NumCategories) {
		category := (i + 1) % intel.NumCategories // other comes last
		for _, s := range []struct {
			text  string
			score uint8
		}{{"80-100", 80}, {"50-79", 50}, {"0-49", 49}} {
			row := []string{category.String(), s.text}
			for _, c := range columns {
				row = append(row, policy.Severity(category, s.score, c.direction, c.state, c.served).String())
			}
			rows = append(rows, row)
		}
	}
	return rows
}
