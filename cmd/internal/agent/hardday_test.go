package agent_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/plugin/hit"
)

// hardMix is what a day holds of each ingredient.
type hardMix struct {
	name string
	seed uint64

	peers, relays      int // hosts that share files; hosts that relay for strangers
	contentNetworks    int // listed addresses that half of all hosts use
	timeServers        int
	guessers, sshHosts int // who guesses passwords, and at how many servers
	webScanners        int
	webHosts           int
	senders, resolved  int // who sends mail to us; listed servers that our resolver asks
	mailOut            int // listed servers that ours sends mail to
	probes             int
	beacons            int // planted
	outbreak           int // hosts with the same controller, each planted
	crawlers           int // listed addresses that read our pages all day, unserved

	// edgeLate is how much later edge tells of everything than core does, below 0
	// earlier, as its timeouts have it; edgePiece is its active timeout.
	edgeLate, edgePiece time.Duration
	samePeerPort        bool // all who share files use one port
}

// hardMixes are the days. The first is the one whose numbers are told of. Each host with
// a controller is ten high lines, as the window grows, so there are no more of them where
// there is more of other things.
var hardMixes = []hardMix{
	{name: "office", seed: 17, peers: 4, contentNetworks: 1, timeServers: 4, guessers: 300, sshHosts: 1, webScanners: 250, webHosts: 4, senders: 400, resolved: 70, probes: 15_000, beacons: 6, edgePiece: activeTime},
	{name: "campus", seed: 23, peers: 14, relays: 1, contentNetworks: 2, timeServers: 8, guessers: 200, sshHosts: 6, webScanners: 150, webHosts: 3, senders: 200, resolved: 200, probes: 15_000, beacons: 5, edgeLate: 9 * time.Second, edgePiece: activeTime},
	{name: "hosting", seed: 42, peers: 2, relays: 3, contentNetworks: 1, timeServers: 2, guessers: 900, sshHosts: 14, webScanners: 900, webHosts: 16, senders: 900, resolved: 150, mailOut: 60, probes: 60_000, beacons: 2, outbreak: 2, crawlers: 120, edgeLate: -12 * time.Second, edgePiece: 5 * time.Minute},
	{name: "branches", seed: 99, peers: 6, contentNetworks: 2, timeServers: 6, guessers: 500, sshHosts: 3, webScanners: 400, webHosts: 4, senders: 600, resolved: 90, mailOut: 25, probes: 30_000, beacons: 3, crawlers: 40, edgeLate: -20 * time.Second, edgePiece: 2 * time.Minute, samePeerPort: true},
}

// hardDay is a day of a thousand hosts as three exporters tell of it: core (v9) sees
// the inside, dist (v5) half of that again, edge (IPFIX) the outside of the address
// translation, with a clock that is 40 s slow. It holds what makes noise in real
// networks, and planted compromises among it.
type hardDay struct {
	hardMix
	dir    string
	start  time.Time
	rand   *rand.Rand
	lists  map[string][]netip.Addr
	free   int // listed addresses given out
	single int // hosts with a plant of their own given out

	records []hardRecord
	plants  []hardPlant
	listed  int // records with a listed address
}

// hardPlant is one compromise, and what must be said of it.
type hardPlant struct {
	name          string
	local, remote netip.Addr
	severity      hit.Severity
	bytes         uint64 // truth of the whole day, 0: not to be compared
	regular       bool   // it calls like a clock
	shared        bool   // it may be said by a key that many share
}

// hardRecord is a flow record at the moment an exporter sends it.
type hardRecord struct {
	at   time.Time
	from int // exporter: core, dist, edge
	f    dayFlow
}

const (
	core, dist, edge = 0, 1, 2

	hardHosts  = 1000
	activeTime = time.Minute
)

var (
	hardNAT = netip.MustParsePrefix("203.0.113.0/28")
	// The servers have public addresses of their own.
	hardWeb, hardMail, hardDNS, hardSSH = host("203.0.113.64", 0), host("203.0.113.64", 8), host("203.0.113.64", 16), host("203.0.113.64", 24)
)

func (d *hardDay) host(n int) netip.Addr { return host("10.1.0.0", 1+n) }

// bad returns a fresh address on a list. The networks for documentation are too small
// for them, and feeds take no special-use address.
func (d *hardDay) bad(list string) netip.Addr {
	d.free++
	a := host("33.33.0.0", 256+d.free)
	d.lists[list] = append(d.lists[list], a)
	return a
}

// victim returns a host that nothing else is about.
func (d *hardDay) victim() netip.Addr {
	d.single++
	return d.host(hardHosts - d.single)
}

