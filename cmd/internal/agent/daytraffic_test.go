package agent_test

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/flowhound/flowhound/cmd/internal/intel"
	"github.com/flowhound/flowhound/cmd/internal/intel/feed"
	"github.com/flowhound/flowhound/plugin/hit"
)

// What a day holds. The numbers of the plants follow from the tables below.
const (
	dayOrdinary = 200_000 // flow records that no list knows
	dayProbes   = 120_000 // SYNs of listed scanners that nobody answers
	dayScanners = 250     // that send them
	dayBeacons  = 288     // every five minutes
)

// day is what writeDay wrote, as planned and not as anything measured it.
type day struct {
	Capture string         // path of the pcap
	Feeds   []feed.Source  // with paths that are there
	Local   []netip.Prefix // the own networks
	Start   time.Time      // of the 24 hours

	Records    int // flow records
	HitRecords int // those with a listed address on one side

	// Beacon is the host that calls its controller every five minutes; its
	// conversations are two records each.
	Beacon  dayPlant
	Planted []dayPlant
}

// dayPlant is one compromise and what has to be said of it.
type dayPlant struct {
	Local, Remote netip.Addr
	Category      intel.Category
	Score         int
	Direction     hit.Direction
	State         hit.State
	// Severity is the highest that its lines reach: of two records that are one
	// conversation, the first alone may tell less.
	Severity hit.Severity
	Records  int
	Column   string // how it was planted, for messages
}

// dayColumn is a column of the severity table, or a case within one.
type dayColumn struct {
	name      string
	direction hit.Direction
	state     hit.State
	proto     uint8
	service   uint16 // port of the responder
	// severity is what a score of 80 and more, and one of 50 and more, gives for
	// the four rows of dayRows.
	certain, likely [4]hit.Severity
}

// dayRows are the rows of the severity table.
var dayRows = [4][]intel.Category{
	{intel.C2, intel.Malware, intel.Botnet},
	{intel.Phishing},
	{intel.Scanner, intel.Bruteforce, intel.DDoS},
	{intel.Spam, intel.Anonymizer, intel.Policy, intel.Other},
}

const (
	protoTCP, protoUDP = 6, 17
	flagsSYN           = 0x02
	flagsData          = 0x1b // FIN SYN PSH ACK: a whole connection
)

func dayColumns() []dayColumn {
	const i, l, m, h, c = hit.Info, hit.Low, hit.Medium, hit.High, hit.Critical
	type row = [4]hit.Severity
	return []dayColumn{
		{"outbound established", hit.Outbound, hit.Established, protoTCP, 443, row{c, h, m, m}, row{h, h, m, m}},
		{"outbound attempt", hit.Outbound, hit.Attempt, protoTCP, 443, row{h, m, l, l}, row{h, m, l, l}},
		{"outbound, only the answer seen", hit.Outbound, hit.Unknown, protoUDP, 53, row{h, m, l, l}, row{h, m, l, l}},
		{"inbound established on a service port", hit.Inbound, hit.Established, protoTCP, 22, row{h, m, h, l}, row{h, m, h, l}},
		{"inbound established on another port", hit.Inbound, hit.Established, protoTCP, 47123, row{h, m, m, l}, row{h, m, m, l}},
		{"inbound attempt", hit.Inbound, hit.Attempt, protoTCP, 3389, row{l, i, i, i}, row{l, i, i, i}},
	}
}

// dayScores are one confidence for each rule about scores: 80 and more, 50 and
// more, below 50.
var dayScores = []int{90, 60, 40}

// severity returns what a hit of the column and the row's category has to have.
func (c dayColumn) severity(row, score int) hit.Severity {
	switch {
	case score >= 80:
		return c.certain[row]
	case score >= 50:
		return c.likely[row]
	default:
		return max(c.likely[row], hit.Info+1) - 1
	}
}

// dayPlan collects the flows of a day before they are exported.
type dayPlan struct {
	day
	rand  *rand.Rand
	flows map[string][]dayFlow // by name of the exporter
	lists map[string][]netip.Addr
}

