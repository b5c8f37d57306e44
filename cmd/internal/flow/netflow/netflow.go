// Package netflow turns the datagrams of NetFlow v5, NetFlow v9 (RFC 3954) and
// IPFIX (RFC 7011, 7012 and 5103) into flow records.
//
// A template is compiled once into a short program, and each data record is one
// run of it, straight into a flow.Record, without allocation. What exporters do
// in spite of the RFCs (lying counts, missing templates, reused template ids,
// odd lengths) costs the smallest part it can, and is counted under a name.
//
// The package never receives datagrams (flow/udp and flow/pcap do), never scales
// counters by the sampling rate, and never logs.
package netflow

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/flow"
)

// DefaultMaxExporters is the number of exporters that a Decoder remembers when
// Options does not say.
const DefaultMaxExporters = 4096

// maxNewcomers is how many exporters may prove themselves beside MaxExporters.
const maxNewcomers = 512

// maxMemory bounds, in bytes, the templates and held sets of all exporters of a
// Decoder: some 50,000 usual templates, far beyond any real network, so that
// only forged exporters ever meet it.
const maxMemory = 32 << 20

// Options configures a Decoder. The zero value is ready for use.
type Options struct {
	// Templates keeps templates and sampling rates over a restart, for any
	// number of Decoders. Nil: nothing is kept.
	Templates *Store
	// MaxExporters bounds the exporters that are remembered; some newcomers more
	// are remembered while they prove themselves. Beyond it a newcomer is forgotten
	// for the next, and one that proved itself only when it is silent. 0 means
	// DefaultMaxExporters.
	MaxExporters int
	// Known tells exporters that the configuration names: they need not prove
	// themselves. It is asked when an exporter is first seen, and after
	// Reconfigure. Nil: none is named.
	Known func(exporter netip.Addr) bool
	// KeyPort makes the UDP source port part of the exporter's identity. It
	// helps several exporters behind one NAT address, and breaks those that
	// change their port or send through a balancer.
	KeyPort bool
	// Sampling overrides what an exporter says of its sampling rate (packets on
	// the wire for one that was counted). It is asked when an exporter is first
	// seen, and after Reconfigure. Nil: nothing is overridden.
	Sampling func(exporter netip.Addr) (rate uint32, ok bool)
	// OutBytes tells what an exporter's elements 23 and 24 count. It is asked like
	// Sampling. Nil: it is found out.
	OutBytes func(exporter netip.Addr) OutBytes
}

// Decoder decodes the datagrams of any number of exporters. It belongs to one
// goroutine, but for Stats, which any goroutine may call at any time. All
// datagrams of one exporter must come to the same Decoder, in the order in
// which they arrived: templates, sampling and sequence numbers live here.
type Decoder struct {
	options   Options
	exporters ranked[exporterKey, *exporter]
	comeback  comeback
	last      *exporter // of the datagram before this one: mostly the same
	memory    int       // bytes of templates and held sets
	message   message   // of the datagram in work; here so that it is not allocated

	mu    sync.Mutex // guards index, never taken for a known exporter
	index map[*exporterStats]struct{}
	// others counts for exporters that were forgotten, and for datagrams that
	// are no NetFlow from addresses that are no exporters.
	others  counters
	evicted uint64
}

// NewDecoder returns a Decoder that has seen nothing yet.
func NewDecoder(o Options) *Decoder {
	if o.MaxExporters <= 0 {
		o.MaxExporters = DefaultMaxExporters
	}
	return &Decoder{options: o, index: make(map[*exporterStats]struct{}), exporters: ranked[exporterKey, *exporter]{idle: decoderIdle}}
}

// Decode appends the records of one datagram to out, after those of sets that
// were held until a template in this datagram came. received is the time of
// arrival in Unix nanoseconds.
//
// A malformed part is counted and costs only itself; the rest is decoded. The
// error names the first thing that was wrong with the datagram: a Reason, or
// ErrNoTemplate. It is for replay and debugging, costs no allocation, and may
// come together with records.
//
// A flow costs some 10 ns in v5 and 50 to 60 ns in v9 and IPFIX with 22 fields,
// twice that with variable-length fields, and no allocation but for the growth
// of the batch.
func (d *Decoder) Decode(datagram []byte, from netip.AddrPort, received int64, out *flow.Batch) error {
	key := exporterKey{addr: flow.AddrFrom(from.Addr())}
	if d.options.KeyPort {
		key.port = from.Port()
	}
	version, reason, ok := versionOf(datagram)
	if !ok {
		return d.stray(key, reason)
	}

	e := d.exporter(key, received)
	cost, before := e.cost, len(out.Records)
	m := &d.message
	m.begin(e, datagram, received, out)
	switch version {
	case v5:
		m.decodeV5()
	case v9:
		m.decodeV9()
	case ipfix:
		m.decodeIPFIX()
	}
	if m.release {
		m.releaseHeld(before)
	}
	e.stats.datagrams[version].Add(1)
	e.stats.records[version].Add(uint64(len(out.Records) - before))
	e.stats.lastSeen.Store(received)

	if len(out.Records) > before {
		e.stats.sampling.Store(out.Records[len(out.Records)-1].Sampling)
		if age := received - e.place.at; uint64(age) >= uint64(time.Second) || e.place.rank == unproven {
			d.prove(e, received)
		}
	}
	if e.changed && e.place.rank > unproven {
		e.changed = false
		e.publish(d.options.Templates, received)
	}
	d.memory += e.cost - cost
	for d.memory > maxMemory && d.exporters.len() > 1 {
		d.forget(d.exporters.least(received))
	}
	return m.err
}