func (d *hardDay) at() time.Time {
	return d.start.Add(5*time.Minute + time.Duration(d.rand.Int64N(int64(23*time.Hour+40*time.Minute))))
}

// talk is one conversation.
type talk struct {
	from, to     netip.Addr
	sport, dport uint16
	proto        uint8
	start        time.Time
	lasts        time.Duration
	sent, got    uint64 // bytes by the opener and by the other; got 0: no answer
	attempt      bool   // of TCP: a SYN that nobody answers
	oneway       bool   // asymmetric routes: core sees what goes out, edge what comes in
}

func (d *hardDay) talk(t talk) {
	if t.proto == 0 {
		t.proto = protoTCP
	}
	if t.sport == 0 {
		t.sport = uint16(33000 + d.rand.IntN(28000))
	}
	inside := t.from
	if !inside.Is4() || inside.As4()[0] != 10 {
		inside = t.to
	}
	local := inside.As4()
	switch {
	case t.oneway:
		d.half(core, t, true)
		d.half(edge, t, false)
	case local[0] != 10: // a server with a public address
		d.both(core, t)
		d.both(edge, t)
	default:
		d.both(core, t)
		if local[3]%2 == 0 {
			d.both(dist, t)
		}
		n := t
		public := host("203.0.113.0", int(local[3])%14+1)
		if t.from == inside {
			n.from, n.sport = public, uint16(1024+(int(t.sport)*7+int(local[3]))%64000)
		} else {
			n.to = public
		}
		d.both(edge, n)
	}
}

func (d *hardDay) both(by int, t talk) {
	d.half(by, t, true)
	if t.got > 0 {
		d.half(by, t, false)
	}
}

// half exports what one side sent, in pieces of the active timeout.
func (d *hardDay) half(by int, t talk, opener bool) {
	bytes, f := t.sent, dayFlow{src: t.from, dst: t.to, sport: t.sport, dport: t.dport, proto: t.proto}
	if !opener {
		bytes, f.src, f.dst, f.sport, f.dport = t.got, t.to, t.from, t.dport, t.sport
	}
	start := t.start
	if !opener {
		start = start.Add(20 * time.Millisecond)
	}
	piece, late := activeTime, time.Duration(0)
	if by == edge {
		piece, late = d.edgePiece, d.edgeLate
	} else if d.edgeLate < 0 {
		late = -d.edgeLate
	}
	pieces := int(math.Ceil(max(float64(t.lasts)/float64(piece), 1)))
	for i := range pieces {
		from := start.Add(time.Duration(i) * piece)
		end := start.Add(min(time.Duration(i+1)*piece, t.lasts))
		f.start, f.end = from, end
		f.bytes = uint32(bytes / uint64(pieces))
		f.packets = max(f.bytes/900, 2)
		at := end.Add(max(late, 0) + time.Duration(d.rand.Int64N(int64(900*time.Millisecond))))
		switch {
		case t.proto != protoTCP:
			f.packets = max(f.bytes/900, 1)
			at = at.Add(15 * time.Second)
		case t.attempt:
			f.flags, f.packets, f.bytes = flagsSYN, 1, 60
			at = at.Add(15 * time.Second)
		case i == 0 && pieces == 1:
			f.flags = flagsData
		case i == 0:
			f.flags = 0x1a
		default:
			f.flags = 0x18
		}
		d.records = append(d.records, hardRecord{at, by, f})
		d.listed++
	}
}

func (d *hardDay) plant(name string, local, remote netip.Addr, s hit.Severity) *hardPlant {
	d.plants = append(d.plants, hardPlant{name: name, local: local, remote: remote, severity: s})
	return &d.plants[len(d.plants)-1]
}

// newHardDay plans a day.
func newHardDay(dir string, mix hardMix) *hardDay {
	d := &hardDay{hardMix: mix, dir: dir, rand: rand.New(rand.NewPCG(mix.seed, 2)), lists: map[string][]netip.Addr{}, start: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)}
	for _, fill := range []func(){
		d.ordinary, d.askTime, d.contentNetwork, d.beacons, d.exfiltration, d.worm, d.spamBot, d.bruteForce,
		d.webScans, d.mailServer, d.nameServer, d.peerToPeer, d.relay, d.scans, d.asymmetric, d.singles, d.blocked, d.infected, d.crawled,
	} {
		fill()
	}
	return d
}

func (d *hardDay) ordinary() {
	listed := d.listed
	for range 8000 {
		d.talk(talk{from: d.host(d.rand.IntN(hardHosts)), to: host("198.51.100.0", d.rand.IntN(250)), dport: 443, start: d.at(), lasts: time.Second, sent: 2000, got: 20_000})
	}
	d.listed = listed
}