// The exporters by name. v5 knows no IPv6.
func dayExporters() map[string]*dayExporter {
	return map[string]*dayExporter{
		"v5":     {addr: netip.MustParseAddr("192.0.2.1"), version: 5},
		"v9":     {addr: netip.MustParseAddr("192.0.2.2"), version: 9},
		"ipfix":  {addr: netip.MustParseAddr("192.0.2.3"), version: 10},
		"biflow": {addr: netip.MustParseAddr("192.0.2.4"), version: 10, biflow: true},
	}
}

// writeDay writes a day's capture and the lists that know its remote addresses
// into dir. It is the same day every time.
func writeDay(dir string) (*day, error) {
	p := &dayPlan{
		rand:  rand.New(rand.NewPCG(20261123, 1)),
		flows: make(map[string][]dayFlow),
		lists: make(map[string][]netip.Addr),
	}
	p.Start = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for _, s := range []string{
		"10.10.0.0/16", "2001:db8:10::/48", // users
		"10.20.0.0/24", "10.21.0.0/24", // servers that are swept
		"10.50.0.0/16", "2001:db8:50::/48", // the compromised
	} {
		p.Local = append(p.Local, netip.MustParsePrefix(s))
	}
	p.ordinary()
	p.innocent()
	p.probes()
	p.beacon()
	p.plants()
	p.Capture = filepath.Join(dir, "day.pcap")
	if err := errors.Join(p.writeLists(dir), p.writeCapture()); err != nil {
		return nil, err
	}
	return &p.day, nil
}

// host returns address n of a network, n below 65536.
func host(network string, n int) netip.Addr {
	b := netip.MustParseAddr(network).AsSlice()
	b[len(b)-2] += byte(n >> 8)
	b[len(b)-1] += byte(n)
	a, _ := netip.AddrFromSlice(b)
	return a
}

// export plans one flow. Of a biflow record rev is part, elsewhere a record of
// its own when it counts anything. It returns the number of records.
func (p *dayPlan) export(exporter string, f dayFlow) int {
	records := []dayFlow{f}
	if exporter != "biflow" && f.revPackets > 0 {
		records = []dayFlow{f, f.reversed()}
		if f.packets == 0 {
			records = records[1:]
		}
	}
	p.flows[exporter] = append(p.flows[exporter], records...)
	p.Records += len(records)
	return len(records)
}

// at returns a time of the day that leaves the flow room to end within it.
func (p *dayPlan) at() time.Time {
	return p.Start.Add(time.Duration(p.rand.Int64N(int64(24*time.Hour-10*time.Minute)) + int64(5*time.Minute)).Truncate(time.Millisecond))
}

func (p *dayPlan) ordinary() {
	for p.Records < dayOrdinary {
		start := p.at()
		f := dayFlow{
			start: start, end: start.Add(time.Duration(p.rand.IntN(20_000)) * time.Millisecond),
			src: host("10.10.0.0", 1+p.rand.IntN(4000)), dst: host("192.0.2.128", p.rand.IntN(120)),
			sport: uint16(32768 + p.rand.IntN(28000)), dport: 443, proto: protoTCP,
			flags: flagsData, packets: 8, bytes: uint32(500 + p.rand.IntN(5000)),
			revFlags: flagsData, revPackets: 9, revBytes: uint32(1000 + p.rand.IntN(50_000)),
		}
		exporter := []string{"v5", "v9", "ipfix"}[p.rand.IntN(3)]
		if exporter != "v5" && p.rand.IntN(3) == 0 {
			f.src, f.dst = host("2001:db8:10::", 1+p.rand.IntN(4000)), host("2001:db8:f00d::", 1+p.rand.IntN(500))
		}
		if p.rand.IntN(3) == 0 {
			f.proto, f.dport, f.flags, f.revFlags, f.packets, f.revPackets = protoUDP, 53, 0, 0, 1, 1
		}
		p.export(exporter, f)
	}
}

// Whom lists name wrongly, see TestDirtyFeeds, and who talks to them all day. The
// lists of the day do not know them.
var dayInnocent = struct{ resolver, router, server, old, gone, stale, neighbour, listed netip.Addr }{
	resolver:  netip.MustParseAddr("8.8.8.8"),
	router:    netip.MustParseAddr("192.0.2.1"), // the exporter of NetFlow v5
	server:    netip.MustParseAddr("10.10.0.5"), // our own
	old:       netip.MustParseAddr("192.0.2.250"),
	gone:      netip.MustParseAddr("192.0.2.251"),
	stale:     netip.MustParseAddr("192.0.2.252"),
	neighbour: netip.MustParseAddr("192.0.2.253"),
	listed:    netip.MustParseAddr("192.0.2.254"),
}

