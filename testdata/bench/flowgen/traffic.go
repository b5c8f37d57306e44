package flowgen

import (
	"encoding/binary"
	"math"
	"sort"
)

var none [16]byte

// put adds a record, with the time at which an exporter sends it: after a FIN soon,
// after the active timeout at once, else after 15 s of silence.
func (g *generator) put(f Flow, duration int64) {
	f.End = f.Start + duration
	f.SrcCountry, f.DstCountry = g.countries.of(f.Src), g.countries.of(f.Dst)
	wait := int64(15000)
	if f.Proto == 6 && f.Flags&5 != 0 {
		wait = 1000
	}
	if duration >= 59500 {
		wait = 0
	}
	second := (f.End+wait)/1000 + 1
	g.waiting[second] = append(g.waiting[second], f)
	g.made++
}

// alone draws whether a second direction is left out. Where none is, the flows are those
// of any other draw.
func (g *generator) alone() bool { return g.o.Alone > 0 && g.r.Float64() < g.o.Alone }

// talk is a conversation.
type talk struct {
	c              *client
	at, duration   int64
	here, there    [16]byte
	nat            [16]byte
	sport, dport   uint16
	natPort        uint16
	proto          uint8
	sent, received float64 // bytes of content
	flags, answer  uint8   // answer 0xff: there is none
	tos            uint8
	inbound        bool
	rtt            int64
}

// add puts both directions of a conversation, cut at the active timeout.
func (g *generator) add(t talk) {
	parts := t.duration/60000 + 1
	for p := range parts {
		g.piece(&t, p, parts)
	}
}

func (g *generator) piece(t *talk, p, parts int64) {
	d := max(min(60000, t.duration-p*60000), 0)
	if p < parts-1 {
		d -= int64(g.r.IntN(900))
	}
	sent, received := uint64(t.sent), uint64(t.received)
	if parts > 1 {
		sent = uint64(t.sent / float64(parts) * (.7 + .6*g.r.Float64()))
		received = uint64(t.received / float64(parts) * (.7 + .6*g.r.Float64()))
	}
	packets, back, header := g.packets(t, sent, received)
	flags, answer := t.flags, t.answer
	if parts > 1 && p > 0 && p < parts-1 {
		flags, answer = 0x18, 0x18
	}
	if t.proto != 6 && answer != 0xff {
		flags, answer = 0, 0
	}
	start, later := t.at+p*60000, t.rtt
	if p > 0 {
		later = int64(g.r.IntN(40))
	}
	d2 := d
	if d > 0 {
		d2 = max(0, d-later+int64(g.r.IntN(3))*t.rtt/2)
	}
	there := Flow{
		Start: start, Src: t.here, Dst: t.there, SrcPort: t.sport, DstPort: t.dport, Bytes: sent + uint64(packets)*header, Packets: packets,
		Proto: t.proto, Flags: flags, ToS: t.tos, Exporter: t.c.exporter, InIf: t.c.iface, OutIf: 1,
	}
	back2 := Flow{
		Start: start + later, Src: t.there, Dst: t.here, SrcPort: t.dport, DstPort: t.sport, Bytes: received + uint64(back)*header, Packets: back,
		Proto: t.proto, Flags: answer, Exporter: t.c.exporter, InIf: 1, OutIf: t.c.iface,
	}
	if t.inbound {
		there.Src, there.Dst = t.there, t.here
		back2.Src, back2.Dst = t.here, t.there
		there.InIf, there.OutIf, back2.InIf, back2.OutIf = 1, t.c.iface, t.c.iface, 1
	} else if t.nat != none {
		there.NATSrc, there.NATSrcPort = t.nat, t.natPort
		back2.Dst, back2.DstPort, back2.NATDst, back2.NATDstPort = t.nat, t.natPort, t.here, t.sport
	}
	g.put(there, d)
	if t.answer != 0xff && !g.alone() {
		g.put(back2, d2)
	}
}

func (g *generator) packets(t *talk, sent, received uint64) (there, back uint32, header uint64) {
	if t.proto != 6 {
		there, back = uint32(1+sent/1250), uint32(1+received/1250)
		if received > 5000 {
			there += uint32(received / 3000)
		}
		return there, back, 28
	}
	if t.sent == 0 && t.received == 0 {
		return 1, 1, 40
	}
	return uint32(3 + sent/1380 + received/2760 + received/1380*g.r.Uint64N(2)/4), uint32(2 + received/1380 + sent/2760), 52
}

