// Package exporters tells who sends flows, who has gone silent and what is lost on
// the way, by what the decoders count: in lines, in metrics, and to doctor.
package exporters

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowhound/flowhound/cmd/internal/finding"
	"github.com/flowhound/flowhound/cmd/internal/flow/netflow"
	"github.com/flowhound/flowhound/cmd/internal/metric"
	"github.com/flowhound/flowhound/plugin/hit"
)

// lookEvery is how often it is looked at what the decoders count.
const lookEvery = 5 * time.Second

// maxLabels bounds the series; exporters that come after are labelled "other".
const maxLabels = 1024

// Dependencies are what Exporters need. All are required.
type Dependencies struct {
	Stats     func() []netflow.Stats  // what each decoder counts now
	Listening func() []netip.AddrPort // where exporters can send to
	Report    func(*hit.Status)       // writes a status line. It must not wait
}

// Exporters watches all exporters, from Start to Stop. All but those two may be
// called concurrently.
type Exporters struct {
	d    Dependencies
	stop func()

	mu        sync.Mutex
	labels    map[netip.Addr]string // of the first exporters
	newcomers int                   // of labels, those that newcomers took
	rates     rates
}

// New returns Exporters that say nothing yet.
func New(d Dependencies) *Exporters {
	return &Exporters{d: d, labels: map[netip.Addr]string{}}
}

// Start begins to say who sends and what is lost.
func (x *Exporters) Start(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	x.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for w := newWatch(); ; {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				stats := x.d.Stats()
				each := all(stats)
				x.mu.Lock()
				x.rates.look(now, each)
				x.mu.Unlock()
				for _, line := range w.look(now, each, forgotten(stats)) {
					x.d.Report(&line)
				}
			}
		}
	}()
	return nil
}

// Stop ends what Start began. It may be called again, and without Start.
func (x *Exporters) Stop(context.Context) error {
	if x.stop != nil {
		x.stop()
		x.stop = nil
	}
	return nil
}

func (x *Exporters) all() []netflow.ExporterStats { return all(x.d.Stats()) }

// all returns the counters of all exporters in the order of their addresses, those
// that reach several workers or ports added up.
func all(stats []netflow.Stats) []netflow.ExporterStats {
	byAddr := map[netip.Addr]*netflow.ExporterStats{}
	for _, d := range stats {
		for _, s := range d.Exporters {
			gather(byAddr, s.Exporter, s)
		}
	}
	all := make([]netflow.ExporterStats, 0, len(byAddr))
	for _, s := range byAddr {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(x, y netflow.ExporterStats) int { return x.Exporter.Compare(y.Exporter) })
	return all
}

// forgotten is how many exporters had to make room for others.
func forgotten(stats []netflow.Stats) (n uint64) {
	for i := range stats {
		n += stats[i].Forgotten
	}
	return n
}

// gather adds s to what into has under key.
func gather[K comparable](into map[K]*netflow.ExporterStats, key K, s netflow.ExporterStats) {
	if known, ok := into[key]; ok {
		known.Add(&s)
	} else {
		into[key] = &s
	}
}

// Findings says who sends, and what is amiss with what comes.
func (x *Exporters) Findings(l *finding.List) {
	exporters, now := x.all(), time.Now()
	if len(exporters) == 0 {
		var ports, addresses []string
		alone := true // only this host reaches it
		for _, a := range x.d.Listening() {
			alone = alone && a.Addr().IsLoopback()
			ports = append(ports, fmt.Sprintf("udp port %d", a.Port()))
			addresses = append(addresses, "udp://"+a.String())
		}
		if alone && len(addresses) > 0 {
			l.Bad("set listen: [\"udp://:2055\"] in the configuration and restart flowhound",
				"no exporter has sent anything since the agent started: it listens on %s alone, which no router reaches", strings.Join(addresses, ", "))
			return
		}
		l.Bad("point a router at this host, then: tcpdump -ni any "+strings.Join(ports, " or "),
			"no exporter has sent anything since the agent started, on %s", strings.Join(addresses, ", "))
		return
	}
	if n := forgotten(x.d.Stats()); n > 0 {
		l.Warn("list your exporters in exporters.allow, or raise exporters.max if all are yours", "%d exporters were evicted: more addresses send NetFlow than are kept", n)
	}
	silent, unread, example := 0, uint64(0), ""
	for _, s := range exporters {
		if now.Sub(s.LastSeen) > silentAfter {
			silent++
			example = s.Exporter.String()
		}
		unread += s.HeldDropped
	}
	if len(exporters) == 1 {
		l.OK("1 exporter was heard, %s", exporters[0].Exporter)
	} else {
		l.OK("%d exporters were heard", len(exporters))
	}
	switch {
	case silent == 1:
		l.Warn("check that it is up and still exports to this host", "exporter %s is silent", example)
	case silent > 1:
		l.Warn("check that they are up and still export to this host", "%d exporters are silent, %s among them", silent, example)
	}
	switch {
	case unread == 1:
		l.Warn("let exporters send their templates every minute", "1 set of flows could not be read: its template had not arrived")
	case unread > 1:
		l.Warn("let exporters send their templates every minute", "%d sets of flows could not be read: their templates had not arrived", unread)
	}
}

