package netflow

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Versions names the indexes of a PerVersion, as a metric's label has them.
var Versions = [numVersions]string{"5", "9", "10"}

// PerVersion is a count for each of Versions.
type PerVersion [numVersions]uint64

// Sum returns the count of all versions.
func (p PerVersion) Sum() (n uint64) {
	for _, x := range p {
		n += x
	}
	return n
}

// Counters is what a Decoder counted since it was made.
type Counters struct {
	Datagrams PerVersion
	Records   PerVersion // appended to a batch
	// Lost is what gaps in the sequence numbers show to be missing: flows in v5,
	// datagrams in v9, data records in IPFIX. A hint: exporters' counting differs.
	Lost      PerVersion
	Malformed [NumReasons]uint64 // by Reason

	SetsWithoutTemplate uint64 // data sets that came before their template
	HeldDecoded         uint64 // ... of them read when the template came soon after
	HeldDropped         uint64 // ... of them given up

	// SamplingGuessed are records that name no sampler of an exporter with several,
	// whose rates differ; ExporterStats.GuessedRate is what they were given.
	SamplingGuessed uint64

	Addressless   uint64 // data records without any address, not appended
	OptionRecords uint64

	TemplateRecords uint64 // received, data and options templates, refreshes and all
}

// Add adds o to c, to sum up several decoders.
func (c *Counters) Add(o *Counters) {
	for v := range numVersions {
		c.Datagrams[v] += o.Datagrams[v]
		c.Records[v] += o.Records[v]
		c.Lost[v] += o.Lost[v]
	}
	for i := range c.Malformed {
		c.Malformed[i] += o.Malformed[i]
	}
	c.SetsWithoutTemplate += o.SetsWithoutTemplate
	c.HeldDecoded += o.HeldDecoded
	c.HeldDropped += o.HeldDropped
	c.SamplingGuessed += o.SamplingGuessed
	c.Addressless += o.Addressless
	c.OptionRecords += o.OptionRecords
	c.TemplateRecords += o.TemplateRecords
}

// ExporterStats is what is known of one exporter.
type ExporterStats struct {
	Exporter netip.Addr
	Port     uint16 // 0 unless Options.KeyPort
	LastSeen time.Time
	// Newcomer tells an exporter of which records could not be read for some seconds
	// yet: it may be forged.
	Newcomer bool
	// Templates is how many templates are held for it now.
	Templates int
	// Sampling is the rate of its last record: 1 in so many packets; 0: none came.
	Sampling uint32
	// Missing names the template that was missing last; its ID is 0 when none was.
	Missing MissingTemplate
	// GuessedRate is the sampling rate that was taken last for SamplingGuessed.
	GuessedRate uint32
	// Slow is how much its clock is slow, steadily; 0: its times are taken as they are.
	Slow time.Duration
	Counters
}

// Add adds what another decoder, or another port, counted of the same exporter.
func (s *ExporterStats) Add(o *ExporterStats) {
	s.Counters.Add(&o.Counters)
	s.Templates += o.Templates
	if s.Sampling == 0 || o.LastSeen.After(s.LastSeen) && o.Sampling != 0 {
		s.Sampling = o.Sampling
	}
	s.Newcomer = s.Newcomer && o.Newcomer
	if o.LastSeen.After(s.LastSeen) {
		s.LastSeen = o.LastSeen
	}
	if o.Missing.ID != 0 {
		s.Missing = o.Missing
	}
	if o.Slow != 0 {
		s.Slow = o.Slow
	}
	if o.GuessedRate != 0 {
		s.GuessedRate = o.GuessedRate
	}
}

// MissingTemplate names a template that data came for and that never came itself.
type MissingTemplate struct {
	Version uint8 // 9 or 10
	Domain  uint32
	ID      uint16
}

// Stats is a snapshot of a Decoder's counters.
type Stats struct {
	// Total never falls: it holds what forgotten exporters sent, and what was no
	// NetFlow at all, too.
	Total     Counters
	Exporters []ExporterStats // in no order
	Forgotten uint64          // exporters that had to make room for others
}