func (c *client) ephemeral(g *generator) uint16 {
	if !c.sequential {
		return uint16(32768 + g.r.IntN(28232))
	}
	if c.port += uint16(1 + g.r.IntN(3)); c.port < 32768 || c.port > 60999 {
		c.port = 32768
	}
	return c.port
}

func (g *generator) normal(mean, deviation float64) float64 {
	return math.Exp(g.r.NormFloat64()*deviation + mean)
}

// minute makes what begins in a minute of the day.
func (g *generator) minute(m int) {
	want := 0.0
	for i := range m + 1 {
		want += g.load[i]
	}
	for end := int(float64(g.o.Flows) * want / g.total); g.made < end; {
		at := g.base + int64(m)*60000 + int64(g.r.IntN(60000))
		switch x := g.r.Float64(); {
		case x < .37:
			g.scan(at)
		case x < .44:
			g.serve(at)
		default:
			g.act(at)
		}
	}
}

// scan is background radiation: a scanner sweeps a few addresses, mostly unanswered.
func (g *generator) scan(at int64) {
	src := g.e4[g.r.IntN(len(g.e4))]
	if g.r.Float64() < .15 {
		src = g.e4[5000+g.r.IntN(3000)]
	}
	port := []uint16{23, 22, 3389, 445, 8080, 5060, 6379, 2323, 80, 443}[g.r.IntN(10)]
	sport, size := uint16(1024+g.r.IntN(64512)), uint64(40+4*g.r.IntN(6))
	g.scans++
	c := &g.clients[g.scans*7%insiders]
	for j := range 1 + g.r.IntN(3) {
		dst := v4(147<<24 | 32<<16 | uint32((g.scans*5+j)%(1<<14)))
		g.put(Flow{
			Start: at + int64(j), Src: src, Dst: dst, SrcPort: sport, DstPort: port, Bytes: size, Packets: 1, Proto: 6, Flags: 2,
			Exporter: c.exporter, InIf: 1, OutIf: c.iface,
		}, 0)
		if g.r.IntN(6) == 0 && !g.alone() {
			g.put(Flow{
				Start: at + int64(j) + 1, Src: dst, Dst: src, SrcPort: port, DstPort: sport, Bytes: 40, Packets: 1, Proto: 6, Flags: 0x14,
				Exporter: c.exporter, InIf: c.iface, OutIf: 1,
			}, 0)
		}
	}
}

// serve is a call from outside to one of the own servers.
func (g *generator) serve(at int64) {
	c := &g.clients[g.servers[g.r.IntN(len(g.servers))]]
	g.add(talk{
		c: c, at: at, duration: int64(g.normal(6.5, 1.6)), here: c.v4, there: g.e4[g.z4.Uint64()], sport: uint16(1024 + g.r.IntN(64512)),
		dport: []uint16{443, 443, 443, 25, 80, 22, 993}[g.r.IntN(7)], proto: 6, sent: g.normal(6.5, 1.2), received: g.normal(8.5, 1.8),
		flags: 0x1b, answer: 0x1b, inbound: true, rtt: int64(1 + g.r.IntN(2)),
	})
}

// act is a client's burst of look-ups and connections.
func (g *generator) act(at int64) {
	c := &g.clients[g.zc.Uint64()]
	for range 1 + g.r.IntN(12) {
		at += int64(g.r.ExpFloat64() * 150)
		t := talk{c: c, at: at, here: c.v4, sport: c.ephemeral(g)}
		six := g.r.Float64() < .11
		favourite := int(math.Abs(g.r.NormFloat64()) * 8)
		switch {
		case six && favourite < 24:
			t.there = g.e6[c.fav6[favourite]]
		case six:
			t.there = g.e6[g.z6.Uint64()]
		case favourite < 20:
			t.there = g.e4[c.fav4[favourite]]
		default:
			t.there = g.e4[g.z4.Uint64()]
		}
		if six {
			t.here = c.v6
		} else if c.behindNAT {
			t.nat, t.natPort = c.nat, t.sport
			if g.r.IntN(5) == 0 {
				t.natPort = uint16(1024 + g.r.IntN(64512))
			}
		}
		t.rtt = int64(2 + hash(uint64(t.there[13])<<8|uint64(t.there[12]))%60 + g.r.Uint64N(4))
		if g.r.IntN(15) == 0 {
			t.tos = []uint8{0x28, 0x48, 0xb8, 2}[g.r.IntN(4)]
		}
		g.service(&t, six)
		g.add(t)
	}
}

