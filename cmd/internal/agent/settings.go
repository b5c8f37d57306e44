package agent

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/flowhound/flowhound/cmd/internal/alert"
	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/catalog"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed/ingest"
	"github.com/flowhound/flowhound/plugin/hit"
)

// newPolicy is the part of cfg that judges matches.
func newPolicy(cfg *config.Config) *alert.Policy {
	return alert.NewPolicy(cfg.Networks.Local, cfg.Networks.AllServicePorts(), cfg.Alert.Severity).WithMutes(Mutes(cfg))
}

// Categories is the table of what the words of feeds mean as cfg has it: a heading
// and one row for each word.
func Categories(cfg *config.Config) [][]string {
	rows := [][]string{{"word", "category", "from"}}
	for _, m := range ingest.Meanings(cfg.Categories) {
		from := "built in"
		if m.Override {
			from = "the configuration"
		}
		rows = append(rows, []string{m.Word, m.Category.String(), from})
	}
	return rows
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

// ListsConfig is the default configuration with the given files as its only
// feeds: an OTX document where the file starts like JSON, else a list. A feed is
// named after its file.
func ListsConfig(paths []string) (*config.Config, error) {
	cfg := config.Default()
	for _, path := range paths {
		kind, err := feedType(path)
		if err != nil {
			return nil, err
		}
		t, _ := catalog.Find(kind)
		cfg.Feeds = append(cfg.Feeds, config.Feed{
			Name: feedName(path, cfg.Feeds), Type: kind, Path: path, Confidence: t.Confidence, Category: t.Category,
		})
	}
	return cfg, nil
}

func feedType(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, 512)
	n, _ := f.Read(head) // an empty or unreadable file is the feed's to complain of
	start := strings.TrimLeft(strings.TrimPrefix(string(head[:n]), "\ufeff"), " \t\r\n")
	if strings.HasPrefix(start, "{") || strings.HasPrefix(start, `[{`) || strings.HasPrefix(start, "[\n") {
		return config.FeedOTX, nil
	}
	return config.FeedList, nil
}

// feedName makes a name that is not taken of a file's name.
func feedName(path string, taken []config.Feed) string {
	base := filepath.Base(path)
	name := strings.TrimSuffix(base, filepath.Ext(base))
	for i := 0; i < len(taken); {
		if taken[i].Name == name {
			name += "+"
			i = 0
			continue
		}
		i++
	}
	return name
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
