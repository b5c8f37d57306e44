// Package flowgen makes realistic flow records of one day, for benchmarks: 12,000
// clients behind four exporters, a third of the traffic behind NAT, a tenth IPv6,
// servers and clients by Zipf's law, scanners, DNS, QUIC, long connections that are cut
// at the active timeout of 60 s. 87% of the records find their other direction.
//
// The same seed gives the same records.
package flowgen

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
)

// Flow is one record. Times are Unix milliseconds, but for Received, in nanoseconds:
// all records of a datagram have the same.
type Flow struct {
	Received               int64
	Start, End             int64
	Src, Dst               [16]byte // IPv4 v4-mapped
	NATSrc, NATDst         [16]byte // zero: none
	SrcPort, DstPort       uint16
	NATSrcPort             uint16
	NATDstPort             uint16
	Bytes                  uint64
	Packets                uint32
	Proto, Flags, ToS      uint8
	Exporter               uint8 // 1 to 4
	InIf, OutIf            uint16
	SrcCountry, DstCountry [2]byte
}

// perDatagram is how many records a datagram holds at most.
const perDatagram = 24

// Options say what to make.
type Options struct {
	Flows int
	Day   int64 // Unix seconds at which the day begins
	Seed  uint64
	// Alone is the share of second directions that are left out, 1: all of them.
	Alone float64
}

// Generate gives about o.Flows records to each, datagram by datagram in the order of
// arrival; the slice is valid during the call.
func Generate(o Options, each func([]Flow)) {
	g := newGenerator(o)
	for minute := range 1440 {
		g.minute(minute)
		g.emit(g.base+int64(minute+1)*60_000, each)
	}
	g.emit(math.MaxInt64, each)
}

type client struct {
	v4, v6, nat [16]byte
	behindNAT   bool
	exporter    uint8
	iface       uint16
	port        uint16
	sequential  bool // ports follow each other
	fav4, fav6  [24]uint32
}

type generator struct {
	o          Options
	r          *rand.Rand
	base       int64 // Unix milliseconds
	e4, e6     [][16]byte
	z4, z6, zc *rand.Zipf
	clients    []client
	servers    []int
	load       [1440]float64
	total      float64
	made       int
	scans      int
	waiting    map[int64][]Flow // by the second of arrival
	countries  countries
}

const externals = 3_000_000

func newGenerator(o Options) *generator {
	g := &generator{o: o, r: rand.New(rand.NewPCG(o.Seed, 1)), base: o.Day * 1000, waiting: map[int64][]Flow{}}
	g.countries.init()
	g.world()
	g.inside()
	for m := range g.load {
		h := float64(m) / 60
		g.load[m] = .15 + math.Exp(-(h-10.5)*(h-10.5)/8) + .9*math.Exp(-(h-14.5)*(h-14.5)/6) + .25*math.Exp(-(h-21)*(h-21)/4)
		g.total += g.load[m]
	}
	return g
}

// world makes those outside: 60,000 networks by Zipf's law, and others anywhere.
func (g *generator) world() {
	nets := make([]uint32, 60000)
	for i := range nets {
		nets[i] = (uint32(g.r.IntN(212)+11)<<24 | g.r.Uint32N(1<<24)) &^ 255
	}
	z := rand.NewZipf(g.r, 1.05, 50, uint64(len(nets)-1))
	for i := range externals {
		switch {
		case g.r.Float64() < .10:
			g.e6 = append(g.e6, g.outside6())
		case i < 200000 || g.r.Float64() < .6:
			g.e4 = append(g.e4, v4(nets[z.Uint64()]|g.r.Uint32N(256)))
		default:
			g.e4 = append(g.e4, v4(uint32(g.r.IntN(212)+11)<<24|g.r.Uint32N(1<<24)))
		}
	}
	g.z4 = rand.NewZipf(g.r, 1.06, 300, uint64(len(g.e4)-1))
	g.z6 = rand.NewZipf(g.r, 1.12, 100, uint64(len(g.e6)-1))
}

func (g *generator) outside6() (a [16]byte) {
	p := hash(uint64(g.r.IntN(2000)))
	binary.BigEndian.PutUint32(a[:], 0x2a000000|uint32(p%(1<<24)))
	binary.BigEndian.PutUint16(a[4:], uint16(p>>32))
	binary.BigEndian.PutUint16(a[6:], uint16(g.r.IntN(256)))
	if g.r.IntN(2) == 0 {
		binary.BigEndian.PutUint16(a[14:], uint16(g.r.IntN(4096)))
	} else {
		binary.BigEndian.PutUint64(a[8:], g.r.Uint64())
	}
	return a
}

const insiders = 12000

func (g *generator) inside() {
	g.clients = make([]client, insiders)
	for i := range g.clients {
		c := &g.clients[i]
		c.exporter, c.iface, c.behindNAT = uint8(1+i%4), uint16(10+i/4%24), i%100 < 42
		if c.behindNAT {
			c.v4 = v4(10<<24 | 20<<16 | g.r.Uint32N(1<<15))
			c.nat = v4(203<<24 | 113<<8 | uint32(c.exporter)*8 + g.r.Uint32N(4))
		} else {
			c.v4 = v4(147<<24 | 32<<16 | g.r.Uint32N(1<<14))
		}
		copy(c.v6[:], []byte{0x20, 1, 7, 0x18, 0, 2, byte(i / 200 >> 8), byte(i / 200)})
		binary.BigEndian.PutUint64(c.v6[8:], g.r.Uint64())
		c.port, c.sequential = uint16(32768+g.r.IntN(28000)), i%5 < 3
		for j := range c.fav4 {
			c.fav4[j], c.fav6[j] = uint32(g.z4.Uint64()), uint32(g.z6.Uint64())
		}
	}
	g.zc = rand.NewZipf(g.r, 1.08, 200, insiders-1)
	g.servers = make([]int, 60)
	for i := range g.servers {
		g.servers[i] = 42 + 100*g.r.IntN(119) + g.r.IntN(57)
	}
}

// emit gives what arrives before a time, a second at a time: the records of an exporter
// in datagrams.
func (g *generator) emit(before int64, each func([]Flow)) {
	var seconds []int64
	for s := range g.waiting {
		if s*1000 < before {
			seconds = append(seconds, s)
		}
	}
	slices.Sort(seconds)
	for _, s := range seconds {
		flows := g.waiting[s]
		delete(g.waiting, s)
		slices.SortStableFunc(flows, func(a, b Flow) int { return int(a.Exporter) - int(b.Exporter) })
		count := int64((len(flows)+perDatagram-1)/perDatagram + 4)
		for n := int64(0); len(flows) > 0; n++ {
			k := 1
			for k < len(flows) && k < perDatagram && flows[k].Exporter == flows[0].Exporter {
				k++
			}
			at := s*1e9 + n*1e9/count + g.r.Int64N(1e9/count)
			for i := range flows[:k] {
				flows[i].Received = at
			}
			each(flows[:k])
			flows = flows[k:]
		}
	}
}

func v4(u uint32) (b [16]byte) {
	b[10], b[11] = 0xff, 0xff
	binary.BigEndian.PutUint32(b[12:], u)
	return b
}

func hash(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