// innocent lets users talk to those.
func (p *dayPlan) innocent() {
	who := dayInnocent
	for i := range 1600 {
		start := p.at()
		p.export([]string{"v5", "v9", "ipfix"}[i%3], dayFlow{
			start: start, end: start.Add(time.Second), src: host("10.10.8.0", 1+i%200),
			dst:   []netip.Addr{who.resolver, who.router, who.server, who.old, who.gone, who.stale, who.neighbour, who.listed}[i%8],
			sport: uint16(33000 + i), dport: 443, proto: protoTCP,
			flags: flagsData, packets: 9, bytes: 900, revFlags: flagsData, revPackets: 9, revBytes: 9000,
		})
	}
}

// dayProbed are the ports that scanners ask for, the most popular first.
var dayProbed = []uint16{
	23, 22, 445, 80, 3389, 8080, 443, 5900, 2323, 1433, 3306, 5060, 6379, 8443, 25, 21,
	110, 143, 5555, 7547, 8545, 9200, 27017, 11211, 2375, 5432, 8728, 8291, 81, 5038,
}

// probes sweeps every address of two networks all day.
func (p *dayPlan) probes() {
	for i := range dayScanners {
		p.lists["scanner-60"] = append(p.lists["scanner-60"], host("198.51.100.0", 1+i))
	}
	for i := range dayProbes {
		start := p.at()
		target := i % 512
		// The smaller of two draws makes the first ports the popular ones.
		port := dayProbed[min(p.rand.IntN(len(dayProbed)), p.rand.IntN(len(dayProbed)))]
		p.HitRecords += p.export([]string{"v5", "v9", "ipfix"}[i%3], dayFlow{
			start: start, end: start, src: p.lists["scanner-60"][p.rand.IntN(dayScanners)],
			dst: host([]string{"10.20.0.0", "10.21.0.0"}[target/256], target%256), sport: uint16(40000 + i%1000), dport: port,
			proto: protoTCP, flags: flagsSYN, packets: 1, bytes: 44,
		})
	}
}

func (p *dayPlan) beacon() {
	p.Beacon = dayPlant{
		Local: host("10.50.200.0", 1), Remote: netip.MustParseAddr("203.0.113.200"), Category: intel.C2, Score: 90,
		Direction: hit.Outbound, State: hit.Established, Severity: hit.Critical, Column: "beacon",
	}
	p.lists["c2-90"] = append(p.lists["c2-90"], p.Beacon.Remote)
	for i := range dayBeacons {
		start := p.Start.Add(time.Duration(i)*5*time.Minute + time.Minute)
		p.Beacon.Records += p.export("v9", dayFlow{
			start: start, end: start.Add(900 * time.Millisecond), src: p.Beacon.Local, dst: p.Beacon.Remote,
			sport: uint16(33000 + i), dport: 443, proto: protoTCP,
			flags: flagsData, packets: 6, bytes: 700, revFlags: flagsData, revPackets: 6, revBytes: 1500,
		})
	}
	p.HitRecords += p.Beacon.Records
}

// plants puts one compromise into every cell of the severity table, for every
// kind of score and both families, each on a host of its own.
func (p *dayPlan) plants() {
	n := 0
	for row, categories := range dayRows {
		for _, category := range categories {
			for i, score := range dayScores {
				n++
				list := fmt.Sprintf("%s-%d", category, score)
				remotes := []netip.Addr{host("203.0.113.0", n), host("2001:db8:bad::", n)}
				p.lists[list] = append(p.lists[list], remotes...)
				for c, column := range dayColumns() {
					if column.state == hit.Attempt && column.direction == hit.Inbound {
						// Inbound attempts fold by category and port: a port for each
						// score keeps the plants apart.
						column.service = []uint16{3389, 5900, 1433}[i]
					}
					v4, v6 := host("10.50.0.0", 256*c+n), host("2001:db8:50::", 256*c+n)
					plant := dayPlant{
						Category: category, Score: score, Direction: column.direction, State: column.state,
						Severity: column.severity(row, score), Column: column.name,
					}
					// Over the three scores and six columns, every format carries every category.
					plant.Local, plant.Remote = v4, remotes[0]
					p.plant(plant, column, []string{"v5", "v9", "ipfix", "biflow"}[(n+c)%4])
					plant.Local, plant.Remote = v6, remotes[1]
					p.plant(plant, column, []string{"v9", "ipfix", "biflow"}[(n+c)%3])
				}
			}
		}
	}
}