// askTime: some of a pool are on a list, and a third of the hosts ask them.
func (d *hardDay) askTime() {
	for range d.timeServers {
		server := d.bad("other-60")
		for n := range 90 {
			h, every := d.host(d.rand.IntN(800)), time.Duration(1024)*time.Second
			port := []uint16{123, 0}[n%2]
			for t := d.start.Add(time.Duration(d.rand.Int64N(int64(every)))); t.Before(d.start.Add(23 * time.Hour)); t = t.Add(every * 4) {
				d.talk(talk{from: h, to: server, sport: port, dport: 123, proto: protoUDP, start: t, lasts: 10 * time.Millisecond, sent: 76, got: 76})
			}
		}
	}
}

// contentNetwork: shared addresses that some list calls phishing, some malware.
func (d *hardDay) contentNetwork() {
	for n := range d.contentNetworks {
		cdn := d.bad([]string{"phishing-70", "malware-60"}[n%2])
		for range 500 {
			h := d.host(d.rand.IntN(800))
			for range 1 + d.rand.IntN(6) {
				d.talk(talk{from: h, to: cdn, dport: 443, start: d.at(), lasts: time.Duration(1+d.rand.IntN(20)) * time.Second, sent: 3000, got: uint64(10_000 + d.rand.IntN(400_000))})
			}
		}
	}
}

func (d *hardDay) beacons() {
	for i, b := range []struct {
		every  time.Duration
		jitter float64
	}{{time.Minute, 0.2}, {5 * time.Minute, 0}, {5 * time.Minute, 0.5}, {15 * time.Minute, 0.3}, {time.Hour, 0.1}, {10 * time.Minute, 0.4}}[:d.hardMix.beacons] {
		h, c2 := d.victim(), d.bad("c2-90")
		p := d.plant(fmt.Sprintf("beacon %d, every %v with %.0f%%", i, b.every, 100*b.jitter), h, c2, hit.Critical)
		p.regular = true
		for t := d.start.Add(time.Duration(d.rand.Int64N(int64(b.every)))); t.Before(d.start.Add(23*time.Hour + 50*time.Minute)); {
			d.talk(talk{from: h, to: c2, dport: 443, start: t, lasts: 600 * time.Millisecond, sent: 612, got: 1340})
			p.bytes += 612 + 1340
			t = t.Add(time.Duration(float64(b.every) * (1 + b.jitter*(2*d.rand.Float64()-1))))
		}
	}
}

func (d *hardDay) exfiltration() {
	h, to := d.victim(), d.bad("other-60")
	p := d.plant("slow exfiltration", h, to, hit.High)
	for t := d.start.Add(10 * time.Minute); t.Before(d.start.Add(23*time.Hour + 30*time.Minute)); t = t.Add(8*time.Minute + time.Duration(d.rand.IntN(60))*time.Second) {
		d.talk(talk{from: h, to: to, dport: 443, start: t, lasts: 20 * time.Second, sent: 900_000, got: 22_000})
		p.bytes += 922_000
	}
	h, to = d.victim(), d.bad("anonymizer-60")
	d.plant("upload in one piece", h, to, hit.High).bytes = 303_000_000
	d.talk(talk{from: h, to: to, dport: 9001, start: d.at().Add(-20 * time.Minute), lasts: 15 * time.Minute, sent: 300_000_000, got: 3_000_000})
}

func (d *hardDay) worm() {
	h := d.victim()
	d.plant("worm", h, netip.Addr{}, hit.High).shared = true
	t := d.at().Add(-2 * time.Hour)
	for i := range 2000 {
		to := host("198.51.100.0", d.rand.IntN(250))
		if i%33 == 0 {
			to = d.bad("scanner-60")
		}
		t = t.Add(time.Duration(d.rand.IntN(3000)) * time.Millisecond)
		listed := d.listed
		d.talk(talk{from: h, to: to, dport: 445, start: t, attempt: true, sent: 60})
		if i%33 != 0 {
			d.listed = listed
		}
	}
}

func (d *hardDay) spamBot() {
	h := d.victim()
	d.plant("spam bot", h, netip.Addr{}, hit.High).shared = true
	t := d.at().Add(-4 * time.Hour)
	for range 45 {
		t = t.Add(time.Duration(d.rand.IntN(240)) * time.Second)
		d.talk(talk{from: h, to: d.bad("spam-60"), dport: 25, start: t, lasts: 4 * time.Second, sent: 14_000, got: 900})
	}
}

