package hit

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func example() Hit {
	t := time.Date(2026, 6, 7, 10, 37, 51, 0, time.UTC)
	return Hit{
		Kind: New, Severity: High, Direction: Outbound, State: Established,
		Category: "c2", Feed: "otx", IOC: netip.MustParsePrefix("198.51.100.7/32"), Score: 60,
		Src: netip.MustParseAddr("10.1.2.3"), SrcPort: 51234,
		Dst: netip.MustParseAddr("198.51.100.7"), DstPort: 443, Proto: 6,
		Count: 1, Bytes: 18412, Packets: 97,
		Country: "NL", Exporter: netip.MustParseAddr("192.0.2.1"),
		Start: t, End: t.Add(20 * time.Second), Time: t.Add(29 * time.Second),
		ID: "7k3m9q2v8w1xz-1", Ref: "https://otx.alienvault.com/pulse/5f", Name: "Emotet wave 3",
	}
}

const exampleBody = `hit kind=new sev=high dir=outbound state=established cat=c2 feed=otx ioc=198.51.100.7 score=60 src=10.1.2.3 sport=51234 dst=198.51.100.7 dport=443 proto=tcp count=1 bytes=18412 pkts=97 cc=NL exporter=192.0.2.1 seen=2026-06-07T10:37:51Z/2026-06-07T10:38:11Z id=7k3m9q2v8w1xz-1 ref="https://otx.alienvault.com/pulse/5f" name="Emotet wave 3"`

