package main

import (
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/config"
	"github.com/flowhound/flowhound/cmd/internal/flow"
	"github.com/flowhound/flowhound/cmd/internal/geo"
)

// places says where addresses are and whose.
type places struct {
	view    *geo.View
	sources *geo.Sources
}

// learnedPath is the journal of the outside addresses that the agent has learned.
func learnedPath(cfg *config.Config) string { return filepath.Join(cfg.DataDir, geo.JournalName) }

// openPlaces reads the databases of a configuration, and what the agent has learned. A
// database that cannot be read is told, and the built-in table answers.
func openPlaces(c geo.Config, learned string, log *slog.Logger) *places {
	part, err := geo.Open(c, learned, log)
	if err != nil {
		log.Error(err.Error())
		c.Database, c.ASDatabase, c.Fallback = "", "", ""
		if part, err = geo.Open(c, learned, log); err != nil {
			return nil
		}
	}
	return &places{part.View(), geo.OpenSources(&c)}
}

// placeJSON is where an address is, as lookup --json prints it.
type placeJSON struct {
	Query   string        `json:"query"`
	Country geo.Country   `json:"cc"`
	AS      uint32        `json:"as,omitempty"`
	Owner   string        `json:"owner,omitempty"`
	Site    string        `json:"site,omitempty"`
	Sources []geo.Opinion `json:"sources"` // what each says by itself
}

// print tells where the address of a query is, and where the sources disagree.
func (p *places) print(w io.Writer, q query, now time.Time, asJSON bool) error {
	if p == nil || !q.network.IsSingleIP() {
		return nil
	}
	address := q.network.Addr()
	at := p.view.Place(flow.AddrFrom(address), now.UnixNano())
	out := placeJSON{q.text, at.Country, at.AS, p.view.Owner(at.AS), at.Site, p.sources.Ask(address)}
	if asJSON {
		return printLines(w, out)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (p *placeJSON) String() string {
	var b strings.Builder
	where := "country " + p.Country.String()
	if !p.Country.IsCode() {
		where = map[geo.Country]string{geo.Private: "a private address", geo.Multicast: "a multicast address"}[p.Country]
	}
	if where == "" {
		where = "country unknown"
	}
	fmt.Fprintf(&b, "%s: %s", p.Query, where)
	if p.Site != "" {
		fmt.Fprintf(&b, " (geo: %s)", p.Site)
	}
	if p.AS != 0 {
		fmt.Fprintf(&b, ", AS%d%s", p.AS, after(" ", p.Owner))
	}
	b.WriteByte('\n')
	if !geo.Disagree(p.Sources) {
		return b.String()
	}
	says := make([]string, len(p.Sources))
	for i, o := range p.Sources {
		says[i] = fmt.Sprintf("%s%s %s", o.Source, after(" of ", o.Date), o.Country)
	}
	fmt.Fprintf(&b, "    sources disagree: %s\n", strings.Join(says, ", "))
	return b.String()
}