var (
	descDatagrams   = metric.Desc("datagrams_total", "Datagrams received, by protocol version.", "version")
	descRecords     = metric.Desc("records_total", "Flow records decoded, by protocol version.", "version")
	descMalformed   = metric.Desc("malformed_total", "Parts of datagrams that could not be read, by reason.", "reason")
	descAddressless = metric.Desc("records_without_address_total", "Data records without any address.")
	descKept        = metric.Desc("exporters", "Exporters in the table. A newcomer has not sent readable flows for some seconds yet, and may be forged.", "state")
	descForgotten   = metric.Desc("exporters_forgotten_total", "Exporters that were evicted to make room for others.")

	descGap          = metric.Desc("exporter_gap_total", "Flows (v5), datagrams (v9) or records (IPFIX) missing by the exporter's sequence numbers.", "exporter")
	descNoTemplate   = metric.Desc("sets_without_template_total", "Flow sets that arrived before their template.", "exporter")
	descItsDatagrams = metric.Desc("exporter_datagrams_total", "Datagrams received, by exporter.", "exporter")
	descItsRecords   = metric.Desc("exporter_records_total", "Flow records decoded, by exporter.", "exporter")
	descTemplates    = metric.Desc("templates", "Templates held, by exporter.", "exporter")
)

// Describe sends nothing: which series exist depends on who was heard.
func (x *Exporters) Describe(chan<- *prometheus.Desc) {}

// Collect reports what the decoders count.
func (x *Exporters) Collect(ch chan<- prometheus.Metric) {
	to := metric.To(ch)
	var total netflow.Counters
	stats := x.d.Stats()
	for i := range stats {
		total.Add(&stats[i].Total)
	}
	for i, v := range netflow.Versions {
		to.Counter(descDatagrams, total.Datagrams[i], v)
		to.Counter(descRecords, total.Records[i], v)
	}
	for r := range netflow.NumReasons {
		to.Counter(descMalformed, total.Malformed[r], netflow.Reason(r).String())
	}
	to.Counter(descAddressless, total.Addressless)
	to.Counter(descForgotten, forgotten(stats))

	byLabel, kept := map[string]*netflow.ExporterStats{}, map[bool]int{}
	for _, s := range all(stats) {
		gather(byLabel, x.label(&s), s)
		kept[s.Newcomer]++
	}
	to.Gauge(descKept, float64(kept[true]), "newcomer")
	to.Gauge(descKept, float64(kept[false]), "proven")
	for l, s := range byLabel {
		to.Counter(descItsDatagrams, s.Datagrams.Sum(), l)
		to.Counter(descItsRecords, s.Records.Sum(), l)
		to.Counter(descGap, s.Lost.Sum(), l)
		to.Counter(descNoTemplate, s.SetsWithoutTemplate, l)
		to.Gauge(descTemplates, float64(s.Templates), l)
	}
}

// label returns an exporter's address, for the first that come. Newcomers, which may be
// forged, take a quarter of the labels at most.
func (x *Exporters) label(s *netflow.ExporterStats) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if l, ok := x.labels[s.Exporter]; ok {
		return l
	}
	if len(x.labels) >= maxLabels || s.Newcomer && x.newcomers >= maxLabels/4 {
		return "other"
	}
	if s.Newcomer {
		x.newcomers++
	}
	l := s.Exporter.String()
	x.labels[s.Exporter] = l
	return l
}