// Stats returns a snapshot. Any goroutine may call it at any time.
func (d *Decoder) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Stats{Forgotten: d.evicted, Exporters: make([]ExporterStats, 0, len(d.index))}
	total := &counters{}
	for e := range d.index {
		s.Exporters = append(s.Exporters, e.load())
		total.add(&e.counters)
	}
	total.add(&d.others)
	s.Total = total.load()
	return s
}

// exporterStats is written by the Decoder's goroutine and read by others.
type exporterStats struct {
	key       exporterKey
	lastSeen  atomic.Int64 // Unix ns
	slow      atomic.Int64 // ns
	rank      atomic.Uint32
	templates atomic.Int64
	missing   atomic.Uint64 // packMissing

	guessedRate atomic.Uint32
	sampling    atomic.Uint32 // of the last record
	counters
}

// counters is Counters while they are being counted.
type counters struct {
	datagrams, records, lost                    [numVersions]atomic.Uint64
	malformed                                   [NumReasons]atomic.Uint64
	withoutTemplate, heldDecoded, heldDropped   atomic.Uint64
	guessed                                     atomic.Uint64
	addressless, optionRecords, templateRecords atomic.Uint64
}

func (e *exporterStats) load() ExporterStats {
	s := ExporterStats{
		Exporter:  e.key.addr.IP(),
		Port:      e.key.port,
		Newcomer:  standing(e.rank.Load()) < steady,
		Templates: int(e.templates.Load()),
		Missing:   unpackMissing(e.missing.Load()),

		GuessedRate: e.guessedRate.Load(),
		Sampling:    e.sampling.Load(),
		Slow:        time.Duration(e.slow.Load()),
		Counters:    e.counters.load(),
	}
	if ns := e.lastSeen.Load(); ns != 0 {
		s.LastSeen = time.Unix(0, ns)
	}
	return s
}

func (c *counters) load() Counters {
	s := Counters{
		SetsWithoutTemplate: c.withoutTemplate.Load(),
		HeldDecoded:         c.heldDecoded.Load(),
		HeldDropped:         c.heldDropped.Load(),
		SamplingGuessed:     c.guessed.Load(),
		Addressless:         c.addressless.Load(),
		OptionRecords:       c.optionRecords.Load(),
		TemplateRecords:     c.templateRecords.Load(),
	}
	for v := range numVersions {
		s.Datagrams[v], s.Records[v], s.Lost[v] = c.datagrams[v].Load(), c.records[v].Load(), c.lost[v].Load()
	}
	for i := range c.malformed {
		s.Malformed[i] = c.malformed[i].Load()
	}
	return s
}

// add adds o to c.
func (c *counters) add(o *counters) {
	c.withoutTemplate.Add(o.withoutTemplate.Load())
	c.heldDecoded.Add(o.heldDecoded.Load())
	c.heldDropped.Add(o.heldDropped.Load())
	c.guessed.Add(o.guessed.Load())
	c.addressless.Add(o.addressless.Load())
	c.optionRecords.Add(o.optionRecords.Load())
	c.templateRecords.Add(o.templateRecords.Load())
	for v := range numVersions {
		c.datagrams[v].Add(o.datagrams[v].Load())
		c.records[v].Add(o.records[v].Load())
		c.lost[v].Add(o.lost[v].Load())
	}
	for i := range c.malformed {
		c.malformed[i].Add(o.malformed[i].Load())
	}
}

// packMissing puts a template's name into one word, so that readers never see
// half of one. A template id is at least 256, so the word is never 0.
func packMissing(d domainKey, id uint16) uint64 {
	return uint64(d.version)<<48 | uint64(id)<<32 | uint64(d.id)
}

func unpackMissing(w uint64) MissingTemplate {
	if w == 0 {
		return MissingTemplate{}
	}
	return MissingTemplate{Version: version(w >> 48).number(), ID: uint16(w >> 32), Domain: uint32(w)}
}