// bruteForce: attackers guess passwords, one of them all night, and gets in.
func (d *hardDay) bruteForce() {
	guess := func(from, to netip.Addr, at time.Time) {
		d.talk(talk{from: from, to: to, dport: 22, start: at, lasts: time.Duration(2+d.rand.IntN(5)) * time.Second, sent: 1900, got: 3200})
	}
	for range d.guessers {
		from, to, t := d.bad("bruteforce-60"), host(hardSSH.String(), d.rand.IntN(d.sshHosts)), d.at().Add(-time.Hour)
		for range 3 + d.rand.IntN(20) {
			guess(from, to, t)
			t = t.Add(time.Duration(10+d.rand.IntN(200)) * time.Second)
		}
	}
	from, t := d.bad("bruteforce-60"), d.start.Add(2*time.Hour)
	d.plant("brute force that succeeds", hardSSH, from, hit.High)
	for range 2000 {
		guess(from, hardSSH, t)
		t = t.Add(time.Duration(4000+d.rand.IntN(3000)) * time.Millisecond)
	}
	d.talk(talk{from: from, to: hardSSH, dport: 22, start: t.Add(time.Minute), lasts: 40 * time.Minute, sent: 60_000, got: 12_000 + 300_000})
}

func (d *hardDay) webScans() {
	for i := range d.webScanners {
		from := d.bad("scanner-60")
		for range 2 + d.rand.IntN(8) {
			web := d.web()
			d.talk(talk{from: from, to: web, dport: 443, start: d.at(), lasts: time.Second, sent: 900, got: uint64(2000 + d.rand.IntN(4000))})
		}
		if i < 2 {
			d.plant("scanner that was served", hardWeb, from, hit.High)
			d.talk(talk{from: from, to: hardWeb, dport: 443, start: d.at(), lasts: 9 * time.Second, sent: 30_000, got: 2_000_000})
		}
	}
}

// web returns one of the web servers.
func (d *hardDay) web() netip.Addr {
	n := d.rand.IntN(d.webHosts)
	if n >= 4 { // the first four stand before the mail server
		n += 56
	}
	return host(hardWeb.String(), n)
}

// mailServer: strangers send mail to ours, and ours sends to strangers.
func (d *hardDay) mailServer() {
	for range d.mailOut {
		to := d.bad("spam-60")
		for range 1 + d.rand.IntN(5) {
			d.talk(talk{from: hardMail, to: to, dport: 25, start: d.at(), lasts: 3 * time.Second, sent: uint64(3000 + d.rand.IntN(30_000)), got: 900})
		}
	}
	for range d.senders {
		from := d.bad("spam-60")
		for range 1 + d.rand.IntN(4) {
			d.talk(talk{from: from, to: hardMail, dport: 25, start: d.at(), lasts: 4 * time.Second, sent: uint64(3000 + d.rand.IntN(30_000)), got: 800})
		}
	}
}

func (d *hardDay) nameServer() {
	for range 150 {
		from := d.bad("scanner-60")
		for range 1 + d.rand.IntN(5) {
			d.talk(talk{from: from, to: hardDNS, dport: 53, proto: protoUDP, start: d.at(), sent: 70, got: 300})
		}
	}
	for range d.resolved {
		to := d.bad("other-60")
		for range 1 + d.rand.IntN(6) {
			d.talk(talk{from: hardDNS, to: to, dport: 53, proto: protoUDP, start: d.at(), sent: 70, got: 240})
		}
	}
}

func (d *hardDay) peerToPeer() {
	lists := []string{"other-60", "scanner-60", "anonymizer-60", "spam-60"}
	for range d.peers {
		h := d.victim()
		for i := range 160 {
			peer := d.bad(lists[d.rand.IntN(len(lists))])
			for range 1 + d.rand.IntN(3) {
				t := talk{from: h, to: peer, sport: 51413, dport: uint16(10_000 + d.rand.IntN(50_000)), proto: protoUDP, start: d.at(), lasts: 3 * time.Second, sent: uint64(300 + d.rand.IntN(40_000)), got: uint64(300 + d.rand.IntN(90_000))}
				if d.samePeerPort && i%2 == 0 {
					t.dport = 6881
				}
				if i%3 == 0 {
					t.proto, t.sport = protoTCP, 0
				}
				if i%5 == 0 { // the peer calls
					t.from, t.to, t.sport, t.dport = t.to, t.from, uint16(10_000+d.rand.IntN(50_000)), 51413
				}
				d.talk(t)
			}
		}
	}
}

