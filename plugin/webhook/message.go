package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/flowhound/flowhound/plugin"
	"github.com/flowhound/flowhound/plugin/hit"
	"github.com/flowhound/flowhound/plugin/text"
)

// message is a batch of hits as people read it, without the markup of any
// service. Its texts are clean (text.go) but for what a service takes as markup.
// A template gets it, too.
type message struct {
	ID       string       // of the batch: the same for the same hits
	Title    string       // one line
	Severity hit.Severity // the worst
	Time     time.Time    // of the latest hit
	Count    int          // hits in the batch
	Series   string       // when all hits are of one series, else ""
	Digest   bool         // too many hits to tell each
	Fields   []field      // about all of them: counts of a digest, what was left out
	Hits     []entry      // those that are told: of a digest the worst few

	all []plugin.Hit
}

// entry is one hit.
type entry struct {
	Title    string
	Link     string // its reference: an http or https URL, or ""
	Severity hit.Severity
	Fields   []field // none in a digest
	Hit      plugin.Hit
}

// field is a name of ours and a value that may hold texts from outside.
type field struct{ Name, Value string }

// The sizes of a message. More hits than maxListed make a digest, of which
// maxWorst hits are told.
const (
	maxListed = 10
	maxWorst  = 5
	maxTop    = 5 // hosts and indicators in a digest
)

func newMessage(hits []plugin.Hit) *message {
	m := &message{ID: batchID(hits), Count: len(hits), all: hits, Digest: len(hits) > maxListed}
	worst := 0
	m.Series = seriesOf(hits[0].ID)
	for i := range hits {
		if worse(&hits[i], &hits[worst]) < 0 {
			worst = i
		}
		if hits[i].Time.After(m.Time) {
			m.Time = hits[i].Time.UTC()
		}
		if seriesOf(hits[i].ID) != m.Series {
			m.Series = ""
		}
	}
	m.Severity = hits[worst].Severity
	m.Title = entryTitle(&hits[worst])
	if m.Digest {
		m.digest()
		return m
	}
	if len(hits) > 1 {
		m.Title = fmt.Sprintf("%d hits, the worst: %s", len(hits), m.Title)
	}
	for i := range hits {
		e := newEntry(&hits[i])
		e.Fields = fieldsOf(&hits[i])
		m.Hits = append(m.Hits, e)
	}
	return m
}

// worse orders hits by what a person should see first.
func worse(a, b *plugin.Hit) int {
	if d := int(b.Severity) - int(a.Severity); d != 0 {
		return d
	}
	return b.Score - a.Score
}

func newEntry(h *plugin.Hit) entry {
	return entry{Title: entryTitle(h), Link: text.Link(h.Ref, maxLink), Severity: h.Severity, Hit: *h}
}