func TestAppendLine(t *testing.T) {
	const empty = `hit kind=- sev=info dir=- state=- cat=- feed=- ioc=- score=0 src=- sport=- dst=- dport=- proto=hopopt count=0 bytes=0 pkts=0 cc=- exporter=- seen=- id=- ref="-" name="-"`
	tests := []struct {
		name     string
		change   func(*Hit)
		old, new string // what the change does to the example's line
	}{
		{"example", func(*Hit) {}, "", ""},
		{"prefix", func(h *Hit) { h.IOC = netip.MustParsePrefix("198.51.100.0/24") }, "ioc=198.51.100.7", "ioc=198.51.100.0/24"},
		{"ipv6", func(h *Hit) { h.Dst = netip.MustParseAddr("2001:db8::7"); h.Proto = 58 }, "dst=198.51.100.7 dport=443 proto=tcp", "dst=2001:db8::7 dport=443 proto=ipv6-icmp"},
		{"ipv6 prefix", func(h *Hit) { h.IOC = netip.MustParsePrefix("2001:db8::/32") }, "ioc=198.51.100.7", "ioc=2001:db8::/32"},
		{"v4-mapped", func(h *Hit) { h.Src = netip.MustParseAddr("::ffff:10.1.2.3") }, "", ""},
		{"no ports", func(h *Hit) { h.SrcPort, h.DstPort, h.Proto = NoPort, NoPort, 47 }, "sport=51234 dst=198.51.100.7 dport=443 proto=tcp", "sport=- dst=198.51.100.7 dport=- proto=gre"},
		{"icmp", func(h *Hit) { h.SrcPort, h.DstPort, h.Proto = 8, 0, 1 }, "sport=51234 dst=198.51.100.7 dport=443 proto=tcp", "sport=8 dst=198.51.100.7 dport=0 proto=icmp"},
		{"protocol without a name", func(h *Hit) { h.Proto = 253 }, "proto=tcp", "proto=253"},
		{"only an end", func(h *Hit) { h.Start = time.Time{} }, "seen=2026-06-07T10:37:51Z", "seen=2026-06-07T10:38:11Z"},
		{"feed with a space", func(h *Hit) { h.Feed = `my "feed" ä` }, "feed=otx", "feed=my__feed___"},
		{"spoofed key", func(h *Hit) { h.Name = `x" cat=spam src=192.0.2.9 name="y` }, `"Emotet wave 3"`, `"x' cat=spam src=192.0.2.9 name='y"`},
		{"control characters", func(h *Hit) { h.Name = "\x1b[31mred\x00\nhit kind=new\u202e" }, "Emotet wave 3", "[31mred hit kind=new"},
		{"invalid UTF-8", func(h *Hit) { h.Name = "caf\xe9 é" }, "Emotet wave 3", "caf? é"},
		{"blank name", func(h *Hit) { h.Name = " \t " }, "Emotet wave 3", "-"},
		{"coarse", func(h *Hit) { h.Sources, h.Targets = 36, 9 }, "Emotet wave 3", "Emotet wave 3 (+36 sources, 9 targets)"},
		{"coarse without name", func(h *Hit) { h.Name, h.Sources, h.Targets = "", 36, 1 }, "Emotet wave 3", "(+36 sources, 1 targets)"},
		{"one pair", func(h *Hit) { h.Sources, h.Targets = 1, 1 }, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := example()
			tt.change(&h)
			want := strings.Replace(exampleBody, tt.old, tt.new, 1)
			if got := string(AppendLine(nil, &h)); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
	if got := string(AppendLine([]byte("header: "), &Hit{SrcPort: NoPort, DstPort: NoPort})); got != "header: "+empty {
		t.Errorf("empty hit:\n got %s\nwant header: %s", got, empty)
	}
}

// huge is a hit whose every value is as long as it can be.
func huge() Hit {
	long := strings.Repeat("ä0123456789 ", 500)
	ip := netip.MustParseAddr("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff")
	t := time.Date(2026, 6, 7, 10, 37, 51, 0, time.UTC)
	const most = ^uint64(0)
	return Hit{
		Kind: Kind(long), Direction: Direction(long), State: State(long), Category: long, Feed: long,
		IOC: netip.PrefixFrom(ip, 127), Score: 100, Src: ip, SrcPort: 65535, Dst: ip, DstPort: 65535, Proto: 134,
		Count: most, Bytes: most, Packets: most, Country: long, Exporter: ip, Start: t, End: t, ID: long,
		Ref: long, Name: long, Sources: 1 << 62, Targets: 1 << 62,
	}
}

func TestAppendLineLength(t *testing.T) {
	header := AppendHeader(nil, time.Now(), strings.Repeat("h", 300), 1<<31-1)
	if len(header) != maxHeader {
		t.Fatalf("the longest header has %d bytes, maxHeader is %d", len(header), maxHeader)
	}
	h := huge()
	for size := range 1000 {
		h.Name = strings.Repeat("é", size)
		h.Ref = "https://example.test/" + strings.Repeat("r", size/2)
		line := AppendLine(header, &h)
		if len(line) >= MaxLine {
			t.Fatalf("a name of %d runes makes a line of %d bytes", size, len(line)+1)
		}
		if !utf8.Valid(line) {
			t.Fatalf("a name of %d runes is cut within a rune: %q", size, line[len(line)-40:])
		}
		if !strings.HasSuffix(string(line), `(+4611686018427387904 sources, 4611686018427387904 targets)"`) {
			t.Fatalf("the count of folded addresses is cut: %q", line[len(line)-80:])
		}
	}

	h = example()
	h.Ref = "https://example.test/" + strings.Repeat("r", 300)
	h.Name = strings.Repeat("n", 2000)
	line := string(AppendLine(nil, &h))
	if len(line) != maxBody || !strings.Contains(line, `ref="`+h.Ref+`"`) {
		t.Errorf("name is not shortened before ref, or by too much: %d bytes of %d: %s", len(line), maxBody, line)
	}
	h.Ref = strings.Repeat("r", 2000)
	line = string(AppendLine(nil, &h))
	if len(line) != maxBody || !strings.HasSuffix(line, `r" name="n"`) {
		t.Errorf("ref does not take what an empty name leaves: %d bytes of %d: %s", len(line), maxBody, line)
	}
}

func TestAppendHeader(t *testing.T) {
	defer func(l *time.Location) { time.Local = l }(time.Local)
	time.Local = time.FixedZone("CEST", 2*3600)
	at := time.Date(2026, 6, 7, 10, 38, 20, 999, time.UTC)
	for host, want := range map[string]string{
		"gw":              "Jun  7 12:38:20 gw flowhound[123]: ",
		"":                "Jun  7 12:38:20 localhost flowhound[123]: ",
		"2001:db8::1 x":   "Jun  7 12:38:20 2001-db8--1-x flowhound[123]: ",
		"gw-1_a.example":  "Jun  7 12:38:20 gw-1_a.example flowhound[123]: ",
		"g\nw\x00é[1]: x": "Jun  7 12:38:20 g-w---1---x flowhound[123]: ",
	} {
		if got := string(AppendHeader(nil, at, host, 123)); got != want {
			t.Errorf("host %q: got %q, want %q", host, got, want)
		}
	}
}

// strictLine is a line as a careful reader takes it apart: 22 keys, in order, no
// space and no quote outside the two quoted values.
var strictLine = regexp.MustCompile(`^hit kind=([!#-~]+) sev=(info|low|medium|high|critical) dir=([!#-~]+) state=([!#-~]+) cat=([!#-~]+) feed=([!#-~]+)` +
	` ioc=([0-9a-f.:/]+|-) score=(-?\d+) src=([0-9a-f.:]+|-) sport=(\d+|-) dst=([0-9a-f.:]+|-) dport=(\d+|-) proto=([0-9a-z./+-]+)` +
	` count=(\d+) bytes=(\d+) pkts=(\d+) cc=([!#-~]+) exporter=([0-9a-f.:]+|-) seen=([0-9TZ:/-]+) id=([!#-~]+) ref="([^"]+)" name="([^"]+)"$`)

func FuzzAppendLine(f *testing.F) {
	f.Add("new", "outbound", "c2", "otx", "NL", "7k3-1", "https://e.example/", "Emotet", []byte{198, 51, 100, 7}, uint64(1), 443)
	f.Add(`new" sev=info`, "out bound", "c2\n", "\x00", "", " ", `" name="x`, "x\" cat=c2 srcip=1.2.3.4", []byte{0x20, 1, 0x0d, 0xb8, 15: 1}, ^uint64(0), -1)
	f.Add("", "", "", "", "", "", strings.Repeat("\xff", 2000), strings.Repeat("é\u2028", 900), []byte{}, uint64(0), 4096)
	f.Fuzz(func(t *testing.T, kind, dir, cat, feed, cc, id, ref, name string, addr []byte, n uint64, port int) {
		ip, _ := netip.AddrFromSlice(addr)
		h := Hit{
			Kind: Kind(kind), Severity: Severity(n % 7), Direction: Direction(dir), State: State(dir), Category: cat, Feed: feed,
			IOC: netip.PrefixFrom(ip, port%129), Score: port, Src: ip, SrcPort: port, Dst: ip, DstPort: -port, Proto: uint8(n),
			Count: n, Bytes: n / 3, Packets: n / 5, Country: cc, Exporter: ip, Start: time.Unix(int64(n%(1<<33)), 0), ID: id, Ref: ref, Name: name,
			Sources: port, Targets: int(n % 4096),
		}
		line := AppendLine(nil, &h)
		if len(line) > maxBody {
			t.Fatalf("%d bytes: %s", len(line), line)
		}
		m := strictLine.FindStringSubmatch(string(line))
		if m == nil || !utf8.Valid(line) {
			t.Fatalf("no strict line: %q", line)
		}
		for i, want := range map[int]string{
			2: h.Severity.String(), 8: strconv.Itoa(h.Score), 14: strconv.FormatUint(n, 10), 15: strconv.FormatUint(n/3, 10), 16: strconv.FormatUint(n/5, 10),
		} {
			if m[i] != want {
				t.Errorf("value %d is %q, want %q: %s", i, m[i], want, line)
			}
		}
		if ip.IsValid() && m[9] != ip.Unmap().String() {
			t.Errorf("src is %q, want %q: %s", m[9], ip, line)
		}
	})
}

func BenchmarkAppendLine(b *testing.B) {
	h := example()
	buf := make([]byte, 0, MaxLine)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendLine(AppendHeader(buf[:0], h.Time, "gw", 123), &h)
	}
	b.SetBytes(int64(len(buf)))
}

func TestAppendLineDoesNotAllocate(t *testing.T) {
	h := huge()
	buf := make([]byte, 0, MaxLine)
	if n := testing.AllocsPerRun(100, func() { buf = AppendLine(AppendHeader(buf[:0], h.Start, "gw", 123), &h) }); n != 0 {
		t.Errorf("a line costs %v allocations, want 0", n)
	}
}

func TestFormatIOC(t *testing.T) {
	for want, p := range map[string]netip.Prefix{
		"":               {},
		"198.51.100.7":   netip.MustParsePrefix("198.51.100.7/32"),
		"2001:db8::1":    netip.MustParsePrefix("2001:db8::1/128"),
		"203.0.113.0/24": netip.MustParsePrefix("203.0.113.0/24"),
	} {
		if got := FormatIOC(p); got != want {
			t.Errorf("%v prints as %q, want %q", p, got, want)
		}
	}
}