// Reconfigure asks Options.Sampling again about every exporter. Like Decode, it
// belongs to the Decoder's goroutine.
func (d *Decoder) Reconfigure() {
	for p := range d.exporters.all {
		p.value.override = d.override(p.key.addr)
		p.value.out.configured = d.outBytes(p.key.addr)
		if p.rank < proven && d.known(p.key) {
			d.exporters.raise(p, proven)
		}
	}
}

// versionOf reads the version of a datagram. It is false, with the reason, for
// one that cannot be NetFlow.
func versionOf(datagram []byte) (v version, reason Reason, ok bool) {
	if len(datagram) < 2 {
		return 0, ShortHeader, false
	}
	header := 0
	switch binary.BigEndian.Uint16(datagram) {
	case 5:
		v, header = v5, v5HeaderLen
	case 9:
		v, header = v9, v9HeaderLen
	case 10:
		v, header = ipfix, ipfixHeaderLen
	default:
		return 0, BadVersion, false
	}
	return v, ShortHeader, len(datagram) >= header
}

// stray counts a datagram that is no NetFlow, without making its sender an
// exporter: anyone can send rubbish.
func (d *Decoder) stray(key exporterKey, reason Reason) error {
	c := &d.others
	if p, ok := d.exporters.get(key); ok {
		c = &p.value.stats.counters
	}
	c.malformed[reason].Add(1)
	return reason
}

// exporter returns the state of an exporter; a new one starts with what the
// store remembers of it.
func (d *Decoder) exporter(key exporterKey, received int64) *exporter {
	if e := d.last; e != nil && e.key == key {
		e.dropExpired(received)
		return e
	}
	var e *exporter
	if p, ok := d.exporters.get(key); ok {
		e = p.value
	} else {
		e = d.meet(key, received)
	}
	e.dropExpired(received)
	d.last = e
	return e
}

func (d *Decoder) meet(key exporterKey, now int64) *exporter {
	rank := unproven
	for d.exporters.len() >= d.options.MaxExporters+maxNewcomers {
		if d.comeback.again(key, now) {
			rank = returning
		}
		d.forget(d.exporters.least(now))
	}
	e := &exporter{key: key, told: 1, override: d.override(key.addr), stats: &exporterStats{key: key}}
	e.out.configured = d.outBytes(key.addr)
	rank = max(rank, e.adopt(d.options.Templates))
	e.place = d.exporters.put(key, e, unproven, now)
	if d.known(key) {
		d.exporters.raise(e.place, proven)
	} else {
		d.raise(e, rank, now)
	}
	d.mu.Lock()
	d.index[e.stats] = struct{}{}
	d.mu.Unlock()
	d.memory += e.cost
	return e
}

// Newcomer reports whether the exporter of the last datagram has not sent readable flows
// for some seconds yet: it may be forged. Like Decode, it belongs to the Decoder's
// goroutine.
func (d *Decoder) Newcomer() bool { return d.last == nil || d.last.place.rank < steady }

// known reports whether the configuration names an exporter. With KeyPort an address
// is not enough: whoever forges it can forge all ports.
func (d *Decoder) known(key exporterKey) bool {
	return d.options.Known != nil && !d.options.KeyPort && d.options.Known(key.addr.IP())
}

// prove counts for an exporter that records of its could be read now, which Decode
// tells once a second.
func (d *Decoder) prove(e *exporter, now int64) {
	e.place.at = now
	if e.ticks == 0 || now < e.since {
		e.since = now
	}
	e.ticks = min(e.ticks+1, provenTicks)
	switch {
	case e.ticks == provenTicks && now-e.since >= provenAfter:
		d.raise(e, proven, now)
	case now-e.since >= steadyAfter:
		d.raise(e, steady, now)
	case e.ticks > 1:
		d.raise(e, returning, now)
	default:
		d.raise(e, useful, now)
	}
	e.touch(d.options.Templates, now)
}

// raise gives an exporter a higher rank. The ranks from steady on are only for
// MaxExporters: when that many are there, one must be silent for another to rise.
func (d *Decoder) raise(e *exporter, to standing, now int64) {
	from := e.place.rank
	if to <= from {
		return
	}
	if from < steady && to >= steady {
		silent, full := d.exporters.full(steady, d.options.MaxExporters, now)
		switch {
		case silent != nil:
			d.forget(silent)
		case full:
			to = returning
		}
	}
	if to > from {
		d.exporters.raise(e.place, to)
		e.stats.rank.Store(uint32(to))
	}
}

// forget drops an exporter. Its counts go on in the totals.
func (d *Decoder) forget(p *seat[exporterKey, *exporter]) {
	e := p.value
	d.exporters.remove(p)
	if d.last == e {
		d.last = nil
	}
	d.memory -= e.cost
	e.stats.heldDropped.Add(uint64(len(e.held)))
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.index, e.stats)
	d.others.add(&e.stats.counters)
	d.evicted++
}

func (d *Decoder) override(addr flow.Addr) uint32 {
	if d.options.Sampling == nil {
		return 0
	}
	rate, ok := d.options.Sampling(addr.IP())
	if !ok {
		return 0
	}
	return max(rate, 1)
}

func (d *Decoder) outBytes(addr flow.Addr) OutBytes {
	if d.options.OutBytes == nil {
		return OutUnknown
	}
	return d.options.OutBytes(addr.IP())
}