// plant plans the one conversation of a plant.
func (p *dayPlan) plant(plant dayPlant, column dayColumn, exporter string) {
	start := p.at()
	f := dayFlow{
		start: start, end: start.Add(3 * time.Second), src: plant.Local, dst: plant.Remote,
		sport: uint16(50000 + p.rand.IntN(10_000)), dport: column.service, proto: column.proto,
	}
	if plant.Direction == hit.Inbound {
		f.src, f.dst = f.dst, f.src
	}
	switch plant.State {
	case hit.Established:
		f.flags, f.packets, f.bytes = flagsData, 12, 4000
		f.revFlags, f.revPackets, f.revBytes = flagsData, 44, 39_000 // more than an error page
	case hit.Attempt:
		f.flags, f.packets, f.bytes = flagsSYN, 1, 60
	case hit.Unknown: // the answer alone, in a record of its own
		f.revPackets, f.revBytes = 1, 200
		if exporter == "biflow" {
			exporter = "ipfix"
		}
	}
	plant.Records = p.export(exporter, f)
	p.HitRecords += plant.Records
	p.Planted = append(p.Planted, plant)
}

// writeLists writes one plain list for each category and score and makes the
// feeds of them, in a fixed order.
func (p *dayPlan) writeLists(dir string) error {
	for _, categories := range dayRows {
		for _, category := range categories {
			for _, score := range dayScores {
				name := fmt.Sprintf("%s-%d", category, score)
				var b []byte
				for _, a := range p.lists[name] {
					b = append(a.AppendTo(b), '\n')
				}
				path := filepath.Join(dir, name+".txt")
				if err := os.WriteFile(path, b, 0o600); err != nil {
					return err
				}
				p.Feeds = append(p.Feeds, feed.Source{
					Name: name, Type: feed.List, Format: "plain", Path: path,
					Category: category, HasCategory: true, Confidence: score,
				})
			}
		}
	}
	return nil
}

// writeCapture exports the planned flows in the order of their ends. An exporter
// sends when a datagram is full, and at least once a minute.
func (p *dayPlan) writeCapture() (err error) {
	file, err := os.Create(p.Capture)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewWriterSize(file, 1<<20)
	capture, err := newDayCapture(buffered)
	if err != nil {
		return err
	}

	type export struct {
		by *dayExporter
		f  dayFlow
	}
	var all []export
	exporters := dayExporters()
	names := []string{"v5", "v9", "ipfix", "biflow"}
	for _, name := range names {
		exporters[name].boot = p.Start.Add(-time.Hour)
		for _, f := range p.flows[name] {
			all = append(all, export{exporters[name], f})
		}
	}
	slices.SortStableFunc(all, func(a, b export) int {
		return cmp.Or(a.f.end.Compare(b.f.end), cmp.Compare(a.by.version, b.by.version))
	})

	minute := p.Start
	for _, x := range all {
		for ; x.f.end.Sub(minute) >= time.Minute; minute = minute.Add(time.Minute) {
			if err := flushAll(capture, exporters, names, minute.Add(time.Minute)); err != nil {
				return err
			}
		}
		if d := x.by.add(x.f, x.f.end); d != nil {
			if err := capture.write(x.by.addr, x.f.end, d); err != nil {
				return err
			}
		}
	}
	if err := flushAll(capture, exporters, names, minute.Add(time.Minute)); err != nil {
		return err
	}
	return buffered.Flush()
}

func flushAll(capture *dayCapture, exporters map[string]*dayExporter, names []string, now time.Time) error {
	for _, name := range names {
		if d := exporters[name].flush(now); d != nil {
			if err := capture.write(exporters[name].addr, now, d); err != nil {
				return err
			}
		}
	}
	return nil
}