// entryTitle is made of our own words, addresses, and two names that are cut down
// to letters, digits and few signs: it is safe in every markup.
func entryTitle(h *plugin.Hit) string {
	what := "hit"
	switch h.Kind {
	case hit.Repeat:
		what = "hit again"
	case hit.Retro:
		what = "hit in history"
	case hit.DNSBL:
		what = "hit of a DNS blacklist"
	}
	s := fmt.Sprintf("%s %s %s: %s → %s", title(h.Severity.String()), word(h.Category), what, addr(h.Src), addr(h.Dst))
	if h.Feed != "" {
		s += " (" + word(h.Feed) + ")"
	}
	return s
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// fieldsOf is what there is to say of h.
func fieldsOf(h *plugin.Hit) []field {
	proto := hit.ProtoName(h.Proto)
	if proto == "" {
		proto = fmt.Sprint(h.Proto)
	}
	fs := []field{
		{"Source", side(h, h.Src, h.SrcPort)},
		{"Destination", side(h, h.Dst, h.DstPort) + " " + proto},
		{"Listed", fmt.Sprintf("%s by %s as %s, score %d", hit.FormatIOC(h.IOC), word(h.Feed), word(h.Category), h.Score)},
	}
	if name := free(h.Name, maxValue); name != "" {
		fs = append(fs, field{"Name", name})
	}
	if h.Sources > 1 || h.Targets > 1 {
		fs = append(fs, field{"Behind it", fmt.Sprintf("%d sources, %d targets", h.Sources, h.Targets)})
	}
	if words := h.Regular.String(); words != "" {
		fs = append(fs, field{"Regular", words})
	}
	if h.Shared != "" {
		fs = append(fs, field{"Shared by many", word(h.Shared)})
	}
	if h.Scanner != "" {
		fs = append(fs, field{"Research scanner", word(h.Scanner)})
	}
	fs = append(fs, field{"Traffic", fmt.Sprintf("%s, %s, %s; %s, %s", size(h.Bytes), count(h.Packets, "packet"), count(h.Count, "flow"), word(string(h.Direction)), word(string(h.State)))})
	if h.Exporter.IsValid() {
		fs = append(fs, field{"Exporter", addr(h.Exporter)})
	}
	if s := seen(h); s != "" {
		fs = append(fs, field{"Seen", s})
	}
	return append(fs, field{"ID", word(h.ID)})
}

// side is one end of the conversation, with where it is and whose.
func side(h *plugin.Hit, a netip.Addr, port int) string {
	s := addr(a)
	if port != hit.NoPort && a.IsValid() && h.Proto != 1 && h.Proto != 58 {
		s = netip.AddrPortFrom(a.Unmap(), uint16(port)).String()
	}
	place := h.DstPlace
	if a == h.Src {
		place = h.SrcPlace
	}
	if place == (hit.Place{}) && a == h.Remote {
		place.Country = h.Country
	}
	if about := free(place.String(), maxPlace); about != "" {
		s += " (" + about + ")"
	}
	return s
}

func addr(a netip.Addr) string {
	if !a.IsValid() {
		return "-"
	}
	return a.Unmap().WithZone("").String()
}

func seen(h *plugin.Hit) string {
	const layout = "2006-01-02 15:04:05"
	start, end := h.Start, h.End
	if start.IsZero() {
		start = end
	}
	if start.IsZero() {
		return ""
	}
	s := start.UTC().Format(layout)
	if end.After(start) {
		s += " to " + end.UTC().Format(layout)
	}
	return s + " UTC"
}

// size prints n bytes as people say it, in powers of ten.
func size(n uint64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1000, 0
	for f >= 999.95 && unit < 5 {
		f, unit = f/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", f, "kMGTPE"[unit])
}

func count(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// maxLink is the longest reference that becomes a link: a button of Slack takes
// 3000, an embed of Discord 2048.
const maxLink = 1000

// seriesOf returns the part of a hit's ID that groups.
func seriesOf(id string) string {
	if i := strings.LastIndexByte(id, '-'); i > 0 {
		return id[:i]
	}
	return id
}

// batchID is the same whenever the same hits are posted.
func batchID(hits []plugin.Hit) string {
	h := sha256.New()
	for i := range hits {
		fmt.Fprintf(h, "%q", hits[i].ID)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// digest fills m with counts, and the worst hits.
func (m *message) digest() {
	var severities [hit.NumSeverities]int
	hosts, indicators := map[string]int{}, map[string]int{}
	var flows uint64
	sorted := make([]*plugin.Hit, len(m.all))
	for i := range m.all {
		h := &m.all[i]
		sorted[i] = h
		severities[min(h.Severity, hit.Critical)]++
		flows += h.Count
		if h.Local.IsValid() {
			hosts[addr(h.Local)]++
		}
		if h.IOC.IsValid() {
			indicators[fmt.Sprintf("%s %s", hit.FormatIOC(h.IOC), word(h.Feed))]++
		}
	}
	var counts []string
	for s := hit.NumSeverities - 1; s >= 0; s-- {
		if severities[s] > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", severities[s], hit.Severity(s)))
		}
	}
	m.Title = fmt.Sprintf("%d hits: %s", m.Count, strings.Join(counts, ", "))
	m.Fields = []field{
		{"Severity", strings.Join(counts, ", ")},
		{"Hosts", top(hosts)},
		{"Indicators", top(indicators)},
		{"Traffic", count(flows, "flow")},
	}
	slices.SortStableFunc(sorted, worse)
	for _, h := range sorted[:maxWorst] {
		m.Hits = append(m.Hits, newEntry(h))
	}
}

// top lists the most frequent keys, and how many more there are.
func top(counts map[string]int) string {
	keys := make([]string, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if d := counts[b] - counts[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var s []string
	for _, k := range keys[:min(maxTop, len(keys))] {
		s = append(s, fmt.Sprintf("%s: %d", k, counts[k]))
	}
	if len(keys) > maxTop {
		s = append(s, fmt.Sprintf("%d more", len(keys)-maxTop))
	}
	if len(s) == 0 {
		return "-"
	}
	return strings.Join(s, ", ")
}