// service decides what a client does.
func (g *generator) service(t *talk, six bool) {
	switch y := g.r.Float64(); {
	case y < .26: // DNS to a few resolvers, from random ports
		t.there = g.e4[[]int{1, 1, 1, 2, 3, 5}[g.r.IntN(6)]]
		if six {
			t.there = g.e6[1+g.r.IntN(3)]
		}
		t.sport = uint16(1024 + g.r.IntN(64512))
		t.natPort, t.dport, t.proto = t.sport, 53, 17
		t.sent, t.received = float64(28+g.r.IntN(36)), float64(44+g.r.IntN(280))
	case y < .28:
		t.sport, t.dport, t.proto, t.sent, t.received, t.tos = 123, 123, 17, 48, 48, 0xb8
	case y < .295:
		t.sport, t.dport, t.proto, t.sent, t.received, t.duration = 0, 2048, 1, 56, 56, int64(g.r.IntN(4))*1000
	case y < .42: // QUIC
		t.dport, t.proto, t.sent, t.received, t.duration = 443, 17, g.normal(8, 1.2), g.normal(9.5, 2), int64(g.normal(7.5, 2))
	case y < .46: // keepalives have fixed sizes
		t.dport, t.proto, t.sent, t.received, t.duration, t.flags, t.answer = 443, 6, 39, 39, 45000, 0x18, 0x18
	case y < .50: // a SYN without an answer
		t.dport, t.proto, t.duration, t.flags, t.answer = uint16(1024+g.r.IntN(64512)), 6, 3000, 2, 0xff
	default:
		g.connect(t, six)
	}
}

func (g *generator) connect(t *talk, six bool) {
	t.proto = 6
	t.dport = []uint16{443, 443, 443, 443, 443, 443, 443, 443, 80, 80, 22, 993, 5228, 8443, 445, 3389}[g.r.IntN(16)]
	if g.r.IntN(11) == 0 { // peer to peer: anyone
		t.dport = uint16(1024 + g.r.IntN(64512))
		if six {
			t.there = g.e6[g.r.IntN(len(g.e6))]
		} else {
			t.there = g.e4[g.r.IntN(len(g.e4))]
		}
	}
	t.flags, t.answer = []uint8{0x1b, 0x1b, 0x1b, 0x1b, 0x1f, 0x1a}[g.r.IntN(6)], 0x1b
	if t.flags == 0x1a {
		t.answer = 0x1a
	}
	t.duration = int64(g.normal(6.8, 2))
	if g.r.IntN(120) == 0 {
		t.duration = int64(60000 * (1 + g.r.ExpFloat64()*15))
	}
	t.duration = min(t.duration, 4*3600*1000)
	t.sent, t.received = g.normal(6.9, 1.1), g.normal(8.7, 2)
}

// countries gives every network a country, by Zipf's law.
type countries struct {
	codes  [240][2]byte
	weight [240]float64
}

// Countries returns what tells the country of an address.
func Countries() func(address [16]byte) [2]byte {
	c := &countries{}
	c.init()
	return c.of
}

func (c *countries) init() {
	const first = "USNLDEIEGBFRCNJPRUSGSEPL"
	total := 0.0
	for i := range c.codes {
		c.codes[i] = [2]byte{byte('A' + i/26), byte('A' + i%26)}
		if i*2 < len(first) {
			copy(c.codes[i][:], first[i*2:])
		}
		total += 1 / math.Pow(float64(i)+1, 1.1)
		c.weight[i] = total
	}
}

func (c *countries) of(a [16]byte) [2]byte {
	h := hash(uint64(binary.BigEndian.Uint32(a[:])) + 77)
	if a[10] == 0xff && a[0] == 0 {
		if a[12] == 10 {
			return [2]byte{'x', 'p'}
		}
		h = hash(uint64(a[12])<<8 | uint64(a[13]))
	}
	f := float64(h>>11) / (1 << 53)
	return c.codes[sort.SearchFloat64s(c.weight[:], f*c.weight[len(c.weight)-1])]
}