// relay: hosts that relay for strangers, called by many and calling many.
func (d *hardDay) relay() {
	for range d.relays {
		h := d.victim()
		for i := range 300 {
			t := talk{from: h, to: d.bad("anonymizer-60"), dport: []uint16{9001, 443, 9030}[i%3], start: d.at(), lasts: time.Duration(1+d.rand.IntN(600)) * time.Second, sent: uint64(5000 + d.rand.IntN(900_000)), got: uint64(5000 + d.rand.IntN(900_000))}
			if i%2 == 0 {
				t.from, t.to, t.dport = t.to, t.from, 9001
			}
			d.talk(t)
		}
	}
}

// infected: several hosts call one controller.
func (d *hardDay) infected() {
	if d.outbreak == 0 {
		return
	}
	c2 := d.bad("c2-90")
	for n := range d.outbreak {
		h := d.victim()
		p := d.plant(fmt.Sprintf("outbreak %d", n), h, c2, hit.Critical)
		p.bytes = 30 * 4000
		for i := range 30 {
			d.talk(talk{from: h, to: c2, dport: 4443, start: d.start.Add(2*time.Hour + time.Duration(i)*40*time.Minute), lasts: time.Second, sent: 1500, got: 2500})
		}
	}
}

// crawled: listed addresses read pages of our web servers all day.
func (d *hardDay) crawled() {
	for range d.crawlers {
		from := d.bad("other-60")
		for range 5 + d.rand.IntN(30) {
			d.talk(talk{from: from, to: d.web(), dport: 443, start: d.at(), lasts: time.Second, sent: 900, got: uint64(2000 + d.rand.IntN(17_000))})
		}
	}
}

// scans are the noise of the internet, at the servers.
func (d *hardDay) scans() {
	var from []netip.Addr
	for range 250 {
		from = append(from, d.bad("scanner-60"))
	}
	for range d.probes {
		d.talk(talk{from: from[d.rand.IntN(len(from))], to: host("203.0.113.64", d.rand.IntN(64)), dport: dayProbed[min(d.rand.IntN(len(dayProbed)), d.rand.IntN(len(dayProbed)))], start: d.at(), attempt: true, sent: 60})
	}
}

func (d *hardDay) asymmetric() {
	for i := range 4 {
		h, to := host("203.0.113.64", 40+i), d.bad("malware-60")
		d.plant("asymmetric routes", h, to, hit.High).bytes = 36_000
		d.talk(talk{from: h, to: to, dport: 8443, start: d.at(), lasts: 3 * time.Second, sent: 4000, got: 32_000, oneway: true})
	}
}

// singles are conversations that nothing else hides.
func (d *hardDay) singles() {
	for _, s := range []struct {
		list     string
		severity hit.Severity
	}{{"c2-90", hit.Critical}, {"malware-60", hit.High}, {"botnet-60", hit.High}, {"phishing-70", hit.High}, {"bruteforce-60", hit.Medium}, {"anonymizer-60", hit.Medium}, {"other-60", hit.Medium}, {"scanner-60", hit.Medium}} {
		for range 2 {
			h, to := d.victim(), d.bad(s.list)
			d.plant("one conversation with "+s.list, h, to, s.severity).bytes = 21_500
			d.talk(talk{from: h, to: to, dport: 443, start: d.at(), lasts: 5 * time.Second, sent: 1500, got: 20_000})
		}
	}
}

// blocked: a host whose controller the firewall keeps it from.
func (d *hardDay) blocked() {
	h, c2 := d.victim(), d.bad("c2-90")
	d.plant("controller that cannot be reached", h, c2, hit.High)
	for t := d.start.Add(time.Hour); t.Before(d.start.Add(23 * time.Hour)); t = t.Add(10 * time.Minute) {
		d.talk(talk{from: h, to: c2, dport: 8080, start: t, attempt: true, sent: 60})
	}
}

// feeds writes the lists.
func (d *hardDay) feeds() (out []feed.Source, err error) {
	for _, l := range []struct {
		category   intel.Category
		confidence int
	}{{intel.C2, 90}, {intel.Malware, 60}, {intel.Botnet, 60}, {intel.Phishing, 70}, {intel.Bruteforce, 60}, {intel.Scanner, 60}, {intel.Spam, 60}, {intel.Anonymizer, 60}, {intel.Other, 60}} {
		name := fmt.Sprintf("%s-%d", l.category, l.confidence)
		var b []byte
		for _, a := range d.lists[name] {
			b = append(a.AppendTo(b), '\n')
		}
		path := filepath.Join(d.dir, name+".txt")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return nil, err
		}
		out = append(out, feed.Source{Name: name, Type: feed.List, Format: "plain", Path: path, Category: l.category, HasCategory: true, Confidence: l.confidence})
	}
	return out, nil
}
